"""moto's transactions without what makes them slow: a copy of the table for each action.

The copies are for rolling back. Here the conditions are checked first, so that there is nothing
to roll back.
"""

from __future__ import annotations

import copy
from typing import Any
from unittest.mock import patch

from moto.dynamodb import models
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

__all__ = ["quick_transactions"]

_FAILED = ("ConditionalCheckFailed", "The conditional request failed", None)
_HELD = (None, None, None)

_transact = DynamoDBBackend.transact_write_items


class _NoTables:
    """The module ``copy``, but that a table stays what it is."""

    @staticmethod
    def deepcopy(value: Any) -> Any:
        return value if isinstance(value, Table) else copy.deepcopy(value)


def _transact_quickly(backend: DynamoDBBackend, actions: list[dict[str, Any]]) -> None:
    reasons = [_HELD if _holds(backend, action) else _FAILED for action in actions]
    if _FAILED in reasons:
        raise TransactionCanceledException(reasons)
    with patch.object(models, "copy", _NoTables):
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


def quick_transactions() -> Any:
    """Make moto's transactions quick while this context lasts."""
    return patch.object(DynamoDBBackend, "transact_write_items", _transact_quickly)
