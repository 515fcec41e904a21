"""moto's transactions without what makes them slow: a copy of the table for each action.

The copies are for rolling back. They are made only if a condition fails, or a key comes twice.
"""

from __future__ import annotations

import copy
from typing import Any
from unittest.mock import patch

from moto.dynamodb import models
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

__all__ = ["quick_transactions"]

_thorough = DynamoDBBackend.transact_write_items


class _NoTables:
    """The module ``copy``, but that a table stays what it is."""

    @staticmethod
    def deepcopy(value: Any) -> Any:
        return value if isinstance(value, Table) else copy.deepcopy(value)


def _transact(backend: DynamoDBBackend, actions: list[dict[str, Any]]) -> None:
    if not _will_pass(backend, actions):
        _thorough(backend, actions)
        return
    with patch.object(models, "copy", _NoTables):
        _thorough(backend, actions)


def _will_pass(backend: DynamoDBBackend, actions: list[dict[str, Any]]) -> bool:
    keys = set()
    for action in actions:
        ((kind, asked),) = action.items()
        attributes = asked["Item"] if kind == "Put" else asked["Key"]
        key = {name: attributes[name] for name in ("pk", "sk")}
        keys.add(str(key))
        condition = get_filter_expression(
            asked.get("ConditionExpression"),
            asked.get("ExpressionAttributeNames"),
            asked.get("ExpressionAttributeValues"),
        )
        if not condition.expr(backend.get_item(asked["TableName"], key)):
            return False
    return len(keys) == len(actions)


def quick_transactions() -> Any:
    """Make moto's transactions quick while this context lasts."""
    return patch.object(DynamoDBBackend, "transact_write_items", _transact)
