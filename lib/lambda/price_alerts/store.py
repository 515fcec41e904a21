"""The store: states, rules, watches and firings in DynamoDB; to repeat a write is harmless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from price_alerts.items import (
    firing_attributes,
    firing_key,
    line_key,
    new_rule_key,
    progress_attributes,
    rule_key,
    rule_of,
    state_attributes,
    state_key,
    state_of,
    watch_keys,
    watch_of,
)
from price_alerts.rules import Progress, Rule, Status
from price_alerts.state import Firing, Outbox, State
from price_alerts.ticks import format_timestamp
from price_alerts.watches import NEW, Watch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from price_alerts.notices import Notice

__all__ = ["Conflict", "Store", "SymbolIndex"]

MAX_ACTIONS_PER_TRANSACTION = 100  # DynamoDB, TransactWriteItems
MAX_KEYS_PER_READ = 100  # DynamoDB, BatchGetItem

_DESERIALIZER = TypeDeserializer()


class Conflict(Exception):
    """Somebody else has moved the symbol; ``current`` is where it stands now."""

    def __init__(self, current: State) -> None:
        super().__init__(current.symbol)
        self.current = current


class Store:
    """Symbols' states, rules and firings in one table.

    Parameters
    ----------
    table
        The table, with keys ``pk`` and ``sk``. Not to be shared between threads.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def load(self, symbol: str) -> State:
        """Read a symbol's state as it is this moment; version 0 if there is none."""
        response = self._table.get_item(Key=state_key(symbol), ConsistentRead=True)
        return state_of(symbol, response.get("Item"))

    def index(self, symbol: str) -> SymbolIndex:
        """Return a symbol's watches and rules, to be read as the engine asks for them."""
        return SymbolIndex(self._table, symbol)

    def commit(self, before: State, after: State) -> None:
        """Replace a state in one conditional write, which happens wholly or not at all.

        Raises
        ------
        Conflict
            If the stored version is no longer that of ``before``, or a change of the symbol's
            rules is under way; nothing was written then.
        """
        old, new = state_attributes(before), state_attributes(after)
        is_stored = before.version > 0
        changed = {
            name: value for name, value in new.items() if not is_stored or value != old.get(name)
        }
        gone = sorted(old.keys() - new.keys()) if is_stored else []
        condition = "attribute_not_exists(pk)"
        values = {f":{_alias(name)}": value for name, value in changed.items()}
        if is_stored:
            condition = "#version = :expected_version"
            values[":expected_version"] = before.version
        removals = f" REMOVE {', '.join(f'#{_alias(name)}' for name in gone)}" if gone else ""
        try:
            self._table.update_item(
                Key=state_key(after.symbol),
                UpdateExpression=_assignments(changed) + removals,
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{_alias(name)}": name for name in [*changed, *gone]},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _code(error) == "TransactionConflictException":
                raise Conflict(self.load(after.symbol)) from error
            raise Conflict(state_of(after.symbol, _item_in_the_way(error))) from error

    def record(self, notice: Notice) -> None:
        """Write a firing of the stack's own rule unless it is there already."""
        try:
            self._table.put_item(
                Item={**firing_key(notice.firing), **firing_attributes(notice), "sent": False},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as error:
            _item_in_the_way(error)

    def apply(
        self, outbox: Outbox, symbol: str, rules: Mapping[str, Rule], notices: Sequence[Notice]
    ) -> None:
        """Write what an outbox holds for stored rules: what they have come to, and their firings.

        Parameters
        ----------
        outbox, symbol
            The outbox of that symbol.
        rules
            The rules that it changes, as far as they are still there.
        notices
            The firings of stored rules.

        Raises
        ------
        Conflict
            If a change of the symbol's rules is under way; it can be tried again.
        """
        actions = [
            *self._changes(outbox, symbol, rules),
            *(self._recording(notice) for notice in notices),
            *(self._deletion(new_rule_key(symbol, rule_id)) for rule_id in outbox.checked_rule_ids),
        ]
        for portion in _portions(actions, MAX_ACTIONS_PER_TRANSACTION):
            self._transact(symbol, portion)

    def unsent(self, firings: Sequence[Firing]) -> list[Firing]:
        """Tell which of up to a hundred firings are not known to have been announced."""
        items = _read_all(self._table, [firing_key(firing) for firing in firings])
        sent = {item["firing_id"] for item in items if item["sent"]}
        return [firing for firing in firings if firing.firing_id not in sent]

    def mark_sent(self, symbol: str, firings: Sequence[Firing], sent_at_microseconds: int) -> None:
        """Note on recorded firings that they were announced.

        Raises
        ------
        Conflict
            If it is to be tried again.
        """
        attributes = {"sent": True, "sent_at": format_timestamp(sent_at_microseconds)}
        self._transact(symbol, [self._update(firing_key(firing), attributes) for firing in firings])

    def _changes(
        self, outbox: Outbox, symbol: str, rules: Mapping[str, Rule]
    ) -> Iterator[dict[str, Any]]:
        for rule_id, progress in outbox.changes.items():
            yield self._claim(symbol, rule_id, progress, outbox.version)
            if progress.status is Status.TRIGGERED and rule_id in rules:
                for key in watch_keys(rules[rule_id]):
                    yield self._deletion(key)

    def _claim(self, symbol: str, rule_id: str, progress: Progress, version: int) -> dict[str, Any]:
        """Write what a rule has come to, unless a later delivery has been there.

        That happens to an invocation that was held up for longer than its lease.
        """
        attributes = {**progress_attributes(progress), "applied_version": version}
        action = self._update(rule_key(symbol, rule_id), attributes)
        update = action["Update"]
        if progress.disarmed is None:
            update["UpdateExpression"] += " REMOVE disarmed"
        update["ConditionExpression"] = (
            "attribute_exists(pk) AND "
            "(attribute_not_exists(applied_version) OR applied_version <= :applied_version)"
        )
        return action

    def _recording(self, notice: Notice) -> dict[str, Any]:
        action = self._update(firing_key(notice.firing), firing_attributes(notice))
        update = action["Update"]
        # One that was recorded before may have been announced since.
        update["UpdateExpression"] += ", sent = if_not_exists(sent, :unsent)"
        update["ExpressionAttributeValues"][":unsent"] = False
        return action

    def _update(self, key: Mapping[str, str], attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table.name,
                "Key": key,
                "UpdateExpression": _assignments(attributes),
                "ExpressionAttributeNames": {f"#{_alias(name)}": name for name in attributes},
                "ExpressionAttributeValues": {
                    f":{_alias(name)}": value for name, value in attributes.items()
                },
            }
        }

    def _deletion(self, key: Mapping[str, str]) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table.name, "Key": key}}

    def _transact(self, symbol: str, actions: Sequence[Any]) -> None:
        """Do all of these but claims on rules that are gone or that others have claimed since."""
        while actions:
            try:
                self._table.meta.client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                actions = self._claimable(symbol, actions, error)
            else:
                return

    def _claimable(self, symbol: str, actions: Sequence[Any], error: ClientError) -> list[Any]:
        if _code(error) != "TransactionCanceledException":
            raise error
        reasons = [reason.get("Code") for reason in error.response["CancellationReasons"]]
        if "TransactionConflict" in reasons:
            raise Conflict(self.load(symbol)) from error
        if "ConditionalCheckFailed" not in reasons:
            raise error
        return [
            action
            for action, reason in zip(actions, reasons, strict=True)
            if reason != "ConditionalCheckFailed"
        ]


