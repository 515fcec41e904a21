"""The symbol index: watches and rules in DynamoDB, read on the engine's demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from price_alerts.adapters.items import (
    UnreadableItem,
    former_rule_key,
    line_key,
    rule_key,
    rule_of,
    rule_partitions,
    watch_of,
)
from price_alerts.domain.portions import portions
from price_alerts.domain.rules import Rule
from price_alerts.domain.watches import NEW, Watch
from price_alerts.ports import Each

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_MAX_KEYS_PER_READ = 100  # DynamoDB, BatchGetItem


class SymbolIndex:
    """One symbol's `Index` in the table; every read is consistent.

    Parameters
    ----------
    table
        The table, with keys ``pk`` and ``sk``.
    symbol
        The symbol.
    each
        Maps a function over partitions, like ``map``; or a pool's, in several threads.

    Attributes
    ----------
    known
        The rules that were read.
    unreadable
        Why a rule was set aside, by its id: it, or its watch, cannot be read.
    """

    def __init__(self, table: Table, symbol: str, each: Each = map) -> None:
        self._table = table
        self._each = each
        self._client: Any = table.meta.client  # accepts plain values, which the stubs deny
        self._symbol = symbol
        self.known: dict[str, Rule] = {}
        self.unreadable: dict[str, str] = {}

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> list[Watch]:
        """Return up to `limit` watches after `start`; a short result means the end of the line."""
        condition = f"pk = :pk AND sk {'>' if upward else '<'} :start"
        values = {":pk": line_key(self._symbol, line), ":start": start}
        watches = [watch_of(item) for item in self._query(condition, values, upward, limit)]
        for watch in watches:
            if watch.terms is None:
                self.unreadable[watch.rule_id] = "its watch cannot be read"
        return watches

    def new_rule_ids(self, limit: int) -> list[str]:
        """Return up to `limit` ids of rules that have seen no tick yet."""
        values = {":pk": line_key(self._symbol, NEW)}
        return [item["sk"] for item in self._query("pk = :pk", values, True, limit)]

    def rules(self, rule_ids: Iterable[str]) -> dict[str, Rule]:
        """Return rules by their ids, without those that are gone or cannot be read."""
        left = dict.fromkeys(rule_ids)
        rules: dict[str, Rule] = {}
        for key_of in (rule_key, former_rule_key):
            items = read_all(self._table, (key_of(self._symbol, rule_id) for rule_id in left))
            rules |= self._read(items)
            for item in items:
                del left[_rule_id_in(item)]
        return rules

    def all_rules(self) -> list[Rule]:
        """Return all rules of the symbol that can be read."""

        def items_in(partition: str) -> list[dict[str, Any]]:
            values = {":pk": partition, ":rule": "RULE#"}
            return self._query("pk = :pk AND begins_with(sk, :rule)", values, True, None)

        # A new symbol's first price waits for this.
        found = self._each(items_in, rule_partitions(self._symbol))
        return list(self._read(item for items in found for item in items).values())

    def _read(self, items: Iterable[Mapping[str, Any]]) -> dict[str, Rule]:
        rules = {}
        for item in items:
            rule_id = _rule_id_in(item)
            try:
                rules[rule_id] = rule_of(item)
            except UnreadableItem as reason:
                self.unreadable[rule_id] = str(reason)
        self.known |= rules
        return rules

    def _query(
        self, condition: str, values: Mapping[str, str], is_forward: bool, limit: int | None
    ) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while limit is None or len(items) < limit:
            if limit is not None:
                page["Limit"] = limit - len(items)
            answer = self._client.query(
                TableName=self._table.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=is_forward,
                ConsistentRead=True,
                **page,
            )
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return items


def _rule_id_in(item: Mapping[str, Any]) -> str:
    return str(item["sk"].partition("#")[2])


def read_all(table: Table, keys: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Read items consistently; those that do not exist are left out."""
    items: list[dict[str, Any]] = []
    for portion in portions(keys, _MAX_KEYS_PER_READ):
        wanted: Any = {table.name: {"Keys": portion, "ConsistentRead": True}}
        while wanted:  # each answer holds some of it, or is an error
            answer = table.meta.client.batch_get_item(RequestItems=wanted)
            items += answer["Responses"].get(table.name, [])
            wanted = answer.get("UnprocessedKeys")
    return items
