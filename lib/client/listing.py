"""What the sparse index ``by_rule`` lists: rules and states, however long the history is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def listed_keys(table: Table) -> Iterator[dict[str, str]]:
    """Yield the keys of all rules and states."""
    client: Any = table.meta.client
    for page in client.get_paginator("scan").paginate(TableName=table.name, IndexName="by_rule"):
        for item in page["Items"]:
            yield {"pk": item["pk"], "sk": item["sk"]}
