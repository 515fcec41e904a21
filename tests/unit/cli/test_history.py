from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.history import firings_of_all, firings_of_symbol
from price_alerts.domain.ticks import format_timestamp
from tests.unit.doubles import NOW, SECOND

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

DAY = 86_400 * SECOND
HOUR = 3_600 * SECOND


def record(
    table: Table,
    name: str,
    *,
    symbol: str = "AAPL",
    at: int = NOW,
    fired_at: int = NOW,
    is_spread: bool = True,
    **more: Any,
) -> None:
    """Record a firing as the handler does; more attributes replace the usual ones."""
    timestamp, fired = format_timestamp(at), format_timestamp(fired_at)
    spread = f"#{zlib.crc32(name.encode()) % 8}" if is_spread else ""
    table.put_item(
        Item={
            "pk": f"FIRINGS#{symbol}{spread}",
            "sk": f"{timestamp}#{name}",
            "firing_id": name,
            "rule": "r-1",
            "symbol": symbol,
            "condition": "crosses_up",
            "levels": [Decimal(200)],
            "price": Decimal("200.25"),
            "timestamp": timestamp,
            "message_id": "m-1",
            "message_ordinal": 0,
            "fired_at": fired,
            "day": f"{fired[:10]}{spread}",
            "owner": "me",
            "note": "sell",
            "text": "AAPL crossed 200 upwards.",
            "sent": False,
            **more,
        }
    )


def of_all(table: Table, since: int, now: int = NOW) -> list[str]:
    return [firing["firing_id"] for firing in firings_of_all(table, since, now)]


def of_symbol(table: Table, symbol: str = "AAPL", **since: int) -> list[str]:
    return [firing["firing_id"] for firing in firings_of_symbol(table, symbol, **since)]


def test_a_firing_is_written_for_json(alerts: Table) -> None:
    record(
        alerts,
        "f-1",
        previous_price=Decimal("1E+2"),
        sent=True,
        sent_at="2026-11-22T15:04:06.000000Z",
    )
    [firing] = firings_of_symbol(alerts, "AAPL")
    assert json.loads(json.dumps(firing)) == {
        "firing_id": "f-1",
        "rule_id": "r-1",
        "symbol": "AAPL",
        "condition": "crosses-up",
        "levels": ["200"],
        "window": None,
        "previous_price": "100",
        "price": "200.25",
        "timestamp": "2026-11-22T15:04:05.250000Z",
        "message_id": "m-1",
        "fired_at": "2026-11-22T15:04:05.250000Z",
        "owner": "me",
        "note": "sell",
        "text": "AAPL crossed 200 upwards.",
        "sent": True,
        "sent_at": "2026-11-22T15:04:06.000000Z",
        "undeliverable": None,
    }


def test_a_move_is_written_with_its_unit_and_its_window(alerts: Table) -> None:
    record(alerts, "f-1", condition="rises", levels=[Decimal(5)], percent=True, window="1h")
    [firing] = firings_of_symbol(alerts, "AAPL")
    assert (firing["condition"], firing["levels"], firing["window"]) == ("rises", ["5%"], "1h")


def test_what_a_firing_does_not_have_is_none(alerts: Table) -> None:
    record(alerts, "f-1")
    [firing] = firings_of_symbol(alerts, "AAPL")
    assert (firing["previous_price"], firing["sent"], firing["sent_at"]) == (None, False, None)
    assert firing["undeliverable"] is None


def test_a_firing_that_cannot_be_delivered_says_why(alerts: Table) -> None:
    record(alerts, "f-1", undeliverable="InvalidParameter")
    [firing] = firings_of_symbol(alerts, "AAPL")
    assert (firing["sent"], firing["undeliverable"]) == (False, "InvalidParameter")


def test_a_symbols_firings_are_in_the_order_of_their_prices(alerts: Table) -> None:
    record(alerts, "later", at=NOW + SECOND, fired_at=NOW)
    record(alerts, "first", at=NOW, fired_at=NOW + SECOND)
    record(alerts, "other", symbol="IBM")
    assert of_symbol(alerts) == ["first", "later"]


@pytest.mark.parametrize(("since", "names"), [(NOW, ["f-1"]), (NOW + 1, [])])
def test_a_symbols_firings_may_begin_at_a_time_of_their_prices(
    alerts: Table, since: int, names: list[str]
) -> None:
    record(alerts, "f-1")
    record(alerts, "old", at=NOW - DAY)
    assert of_symbol(alerts, since_microseconds=since) == names


