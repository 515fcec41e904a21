"""The store: states and firings as DynamoDB items; to repeat a write is harmless."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from price_alerts.engine import Firing, Lease, State
from price_alerts.rules import Condition
from price_alerts.ticks import Position, format_timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

__all__ = ["Conflict", "Store"]

_STATE_ATTRIBUTES = (
    "version",
    "price",
    "timestamp_microseconds",
    "message_id",
    "message_ordinal",
    "threshold",
    "outbox",
    "lease_owner",
    "lease_until_microseconds",
)
_NAMES = {f"#{name}": name for name in _STATE_ATTRIBUTES}
_DESERIALIZER = TypeDeserializer()


class Conflict(Exception):
    """Somebody else has moved the symbol; ``current`` is where it stands now."""

    def __init__(self, current: State) -> None:
        super().__init__(current.symbol)
        self.current = current


class Store:
    """Symbols' states and their firings in one table.

    Parameters
    ----------
    table
        The table, with keys ``pk`` and ``sk``. Not to be shared between threads.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def load(self, symbol: str) -> State:
        """Read a symbol's state as it is this moment; version 0 if there is none."""
        response = self._table.get_item(Key=_state_key(symbol), ConsistentRead=True)
        return _state(symbol, response.get("Item"))

    def commit(self, before: State, after: State) -> None:
        """Replace a state in one conditional write, which happens wholly or not at all.

        Raises
        ------
        Conflict
            If the stored version is no longer that of ``before``; nothing was written then.
        """
        attributes = _state_attributes(after)
        gone = [f"#{name}" for name in _STATE_ATTRIBUTES if name not in attributes]
        values = {f":{name}": value for name, value in attributes.items()}
        condition = "attribute_not_exists(pk)"
        if before.version:
            condition = "#version = :expected_version"
            values[":expected_version"] = before.version
        assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
        removals = f" REMOVE {', '.join(gone)}" if gone else ""
        try:
            self._table.update_item(
                Key=_state_key(after.symbol),
                UpdateExpression=f"SET {assignments}{removals}",
                ConditionExpression=condition,
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            raise Conflict(_state(after.symbol, _item_in_the_way(error))) from error

    def record(self, firing: Firing) -> bool:
        """Write a firing unless it is there already.

        Returns
        -------
        bool
            Whether it was recorded before and is known to have been announced.
        """
        try:
            self._table.put_item(
                Item=_firing_item(firing),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return bool((_item_in_the_way(error) or {}).get("sent"))
        return False

    def mark_sent(self, firing: Firing, sent_at_microseconds: int) -> None:
        """Note on a recorded firing that it was announced."""
        self._table.update_item(
            Key=_firing_key(firing),
            UpdateExpression="SET sent = :yes, sent_at = :sent_at",
            ExpressionAttributeValues={
                ":yes": True,
                ":sent_at": format_timestamp(sent_at_microseconds),
            },
        )


def _item_in_the_way(error: ClientError) -> dict[str, Any] | None:
    """Return the item for which a condition failed; re-raise any other error."""
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error
    # boto3's resource layer converts the items of answers, not those of errors.
    item: Mapping[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]  # stubs lack it
    return (
        None
        if item is None
        else {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    )


def _state_key(symbol: str) -> dict[str, str]:
    return {"pk": f"SYMBOL#{symbol}", "sk": "STATE"}


def _state_attributes(state: State) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "version": state.version,
        "price": state.price,
        "threshold": state.threshold,
    }
    if state.position:
        attributes["timestamp_microseconds"] = state.position.timestamp_microseconds
        attributes["message_id"] = state.position.message_id
        attributes["message_ordinal"] = state.position.ordinal
    if state.outbox:
        attributes["outbox"] = [_firing_attributes(firing) for firing in state.outbox]
    if state.lease:
        attributes["lease_owner"] = state.lease.owner
        attributes["lease_until_microseconds"] = state.lease.until_microseconds
    return {name: value for name, value in attributes.items() if value is not None}


def _state(symbol: str, item: Mapping[str, Any] | None) -> State:
    if item is None:
        return State(symbol)
    position = lease = None
    if "message_id" in item:
        position = Position(
            int(item["timestamp_microseconds"]), item["message_id"], int(item["message_ordinal"])
        )
    if "lease_owner" in item:
        lease = Lease(item["lease_owner"], int(item["lease_until_microseconds"]))
    return State(
        symbol=symbol,
        version=int(item["version"]),
        price=item.get("price"),
        position=position,
        threshold=item.get("threshold"),
        outbox=tuple(_firing(symbol, entry) for entry in item.get("outbox", ())),
        lease=lease,
    )


def _firing_attributes(firing: Firing) -> dict[str, Any]:
    # The rule is not called rule_id here: that attribute is the key of the index by_rule, which
    # holds rules and no firings.
    attributes: dict[str, Any] = {
        "firing_id": firing.firing_id,
        "rule": firing.rule_id,
        "condition": str(firing.condition),
        "levels": list(firing.levels),
        "price": firing.price,
        "timestamp_microseconds": firing.timestamp_microseconds,
        "fired_at_microseconds": firing.fired_at_microseconds,
        "owner": firing.owner,
        "note": firing.note,
    }
    if firing.previous_price is not None:
        attributes["previous_price"] = firing.previous_price
    return attributes


def _firing(symbol: str, attributes: Mapping[str, Any]) -> Firing:
    levels: list[Decimal] = attributes["levels"]
    return Firing(
        firing_id=attributes["firing_id"],
        rule_id=attributes["rule"],
        symbol=symbol,
        condition=Condition(attributes["condition"]),
        levels=tuple(levels),
        previous_price=attributes.get("previous_price"),
        price=attributes["price"],
        timestamp_microseconds=int(attributes["timestamp_microseconds"]),
        fired_at_microseconds=int(attributes["fired_at_microseconds"]),
        owner=attributes["owner"],
        note=attributes["note"],
    )


def _firing_key(firing: Firing) -> dict[str, str]:
    timestamp = format_timestamp(firing.timestamp_microseconds)
    return {"pk": f"FIRINGS#{firing.symbol}", "sk": f"{timestamp}#{firing.firing_id}"}


def _firing_item(firing: Firing) -> dict[str, Any]:
    fired_at = format_timestamp(firing.fired_at_microseconds)
    return {
        **_firing_key(firing),
        **_firing_attributes(firing),
        "symbol": firing.symbol,
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "day": fired_at[:10],
        "fired_at": fired_at,
        "sent": False,
    }
