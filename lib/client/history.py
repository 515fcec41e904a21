"""The history: firings as the table has recorded them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase, Key

from price_alerts.adapters.items import partition_of, shards, terms_of
from price_alerts.domain.ticks import format_timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_DAY_MICROSECONDS = 86_400 * 1_000_000
_MAX_DAYS = 60
_AT_ONCE = 8


def firings_of_symbol(
    table: Table, symbol: str, since_microseconds: int = 0
) -> list[dict[str, Any]]:
    """Read a symbol's firings whose prices are of a time or later, in the order of its ticks.

    Parameters
    ----------
    table
        The table.
    symbol
        The symbol, in capital letters.
    since_microseconds
        The earliest timestamp of a price.

    Returns
    -------
    list of dict
        Firings that can be written as JSON: numbers are exact strings, ``levels`` are written
        like ``200`` or ``5%``, the ``condition`` as on the command line, times as ISO 8601.
        ``undeliverable`` is why SNS rejected one for good. What a firing does not have is
        ``None``.
    """
    since = format_timestamp(since_microseconds)
    items = _queried(
        table,
        [Key("pk").eq(pk) & Key("sk").gte(since) for pk in shards(partition_of("FIRINGS", symbol))],
    )
    return [_written(item) for item in sorted(items, key=_place_of)]


def firings_of_all(
    table: Table, since_microseconds: int, now_microseconds: int
) -> list[dict[str, Any]]:
    """Read the firings of all symbols that were decided at a time or later, the newest last.

    Parameters
    ----------
    table
        The table, with its index ``by_day``: a day is in several partitions, and many days are
        read with all that there are.
    since_microseconds
        The earliest time.
    now_microseconds
        The present: the last day that is asked for.

    Returns
    -------
    list of dict
        Firings as `firings_of_symbol` writes them; those that were decided together are in the
        order of their ticks.
    """
    is_recent = Key("fired_at").gte(format_timestamp(since_microseconds))
    first, last = since_microseconds // _DAY_MICROSECONDS, now_microseconds // _DAY_MICROSECONDS
    if last - first < _MAX_DAYS:
        days = (key for day in range(first, last + 1) for key in shards(_date_of(day)))
        conditions = [Key("day").eq(day) & is_recent for day in days]
        items = _queried(table, conditions, IndexName="by_day")
    else:
        items = list(_read(table, "scan", IndexName="by_day", FilterExpression=is_recent))
    items.sort(key=lambda item: (item["fired_at"], *_place_of(item)))
    return [_written(item) for item in items]


def count_firings(table: Table) -> int:
    """Count all firings that are recorded, which reads them all."""
    client: Any = table.meta.client
    pages = client.get_paginator("scan").paginate(
        TableName=table.name, IndexName="by_day", Select="COUNT"
    )
    return sum(page["Count"] for page in pages)


def _queried(
    table: Table, conditions: Sequence[ConditionBase], **request: Any
) -> list[Mapping[str, Any]]:
    """Read what meets one of some conditions, several at a time."""

    def read(condition: ConditionBase) -> list[Mapping[str, Any]]:
        return list(_read(table, "query", KeyConditionExpression=condition, **request))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        items = [item for items in pool.map(read, conditions) for item in items]
    # During a deployment, two releases may record a firing, each under a key of its own.
    return list({item["firing_id"]: item for item in items}.values())


def _read(table: Table, operation: str, **request: Any) -> Iterator[Mapping[str, Any]]:
    client: Any = table.meta.client  # a resource's takes such conditions, which the stubs deny
    pages = client.get_paginator(operation).paginate(TableName=table.name, **request)
    for page in pages:
        yield from page["Items"]


def _date_of(day: int) -> str:
    return format_timestamp(day * _DAY_MICROSECONDS)[:10]


def _place_of(item: Mapping[str, Any]) -> tuple[Any, ...]:
    # The last is for those of one tick, whose keys are in no order that means anything.
    order = item.get("sequence", 0), item.get("message_sent_at_microseconds", 0)
    return item["timestamp"], *order, item["message_id"], item["message_ordinal"], item["rule"]


def _written(item: Mapping[str, Any]) -> dict[str, Any]:
    terms = terms_of(item)
    previous = item.get("previous_price")
    return {
        "firing_id": item["firing_id"],
        "rule_id": item["rule"],
        "symbol": item["symbol"],
        "condition": terms.condition.word,
        "levels": terms.levels_in_words,
        "window": terms.window,
        "previous_price": None if previous is None else f"{previous:f}",
        "price": f"{item['price']:f}",
        "timestamp": item["timestamp"],
        "message_id": item["message_id"],
        "fired_at": item["fired_at"],
        "owner": item.get("owner", ""),
        "note": item.get("note", ""),
        "text": item.get("text", ""),
        "sent": item["sent"],
        "sent_at": item.get("sent_at"),
        "undeliverable": item.get("undeliverable"),
    }
