"""The history: firings as the table has recorded them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key

from price_alerts.ticks import format_timestamp

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb.service_resource import Table

__all__ = ["firings_of_all", "firings_of_symbol"]

_DAY_MICROSECONDS = 86_400 * 1_000_000


def firings_of_symbol(
    table: Table, symbol: str, since_microseconds: int = 0
) -> Iterator[dict[str, Any]]:
    """Read a symbol's firings whose prices are of a time or later, the newest price last.

    Parameters
    ----------
    table
        The table.
    symbol
        The symbol, in capital letters.
    since_microseconds
        The earliest timestamp of a price.

    Yields
    ------
    dict
        A firing that can be written as JSON: numbers are exact strings, ``levels`` are written
        like ``200`` or ``5%``, the ``condition`` as on the command line, times as ISO 8601. What
        a firing does not have is ``None``.
    """
    since = format_timestamp(since_microseconds)
    yield from _query(table, Key("pk").eq(f"FIRINGS#{symbol}") & Key("sk").gte(since))


def firings_of_all(
    table: Table, since_microseconds: int, now_microseconds: int
) -> Iterator[dict[str, Any]]:
    """Read the firings of all symbols that were decided at a time or later, the newest last.

    Parameters
    ----------
    table
        The table, with its index ``by_day``, of which every day is one query.
    since_microseconds
        The earliest time.
    now_microseconds
        The present: the last day that is asked for.

    Yields
    ------
    dict
        A firing, as `firings_of_symbol` writes it.
    """
    since = format_timestamp(since_microseconds)
    first_day = since_microseconds // _DAY_MICROSECONDS
    for day in range(first_day, now_microseconds // _DAY_MICROSECONDS + 1):
        date = format_timestamp(day * _DAY_MICROSECONDS)[:10]
        condition = Key("day").eq(date) & Key("fired_at").gte(since)
        yield from _query(table, condition, IndexName="by_day")


def _query(table: Table, condition: ConditionBase, **index: str) -> Iterator[dict[str, Any]]:
    client: Any = table.meta.client  # a resource's takes such conditions, which the stubs deny
    pages = client.get_paginator("query").paginate(
        TableName=table.name, KeyConditionExpression=condition, **index
    )
    for page in pages:
        yield from map(_written, page["Items"])


def _written(item: Mapping[str, Any]) -> dict[str, Any]:
    unit = "%" if item.get("percent") else ""
    previous = item.get("previous_price")
    return {
        "firing_id": item["firing_id"],
        "rule_id": item["rule"],
        "symbol": item["symbol"],
        "condition": item["condition"].replace("_", "-"),
        "levels": [f"{level:f}{unit}" for level in item["levels"]],
        "window": item.get("window"),
        "previous_price": None if previous is None else f"{previous:f}",
        "price": f"{item['price']:f}",
        "timestamp": item["timestamp"],
        "fired_at": item["fired_at"],
        "owner": item.get("owner", ""),
        "note": item.get("note", ""),
        "text": item.get("text", ""),
        "sent": item["sent"],
        "sent_at": item.get("sent_at"),
    }
