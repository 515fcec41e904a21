"""moto without what makes it slow.

It copies the table for each action of a transaction, to roll it back: here the conditions are
checked first, so that there is nothing to roll back. And it asks its way through each attribute
of each item that it answers with: here they go out as they are. And it compares keys by way of
their types, to sort all items for each query: all are text here.

Requests are answered one after the other: moto's tables know nothing of threads.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any
from unittest.mock import patch

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb import models
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

_FAILED = ("ConditionalCheckFailed", "The conditional request failed", None)
_HELD = (None, None, None)

_one_at_a_time = RLock()
_answer = DynamoHandler.call_action
_serialize = BaseJSONSerializer._serialize_type_structure
_transact = DynamoDBBackend.transact_write_items


class _NoTables:
    """The module ``copy``, but that a table stays what it is."""

    @staticmethod
    def deepcopy(value: Any) -> Any:
        return value if isinstance(value, Table) else copy.deepcopy(value)


def _answer_alone(handler: DynamoHandler) -> Any:
    with _one_at_a_time:
        return _answer(handler)


def _transact_quickly(backend: DynamoDBBackend, actions: list[dict[str, Any]]) -> None:
    reasons = [_HELD if _holds(backend, action) else _FAILED for action in actions]
    if _FAILED in reasons:
        raise TransactionCanceledException(reasons)
    _transact(backend, actions)


def _holds(backend: DynamoDBBackend, action: dict[str, Any]) -> bool:
    ((kind, asked),) = action.items()
    attributes = asked["Item"] if kind == "Put" else asked["Key"]
    key = {name: attributes[name] for name in ("pk", "sk")}
    condition = get_filter_expression(
        asked.get("ConditionExpression"),
        asked.get("ExpressionAttributeNames"),
        asked.get("ExpressionAttributeValues"),
    )
    return bool(condition.expr(backend.get_item(asked["TableName"], key)))


def _serialize_quickly(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    if shape.name == "AttributeValue":
        serialized[key] = _as_sent(value)
    else:
        _serialize(serializer, serialized, value, shape, key)


def _as_sent(value: dict[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    if kind == "B":
        return {"B": base64.b64encode(content).decode()}
    if kind == "M":
        return {"M": {name: _as_sent(entry) for name, entry in content.items()}}
    return value


def _all_items(table: Table) -> list[Item]:
    items = [item for partition in table.items.values() for item in partition.values()]
    return sorted(items, key=lambda item: (item.hash_key.value, item.range_key.value))


@contextmanager
def quick_moto() -> Iterator[None]:
    """Make moto quick while this context lasts."""
    with (
        patch.object(models, "copy", _NoTables),
        patch.object(DynamoHandler, "call_action", _answer_alone),
        patch.object(DynamoDBBackend, "transact_write_items", _transact_quickly),
        patch.object(Table, "all_items", _all_items),
        patch.object(BaseJSONSerializer, "_serialize_type_structure", _serialize_quickly),
    ):
        yield