class SymbolIndex:
    """One symbol's watches and rules in the table, as the engine asks for them."""

    def __init__(self, table: Table, symbol: str) -> None:
        self._table = table
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

    def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
        """Read up to a hundred rules by their ids; those that are gone are left out."""
        items = _read_all(self._table, [rule_key(self._symbol, rule_id) for rule_id in rule_ids])
        return {item["rule_id"]: rule_of(item) for item in items}

    def _query(
        self, condition: str, values: Mapping[str, str], is_forward: bool, limit: int
    ) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while len(items) < limit:
            answer = self._table.query(
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


def _read_all(table: Table, keys: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Read up to a hundred items as they are this moment; what is not there is left out."""
    items: list[dict[str, Any]] = []
    wanted: Any = {table.name: {"Keys": keys, "ConsistentRead": True}}
    while wanted:
        answer = table.meta.client.batch_get_item(RequestItems=wanted)
        items += answer["Responses"].get(table.name, [])
        wanted = answer.get("UnprocessedKeys")
    return items


def _item_in_the_way(error: ClientError) -> dict[str, Any] | None:
    """Return the item for which a condition failed; re-raise any other error."""
    if _code(error) != "ConditionalCheckFailedException":
        raise error
    # boto3's resource layer converts the items of answers, not those of errors.
    item: Mapping[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]  # stubs lack it
    return (
        None
        if item is None
        else {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    )


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _assignments(attributes: Mapping[str, Any]) -> str:
    return "SET " + ", ".join(f"#{_alias(name)} = :{_alias(name)}" for name in attributes)


def _alias(name: str) -> str:
    return name.replace("-", "_")


def _portions(actions: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(actions), size):
        yield actions[start : start + size]
