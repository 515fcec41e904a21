"""Single steps of the engine; test_engine_oracle.py walks it through whole histories."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from lib.backtest.rule_book import RuleBook
from price_alerts.domain.engine import evaluate
from price_alerts.domain.progress import Progress
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Firing, Outbox, State
from price_alerts.domain.ticks import Position, Tick
from tests.engine_driver import Driver
from tests.unit.rule_builders import FIRED_AT, outbox_of, path, played, rule, step, tick

NEW = State("AAPL")
FIRST = tick(101)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("crosses_up 100", "99 *100 101 99 *150 50 *100"),
        ("crosses_down 100", "101 *100 99 101 *50 150 *100"),
        ("crosses 100", "99 *100 101 *50 50 *150"),
        ("above 100", "*101 150 100 *101"),
        ("below 100", "*99 50 100 *99"),
        ("enters 90 110", "89 *90 110 111 *110 89 111"),
        ("exits 90 110", "89 90 *89 111 110 *111"),
        ("inside 90 110", "*90 110 111 *110 89 111"),
        ("outside 90 110", "*89 111 110 *111"),
        ("rises 5 within 1m", "100 104 *105 105 104 *106"),
        ("falls 5% within 1m", "100 96 *95 95 96 *94"),
        ("crosses 100 rearm 2", "99 *100 99 101 98 *100 101 98 *150"),
        ("outside 90 110 rearm 2", "*111 109 111 108 *111 80 100 *80"),
        ("rises 5 within 1m rearm 2", "100 *105 104 105 103 *105"),
        ("rises 5 within 1m rearm 2", "100 *105 100 *105"),
        ("below 0", "5 *-37.63 0 *-0.01"),
        ("crosses 0", "5 *-37.63 *0 0 0.01 *0"),
        ("enters -2 2", "-5 *-2 2 -3 *0 5 -5"),
        ("rises 5 within 1m", "-100 -96 *-95 -95 -96 *-90"),
        ("above 5 rearm 6", "4 *6 0 6 -1 *6"),
        # Of a lowest price that is not above zero there is no percentage.
        ("rises 5% within 1m", "-100 -50 0 100 -200 1000"),
        ("falls 5% within 1m", "100 *-1 -2"),
    ],
)
def test_a_rule_fires_each_time_that_it_comes_true(text: str, example: str) -> None:
    assert played(example, rule(text)) == example


@pytest.mark.parametrize(
    ("text", "example"),
    [
        pytest.param("above 100", "101 add *102 103", id="what is so already"),
        pytest.param("above 100", "add *101 101", id="at the very first price"),
        pytest.param("above 100", "*101 pause 100 101 resume *101", id="resumed, it is new"),
        pytest.param("above 100", "*101 remove 100 101", id="removed, it is no more"),
        pytest.param("above 100", "101 add pause 102 resume *102", id="paused while new"),
        pytest.param("crosses_up 100", "99 add *100", id="a crossing knows the price before"),
        pytest.param("crosses_up 100", "add 100 101", id="and needs one"),
        pytest.param("crosses_up 100", "99 pause 101 resume 101 99 *101", id="even resumed"),
        pytest.param("rises 5 within 1m", "95 100 add *105", id="a move from the price before"),
        pytest.param("rises 5 within 1m", "100 pause 104 resume *109", id="from then on"),
        pytest.param("above 100 rearm 2", "*101 pause 101 resume *101", id="resumed, it is armed"),
    ],
)
def test_a_change_counts_from_the_next_tick_on(text: str, example: str) -> None:
    assert played(example, rule(text)) == example


@pytest.mark.parametrize("text", ["above 100", "crosses_up 101"])
def test_a_rule_that_fires_once_is_triggered_until_it_is_resumed(text: str) -> None:
    example = "99 *101 100 101 resume 100 *101 100 101"
    assert played(example, rule(text, trigger=Trigger.ONCE)) == example


def test_a_rule_that_fires_once_does_so_within_one_commit_too() -> None:
    once, every = rule("crosses 100", "once", trigger=Trigger.ONCE), rule("crosses 100", "every")
    firings = outbox_of(step(NEW, path(99, 101, 99), once, every)).firings
    assert sorted(firing.rule_id for firing in firings) == ["every", "every", "once"]


def test_a_cooldown_and_an_expiry_suppress() -> None:
    watched = rule(cooldown_seconds=4, expires_at_microseconds=10_000_000)
    example = "99 *101 100 101 100 *101 100 100 100 *101 100 101 100 100 101"
    assert played(example, watched) == example


def test_a_rule_that_is_gone_from_the_table_does_nothing() -> None:
    class Gone(RuleBook):
        def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
            return {}

    book = Gone()
    book.add(rule())
    state = evaluate(book.changed(NEW), [tick(101)], book, None, FIRED_AT)
    assert state.outbox == Outbox(2, checked_rule_ids=("r",))


def test_a_move_whose_window_is_unknown_waits() -> None:
    book = RuleBook()
    book.add(rule("rises 5 within 1m"))
    state = evaluate(State("AAPL", version=1), [tick(101)], book, None, FIRED_AT)
    assert state.outbox == Outbox(2, checked_rule_ids=("r",))


def test_a_firing_tells_rule_prices_and_times() -> None:
    watched = rule("above 150")
    (firing,) = outbox_of(step(NEW, [tick(140, 1), tick(200, 2)], watched)).firings
    assert firing == Firing(
        firing_id=firing.firing_id,
        rule_id="r",
        symbol="AAPL",
        terms=watched.terms,
        previous_price=Decimal(140),
        price=Decimal(200),
        position=tick(200, 2).position,
        fired_at_microseconds=FIRED_AT,
    )


def test_a_rule_remembers_its_firing() -> None:
    outbox = outbox_of(step(NEW, [tick(101, 3)], rule()))
    assert outbox.changes == {
        "r": Progress(
            last_fired_at_microseconds=3_000_000, last_firing_id=outbox.firings[0].firing_id
        )
    }


def test_a_firing_at_a_first_price_has_none_before() -> None:
    assert outbox_of(step(NEW, [tick(101)], rule())).firings[0].previous_price is None


def test_a_firing_of_a_new_rule_still_tells_the_price_before() -> None:
    before = step(NEW, [tick(200, 0)])
    assert outbox_of(step(before, [tick(201, 1)], rule())).firings[0].previous_price == 200


def test_evaluating_again_derives_the_same() -> None:
    assert step(NEW, path(151, 149, 152), rule()) == step(NEW, path(151, 149, 152), rule())


def firing_id(rule_id: str = "r", symbol: str = "AAPL", at: Position = FIRST.position) -> str:
    state = step(NEW, [Tick(symbol, Decimal(101), at)], rule(rule_id=rule_id))
    return outbox_of(state).firings[0].firing_id


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": "MSFT"},
        {"rule_id": "another"},
        {"at": FIRST.position._replace(timestamp_microseconds=1)},
        {"at": FIRST.position._replace(message_id="m-1")},
        {"at": FIRST.position._replace(ordinal=1)},
    ],
    ids=["symbol", "rule", "time", "message", "ordinal"],
)
def test_a_firing_id_depends_on_symbol_rule_and_position(other: dict[str, Any]) -> None:
    assert firing_id(**other) != firing_id()


def test_a_firing_id_fits_sns() -> None:
    (firing,) = outbox_of(step(NEW, [tick(101)], rule())).firings
    assert firing.firing_id.isalnum()
    assert len(firing.firing_id) == 32


def test_symbols_do_not_meet() -> None:
    driver = Driver()
    driver.add(rule())
    assert driver.ticks([tick(101, symbol="MSFT")]) == []
    assert [firing.symbol for firing in driver.ticks([tick(101)])] == ["AAPL"]