def test_all_firings_are_in_the_order_in_which_they_were_decided(alerts: Table) -> None:
    record(alerts, "today", symbol="A", at=NOW - 9 * DAY, fired_at=NOW)
    record(alerts, "yesterday", symbol="B", fired_at=NOW - DAY)
    record(alerts, "this morning", symbol="C", fired_at=NOW - HOUR)
    assert of_all(alerts, NOW - 2 * DAY) == ["yesterday", "this morning", "today"]


@pytest.mark.parametrize(
    ("since", "names"), [(NOW - HOUR, ["f-1", "f-2"]), (NOW - HOUR + 1, ["f-2"]), (NOW + 1, [])]
)
def test_all_firings_begin_at_the_time_when_they_were_decided(
    alerts: Table, since: int, names: list[str]
) -> None:
    record(alerts, "f-1", fired_at=NOW - HOUR)
    record(alerts, "f-2", symbol="IBM", at=NOW - 9 * DAY)
    record(alerts, "old", fired_at=NOW - DAY)
    assert of_all(alerts, since) == names


def test_the_days_are_those_of_utc_from_their_first_moment_to_their_last(alerts: Table) -> None:
    midnight = NOW - NOW % DAY
    record(alerts, "first", symbol="A", fired_at=midnight)
    record(alerts, "last of yesterday", symbol="B", fired_at=midnight - 1)
    assert of_all(alerts, midnight - 1, midnight) == ["last of yesterday", "first"]


@pytest.mark.parametrize("read", [of_symbol, lambda table: of_all(table, NOW)])
def test_firings_that_the_release_before_recorded_are_among_them(
    alerts: Table, read: Callable[[Table], list[str]]
) -> None:
    names = [f"f-{number}" for number in range(20)]
    for number, name in enumerate(names):
        record(alerts, name, is_spread=number % 2 == 0, at=NOW + number, fired_at=NOW + number)
    assert read(alerts) == names


@pytest.mark.parametrize("read", [of_symbol, lambda table: of_all(table, NOW)])
def test_a_firing_that_two_releases_recorded_is_shown_once(
    alerts: Table, read: Callable[[Table], list[str]]
) -> None:
    record(alerts, "f-1", is_spread=False)
    record(alerts, "f-1")
    assert read(alerts) == ["f-1"]


@pytest.mark.parametrize("read", [of_symbol, lambda table: of_all(table, NOW)])
def test_firings_of_one_time_are_in_the_order_of_their_ticks(
    alerts: Table, read: Callable[[Table], list[str]]
) -> None:
    record(alerts, "a", message_id="m-2", message_ordinal=1)
    record(alerts, "b", message_id="m-2", message_ordinal=0)
    record(alerts, "c", message_id="m-1", message_ordinal=2)
    assert read(alerts) == ["c", "b", "a"]


def test_firings_of_one_tick_are_in_the_order_of_their_rules(alerts: Table) -> None:
    record(alerts, "a", rule="r-2")
    record(alerts, "b", rule="r-1")
    assert of_symbol(alerts) == ["b", "a"]


@pytest.mark.parametrize(("days", "operation"), [(59, "Query"), (60, "Scan")])
def test_many_days_are_read_at_once(alerts: Table, days: int, operation: str) -> None:
    calls: Counter[str] = Counter()
    alerts.meta.client.meta.events.register(
        "before-call.dynamodb.*", lambda model, **_: calls.update([model.name])
    )
    record(alerts, "old", fired_at=NOW - (days + 1) * DAY)
    record(alerts, "first", fired_at=NOW - days * DAY)
    record(alerts, "last")
    assert of_all(alerts, NOW - days * DAY) == ["first", "last"]
    assert calls == {"PutItem": 3, operation: 60 * 9 if operation == "Query" else 1}


def test_firings_may_fill_many_pages(alerts: Table) -> None:
    for number in range(4):
        record(alerts, f"f-{number}", at=NOW + number, fired_at=NOW + number, note="x" * 390_000)
    names = ["f-0", "f-1", "f-2", "f-3"]
    assert of_symbol(alerts) == names
    assert of_all(alerts, NOW) == names
