from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.history import firings_of_all, firings_of_symbol, followed
from price_alerts.domain.ticks import format_timestamp
from tests.unit.doubles import NOW, SECOND

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

DAY, HOUR = 86_400 * SECOND, 3_600 * SECOND


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
    keys = {"pk": f"FIRINGS#{symbol}{spread}", "sk": f"{timestamp}#{name}"}
    terms = {"condition": "crosses_up", "levels": [Decimal(200)]}
    message = {"message_id": "m-1", "message_ordinal": 0, "timestamp": timestamp}
    day = {"fired_at": fired, "day": f"{fired[:10]}{spread}"}
    texts = {"owner": "me", "note": "sell", "text": "AAPL crossed 200 upwards."}
    names = {"firing_id": name, "rule": "r-1", "symbol": symbol}
    rest = {"price": Decimal("200.25"), "sent": False}
    item: dict[str, Any] = {**keys, **names, **terms, **message, **day, **texts, **rest, **more}
    table.put_item(Item=item)


def of_all(table: Table, since: int = NOW, now: int = NOW) -> list[str]:
    return [firing["firing_id"] for firing in firings_of_all(table, since, now)]


def of_symbol(table: Table, since: int = 0) -> list[str]:
    return [firing["firing_id"] for firing in firings_of_symbol(table, "AAPL", since)]


BOTH = pytest.mark.parametrize("read", [of_symbol, of_all])


def test_a_firing_is_written_for_json(alerts: Table) -> None:
    sent: dict[str, Any] = {"sent": True, "sent_at": "2026-11-22T15:04:06.000000Z"}
    record(alerts, "f-1", previous_price=Decimal("1E+2"), **sent)
    move: dict[str, Any] = {
        "condition": "rises",
        "levels": [Decimal(5)],
        "percent": True,
        "window": "1h",
    }
    record(alerts, "f-2", at=NOW + 1, undeliverable="InvalidParameter", **move)
    first, second = json.loads(json.dumps(firings_of_symbol(alerts, "AAPL")))
    assert first == {
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
        "undeliverable": None,
        **sent,
    }
    assert (second["condition"], second["levels"], second["window"]) == ("rises", ["5%"], "1h")
    assert (second["previous_price"], second["sent"], second["sent_at"]) == (None, False, None)
    assert second["undeliverable"] == "InvalidParameter"


def test_a_symbols_firings_are_in_the_order_of_their_prices(alerts: Table) -> None:
    record(alerts, "later", at=NOW + SECOND, fired_at=NOW)
    record(alerts, "first", at=NOW, fired_at=NOW + SECOND)
    record(alerts, "other", symbol="IBM")
    assert of_symbol(alerts) == of_symbol(alerts, NOW) == ["first", "later"]
    assert of_symbol(alerts, NOW + 1) == ["later"]


def test_all_firings_are_in_the_order_in_which_they_were_decided(alerts: Table) -> None:
    midnight = NOW - NOW % DAY  # in UTC
    record(alerts, "now", symbol="A", at=NOW - 9 * DAY)
    record(alerts, "last of yesterday", symbol="B", fired_at=midnight - 1)
    record(alerts, "first of today", symbol="C", fired_at=midnight)
    record(alerts, "this morning", symbol="D", fired_at=NOW - HOUR)
    assert of_all(alerts, midnight) == ["first of today", "this morning", "now"]
    assert of_all(alerts, midnight - 1, midnight)[0] == "last of yesterday"
    assert (
        of_all(alerts, NOW - HOUR),
        of_all(alerts, NOW - HOUR + 1),
        of_all(alerts, NOW + 1),
    ) == (
        ["this morning", "now"],
        ["now"],
        [],
    )


@BOTH
def test_what_two_releases_recorded_is_shown_once_and_in_order(
    alerts: Table, read: Callable[[Table], list[str]]
) -> None:
    names = [f"f-{number}" for number in range(20)]
    for number, name in enumerate(names):
        record(alerts, name, is_spread=number % 2 == 0, at=NOW + number, fired_at=NOW + number)
    record(alerts, "f-1", at=NOW + 1, fired_at=NOW + 1)
    assert read(alerts) == names


@BOTH
def test_firings_of_one_time_are_in_the_order_of_their_ticks_and_rules(
    alerts: Table, read: Callable[[Table], list[str]]
) -> None:
    record(alerts, "c", sequence=1, message_id="m-0")
    record(alerts, "b", message_sent_at_microseconds=2, message_id="m-0")
    record(alerts, "f", message_id="m-1", message_ordinal=2)
    record(alerts, "e", message_id="m-2", rule="r-2")
    record(alerts, "d", message_id="m-2", rule="r-1")
    record(alerts, "a", message_id="m-2", message_ordinal=1)
    assert "".join(read(alerts)) == "fdeabc"


@pytest.mark.parametrize(("days", "calls"), [(59, {"Query": 540}), (60, {"Scan": 1})])
def test_many_days_are_read_at_once(alerts: Table, days: int, calls: dict[str, int]) -> None:
    for number in range(4):  # of several pages
        at = NOW - (days - number) * DAY
        record(alerts, f"f-{number}", at=at, fired_at=at, note="x" * 390_000)
    record(alerts, "old", fired_at=NOW - (days + 1) * DAY)
    pages: Counter[str] = Counter()
    alerts.meta.client.meta.events.register(
        "before-call.dynamodb.*", lambda model, **_: pages.update([model.name])
    )
    assert of_all(alerts, NOW - days * DAY) == ["f-0", "f-1", "f-2", "f-3"]
    assert pages.keys() == calls.keys()
    assert pages.total() >= calls.popitem()[1]


def test_a_symbols_firings_may_fill_many_pages(alerts: Table) -> None:
    for number in range(4):
        record(alerts, f"f-{number}", is_spread=False, at=NOW + number, note="x" * 390_000)
    assert of_symbol(alerts) == ["f-0", "f-1", "f-2", "f-3"]


@pytest.mark.parametrize("symbol", [None, "AAPL"])
def test_who_follows_gets_the_newest_and_then_each_firing_once(
    alerts: Table, monkeypatch: pytest.MonkeyPatch, symbol: str | None
) -> None:
    for number in range(3):
        record(alerts, f"f-{number}", at=NOW - (9 - number) * SECOND)
    present = iter([NOW, NOW + 2 * SECOND, NOW + 4 * SECOND])
    monkeypatch.setattr("lib.client.history.present_microseconds", lambda: next(present))
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        # Its price is an old one; another symbol fires, too.
        record(alerts, f"late-{len(naps)}", at=NOW - HOUR, fired_at=NOW + SECOND * len(naps))
        record(alerts, f"ibm-{len(naps)}", symbol="IBM", fired_at=NOW + SECOND * len(naps))

    found = followed(alerts, symbol, NOW - DAY, 2, sleep=sleep)
    wanted = ["f-1", "f-2", "late-1", "late-2"]
    if symbol is None:
        wanted = ["f-1", "f-2", "late-1", "ibm-1", "late-2", "ibm-2"]
    assert [next(found)["firing_id"] for _ in wanted] == wanted
    assert naps == [2.0, 2.0]
