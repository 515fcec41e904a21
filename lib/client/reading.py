"""Reads of the table that may fill several pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def pages_of(table: Table, operation: str, **request: Any) -> Iterator[dict[str, Any]]:
    """Yield all pages of a ``query`` or a ``scan``."""
    client: Any = table.meta.client  # a resource's takes boto3's conditions; the stubs say no
    yield from client.get_paginator(operation).paginate(TableName=table.name, **request)


def items_in(table: Table, operation: str, **request: Any) -> Iterator[dict[str, Any]]:
    """Yield the items of all pages of a ``query`` or a ``scan``."""
    for page in pages_of(table, operation, **request):
        yield from page["Items"]


def listed_keys(table: Table) -> Iterator[dict[str, str]]:
    """Yield the keys of all rules and states: the sparse index ``by_rule`` has no history."""
    for item in items_in(table, "scan", IndexName="by_rule"):
        yield {"pk": item["pk"], "sk": item["sk"]}
