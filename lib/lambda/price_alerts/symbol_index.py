"""The symbol index: watches and rules in DynamoDB, read as the engine asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from price_alerts.items import line_key, rule_key, rule_of, watch_of
from price_alerts.portions import portions
from price_alerts.rules import Rule
from price_alerts.watches import NEW, Watch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

__all__ = ["SymbolIndex", "read_all"]

_MAX_KEYS_PER_READ = 100  # DynamoDB, BatchGetItem


class SymbolIndex:
    """One symbol's `Index` in the table; every read shows what is there this moment."""

    def __init__(self, table: Table, symbol: str) -> None:
        self._table = table
        self._client: Any = table.meta.client  # takes plain values, which the stubs deny
        self._symbol = symbol

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> list[Watch]:
        """Read up to so many watches behind a key, going up or down; fewer mean the line's end."""
        condition = f"pk = :pk AND sk {'>' if upward else '<'} :start"
        values = {":pk": line_key(self._symbol, line), ":start": start}
        return [watch_of(item) for item in self._query(condition, values, upward, limit)]

    def new_rule_ids(self, limit: int) -> list[str]:
        """Read up to so many ids of rules that have seen no tick yet."""
        values = {":pk": line_key(self._symbol, NEW)}
        return [item["sk"] for item in self._query("pk = :pk", values, True, limit)]

    def rules(self, rule_ids: Iterable[str]) -> dict[str, Rule]:
        """Read rules by their ids; those that are gone are left out."""
        items = read_all(self._table, (rule_key(self._symbol, rule_id) for rule_id in rule_ids))
        return {item["rule_id"]: rule_of(item) for item in items}

    def _query(
        self, condition: str, values: Mapping[str, str], is_forward: bool, limit: int
    ) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while len(items) < limit:
            answer = self._client.query(
                TableName=self._table.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=is_forward,
                ConsistentRead=True,
                Limit=limit - len(items),
                **start,
            )
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return items


def read_all(table: Table, keys: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Read items as they are this moment; what is not there is left out."""
    items: list[dict[str, Any]] = []
    for portion in portions(keys, _MAX_KEYS_PER_READ):
        wanted: Any = {table.name: {"Keys": portion, "ConsistentRead": True}}
        while wanted:  # each answer holds some of it, or is an error
            answer = table.meta.client.batch_get_item(RequestItems=wanted)
            items += answer["Responses"].get(table.name, [])
            wanted = answer.get("UnprocessedKeys")
    return items
