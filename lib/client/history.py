"""The history: recorded firings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase, Key

from lib.client.reading import items_in, pages_of
from lib.client.session import now_microseconds as present_microseconds
from price_alerts.adapters.items import partition_of, shards, terms_of
from price_alerts.domain.ticks import format_timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_DAY_MICROSECONDS = 86_400 * 1_000_000
_MAX_DAYS = 60
_AT_ONCE = 8
_FOLLOW_SECONDS = 2.0
_OVERLAP_MICROSECONDS = 120 * 1_000_000  # clocks differ, and the index is a little late
# Of a firing as it is returned here.
KEYS = (
    *("firing_id", "rule_id", "symbol", "condition", "levels", "window", "previous_price", "price"),
    *("timestamp", "message_id", "fired_at", "owner", "note", "text", "sent", "sent_at"),
    "undeliverable",
)


def firings_of_symbol(
    table: Table, symbol: str, since_microseconds: int = 0
) -> list[dict[str, Any]]:
    """Return a symbol's firings in the order of its ticks, from a time of prices on.

    They can be written as JSON: numbers are exact strings, ``levels`` are written like ``200`` or
    ``5%``, the ``condition`` as on the command line, times as ISO 8601. ``undeliverable`` is the
    reason why SNS rejected one for good. What a firing does not have is ``None``.
    """
    since = format_timestamp(since_microseconds)
    partitions = shards(partition_of("FIRINGS", symbol))
    items = _queried(table, [Key("pk").eq(pk) & Key("sk").gte(since) for pk in partitions])
    return [_written(item) for item in sorted(items, key=_place_of)]


def firings_of_all(
    table: Table, since_microseconds: int, now_microseconds: int
) -> list[dict[str, Any]]:
    """Return the firings of all symbols that were decided since a time, in that order.

    Those that were decided together are in the order of their ticks. Each looks as from
    `firings_of_symbol`. Few days are queried in the index ``by_day``; for many, it is scanned.
    """
    is_recent = Key("fired_at").gte(format_timestamp(since_microseconds))
    first, last = since_microseconds // _DAY_MICROSECONDS, now_microseconds // _DAY_MICROSECONDS
    if last - first < _MAX_DAYS:
        days = (key for day in range(first, last + 1) for key in shards(_date_of(day)))
        conditions = [Key("day").eq(day) & is_recent for day in days]
        items = _queried(table, conditions, IndexName="by_day")
    else:
        items = [*items_in(table, "scan", IndexName="by_day", FilterExpression=is_recent)]
    items.sort(key=lambda item: (item["fired_at"], *_place_of(item)))
    return [_written(item) for item in items]


def firings_of(
    table: Table, symbol: str | None, since_microseconds: int, now_microseconds: int
) -> list[dict[str, Any]]:
    """Return `firings_of_symbol`, or without a symbol `firings_of_all`."""
    if symbol is None:
        return firings_of_all(table, since_microseconds, now_microseconds)
    return firings_of_symbol(table, symbol, since_microseconds)


def followed(
    table: Table,
    symbol: str | None,
    since_microseconds: int,
    limit: int | None = None,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Yield `firings_of`, the newest ``limit`` of them first, and go on with those that come.

    DynamoDB does not notify of new items, so the last minutes are read every two seconds, those of
    all symbols: a late price may make a rule fire in the past of its symbol.
    """
    now = present_microseconds()
    firings = firings_of(table, symbol, since_microseconds, now)
    yield from firings[-limit:] if limit else firings
    seen = {firing["firing_id"] for firing in firings}
    while True:
        sleep(_FOLLOW_SECONDS)
        since, now = now - _OVERLAP_MICROSECONDS, present_microseconds()
        for firing in firings_of_all(table, since, now):
            if firing["symbol"] == (symbol or firing["symbol"]) and firing["firing_id"] not in seen:
                yield firing
                seen.add(firing["firing_id"])


def count_firings(table: Table) -> int:
    """Count all recorded firings, which reads them all."""
    pages = pages_of(table, "scan", IndexName="by_day", Select="COUNT")
    return sum(page["Count"] for page in pages)


def _queried(
    table: Table, conditions: Sequence[ConditionBase], **request: Any
) -> list[Mapping[str, Any]]:
    """Return what meets any of the conditions, of which several are queried at a time."""

    def query(condition: ConditionBase) -> list[dict[str, Any]]:
        return [*items_in(table, "query", KeyConditionExpression=condition, **request)]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        items = [item for items in pool.map(query, conditions) for item in items]
    # During a deployment, two releases may record a firing, each under a key of its own.
    return list({item["firing_id"]: item for item in items}.values())


def _date_of(day: int) -> str:
    return format_timestamp(day * _DAY_MICROSECONDS)[:10]


def _place_of(item: Mapping[str, Any]) -> tuple[Any, ...]:
    # The rule orders those of one tick, for their keys have no meaningful order.
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
