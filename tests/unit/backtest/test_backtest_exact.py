"""A backtest, which passes over most ticks, against the oracle and the engine alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given

from lib.backtest import walk
from lib.backtest.backtest import run
from lib.backtest.columns import Portion, portions_of
from lib.formats.prices import Price
from price_alerts.domain import engine
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.portions import portions
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import Position, Tick
from tests.engine_driver import Driver
from tests.histories import histories, random_history, rule_of
from tests.history_writer import EXACT, History, PriceAt
from tests.oracle import Fired, Oracle, Spec
from tests.unit.doubles import NOW, SECOND

ROWS_AT_ONCE = 40  # so that a portion ends often


def parts_of(history: History) -> tuple[list[Spec], list[PriceAt]]:
    """Return a history's rules, as if all were there from the start, and its ticks."""
    specs = {event[1].rule_id: event[1] for event in history if event[0] == "add"}
    ticks = [tick for event in history if event[0] == "ticks" for tick in event[1]]
    return list(specs.values()), ticks


def backtested(rules: Sequence[Rule], ticks: Sequence[PriceAt]) -> list[Firing]:
    prices = (Price(symbol, price.normalize(EXACT), time) for symbol, price, time in ticks)
    return list(run(rules, portions_of(prices, ROWS_AT_ONCE), lambda rows: None).firings)


def by_the_oracle(specs: Sequence[Spec], ticks: Sequence[PriceAt]) -> list[tuple[str, Fired]]:
    oracle = Oracle()
    for spec in specs:
        oracle.add(spec)
    return [(tick[0], fired) for tick in ticks for fired in oracle.tick(*tick)]


def by_the_engine(rules: Sequence[Rule], ticks: Sequence[PriceAt]) -> list[Firing]:
    """Have the engine take one tick after the other."""
    driver = Driver(cut=lambda batch: [[tick] for tick in batch])
    for rule in rules:
        driver.add(rule)
    return driver.ticks(
        Tick(symbol, price.normalize(EXACT), Position(time, 0, 0, "", ordinal))
        for ordinal, (symbol, price, time) in enumerate(ticks)
    )


def told(firing: Firing) -> tuple[str, Fired]:
    at = firing.timestamp_microseconds
    return firing.symbol, (firing.rule_id, at, firing.previous_price, firing.price)


def in_order(fired: Sequence[tuple[str, Fired]]) -> list[tuple[str, Fired]]:
    """Sort by time, symbol and rule; the oracle does not tell which one was met first."""
    return sorted(fired, key=lambda each: (each[1][1], each[0], each[1][0]))


def same_moments(random: Random, ticks: Sequence[PriceAt]) -> list[PriceAt]:
    """Let some ticks have the time of the symbol's last one."""
    last: dict[str, int] = {}
    moved = []
    for symbol, price, time in ticks:
        last[symbol] = last.get(symbol, time) if random.random() < 0.3 else time
        moved.append((symbol, price, last[symbol]))
    return moved


@given(histories())
def test_what_fires_is_what_the_oracle_says(history: History) -> None:
    specs, ticks = parts_of(history)

    firings = backtested([rule_of(spec) for spec in specs], ticks)

    assert in_order([told(firing) for firing in firings]) == in_order(by_the_oracle(specs, ticks))


def test_long_histories_agree_with_the_oracle_and_the_engine_alone() -> None:
    random = Random(1)
    count = 0
    for _ in range(12):
        specs, ticks = parts_of(random_history(random, records=150))
        ticks = same_moments(random, ticks)
        rules = [rule_of(spec) for spec in specs]

        firings = [told(firing) for firing in backtested(rules, ticks)]

        assert in_order(firings) == in_order(by_the_oracle(specs, ticks))
        by_engine = [told(firing) for firing in by_the_engine(rules, ticks)]
        assert firings == sorted(by_engine, key=lambda each: (each[1][1], each[0]))
        count += len(firings)
    assert count > 2_000


def by_the_handler(
    rules: Sequence[Rule], ticks: Sequence[PriceAt], ticks_at_once: int
) -> list[tuple[str, Fired]]:
    """Have ticks arrive in an order that may not be that of time, so many in each batch."""
    driver = Driver(
        cut=lambda arrived: [
            sorted(batch, key=lambda tick: tick.position)
            for batch in portions(arrived, ticks_at_once)
        ],
        kept_ticks=16,
    )
    for rule in rules:
        driver.add(rule)
    firings = driver.ticks(
        Tick(symbol, price.normalize(EXACT), Position(time, 0, 0, "", ordinal))
        for ordinal, (symbol, price, time) in enumerate(ticks)
    )
    assert not driver.dropped
    return in_order([told(firing) for firing in firings])


def backtested_in_time_order(
    rules: Sequence[Rule], ticks: Sequence[PriceAt]
) -> list[tuple[str, Fired]]:
    prices = (Price(symbol, price.normalize(EXACT), time) for symbol, price, time in ticks)
    portion = Portion.joined(list(portions_of(prices, ROWS_AT_ONCE))).in_time_order()
    return in_order([told(firing) for firing in run(rules, [portion], lambda rows: None).firings])


@pytest.mark.parametrize("seed", range(4))
def test_rows_in_any_order_fire_what_the_handler_fires_for_them_in_a_batch(seed: int) -> None:
    random = Random(seed)
    count = 0
    for _ in range(20):
        ticks = wandering(random, random.randrange(2, 200), 2_000)
        random.shuffle(ticks)
        ticks.append(("AAPL", Decimal(1000), ticks[-1][2] + 1))  # the newest do not come first
        rules = random.sample([*FAR_APART, *MOVES], random.randrange(1, 5))

        found = backtested_in_time_order(rules, ticks)

        assert found == by_the_handler(rules, ticks, 1_000)
        count += len(found)
    assert count > 50


def price_rule(rule_id: str, condition: Condition, *levels: int, rearm: int = 0) -> Rule:
    return Rule(
        rule_id=rule_id,
        symbol="AAPL",
        terms=Terms(
            condition,
            tuple(map(Decimal, levels)),
            rearm=Distance(Decimal(rearm)) if rearm else None,
        ),
        trigger=Trigger.EVERY,
    )


def move_rule(rule_id: str, condition: Condition, size: str, window: str) -> Rule:
    is_percent = size.endswith("%")
    terms = Terms(condition, (Decimal(size.rstrip("%")),), is_percent, window)
    return Rule(rule_id=rule_id, symbol="AAPL", terms=terms, trigger=Trigger.EVERY)


FAR_APART = [
    price_rule("up", Condition.CROSSES_UP, 1030, rearm=20),
    price_rule("down", Condition.CROSSES_DOWN, 970),
    price_rule("channel", Condition.EXITS, 980, 1020),
]
MOVES = [
    move_rule("rise", Condition.RISES, "25", "15m"),
    move_rule("rise-percent", Condition.RISES, "2.5%", "1h"),
    move_rule("fall", Condition.FALLS, "20", "1m"),
    move_rule("fall-percent", Condition.FALLS, "2%", "15m"),
]


def wandering(random: Random, length: int, millis: int) -> list[PriceAt]:
    price, time = 1000, NOW
    ticks: list[PriceAt] = []
    for _ in range(length):
        price += random.choice((0, 0, 1, 1, 2, -1, -1, -2, 10, -10))
        time += random.randrange(millis * 2_000)
        ticks.append(("AAPL", Decimal(price), time))
    return ticks


@pytest.mark.parametrize("millis", [1, 30, 1_000, 20_000])
def test_a_calm_way_is_the_engine_s(millis: int) -> None:
    random = Random(millis)
    count = 0
    for _ in range(20):
        ticks = wandering(random, 300, millis)
        rules = random.sample([*FAR_APART, *MOVES], random.randrange(1, 5))

        firings = [told(each) for each in backtested(rules, ticks)]

        assert firings == [told(each) for each in by_the_engine(rules, ticks)]
        count += len(firings)
    assert count > 100


@pytest.mark.parametrize("condition", [Condition.RISES, Condition.FALLS])
def test_a_window_that_calm_prices_have_left_is_the_engine_s(condition: Condition) -> None:
    rules = [move_rule("price", condition, "45", "1m"), move_rule("percent", condition, "4%", "1m")]
    ticks = wandering(Random(1), 6_000, 100)

    firings = [told(each) for each in backtested(rules, ticks)]

    assert firings == [told(each) for each in by_the_engine(rules, ticks)]
    assert len({rule_id for _, (rule_id, *_) in firings}) == 2


@pytest.mark.parametrize(
    ("percent", "seconds"),
    [("1.666666666666666666", [1, 23]), ("1.666666666666666667", [1])],
    ids=["at 3.333333333333333334", "at 3.333333333333333333"],
)
def test_a_move_of_a_thirtieth_re_arms_just_above_and_not_just_below_it(
    percent: str, seconds: list[int]
) -> None:
    rearm = Distance(Decimal(percent), is_percent=True)
    terms = Terms(Condition.RISES, (Decimal(5),), True, "7d", rearm)
    rule = Rule(rule_id="r", symbol="AAPL", terms=terms, trigger=Trigger.EVERY)
    ticks = [
        ("AAPL", Decimal(price), NOW + second)
        for second, price in enumerate(("3", "3.2", *["3.11"] * 20, "3.1", "3.2"))
    ]

    assert [told(each)[1][1] - NOW for each in backtested([rule], ticks)] == seconds


def test_a_move_that_only_the_last_digit_keeps_from_re_arming_re_arms_after_it() -> None:
    terms = Terms(Condition.RISES, (Decimal(5),), False, "7d", Distance(Decimal(2)))
    rule = Rule(rule_id="r", symbol="AAPL", terms=terms, trigger=Trigger.EVERY)
    ticks = [
        ("AAPL", Decimal(price), NOW + second)
        for second, price in enumerate(
            ("100", "106", *["104"] * 9, "103.000000000000000001", *["102"] * 9, "106")
        )
    ]

    assert [told(each)[1][1] - NOW for each in backtested([rule], ticks)] == [1, 21]


def test_the_least_step_down_begins_a_rise() -> None:
    rule = move_rule("r", Condition.RISES, "0.000000000000000005", "7d")
    ticks = [
        ("AAPL", Decimal(units).scaleb(-18), NOW + second)
        for second, units in enumerate((*[100] * 20, 99, 103, 104))
    ]

    assert [told(each)[1][1] - NOW for each in backtested([rule], ticks)] == [22]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Tick]:
    """What the engine is given."""
    taken: list[Tick] = []

    def counting(state, ticks, *rest, **named):  # type: ignore[no-untyped-def]
        taken.extend(ticks)
        return engine.evaluate(state, ticks, *rest, **named)

    monkeypatch.setattr(walk, "evaluate", counting)
    return taken


def test_few_ticks_of_a_calm_way_reach_the_engine(taken: list[Tick]) -> None:
    random = Random(1)
    ticks = [
        ("AAPL", Decimal(1000 + random.randrange(-9, 10)), NOW + second * SECOND)
        for second in range(2_000)
    ]

    assert not backtested([*FAR_APART, *MOVES], ticks)
    assert len(taken) < 10


def test_a_way_over_levels_at_which_nothing_fires_does_not_reach_the_engine(
    taken: list[Tick],
) -> None:
    rules = [
        price_rule("up", Condition.CROSSES_UP, 1020),
        price_rule("below", Condition.BELOW, 980),
        price_rule("exits", Condition.EXITS, 1010, 1015),
    ]
    prices = [*[1030] * 10, 1020, 1019, 1015, 1010, *[1009] * 10, 985, 980, 985, 1000, 1009]
    ticks = [("AAPL", Decimal(price), NOW + second) for second, price in enumerate(prices)]

    backtested(rules, ticks)

    assert [int(tick.price) for tick in taken] == [1030, 1009]  # the first one, and the exit


def test_a_rule_that_has_fired_for_the_last_time_does_not_reach_the_engine_again(
    taken: list[Tick],
) -> None:
    rule = replace(price_rule("up", Condition.CROSSES_UP, 1000), trigger=Trigger.ONCE)
    prices = [Price("AAPL", Decimal(999 + second // 10 % 2), second) for second in range(200)]

    result = run([rule], portions_of(prices), lambda rows: None)

    assert len(result.firings) == 1
    assert len(taken) < 5


def near_levels(random: Random, length: int) -> tuple[list[Rule], list[PriceAt]]:
    """Draw rules and prices that often are the same as floats, or differ in the last digit."""
    conditions: list[Condition] = list(Condition)[:-2]
    rules = []
    for number in range(random.randrange(1, 12)):
        condition = random.choice(conditions)
        first, second = sorted(random.sample(range(30), 2))
        count = 2 if condition in CHANNELS else 1
        rules.append(
            Rule(
                rule_id=f"r{number}",
                symbol="AAPL",
                terms=Terms(condition, tuple(map(near, (first, second)[:count]))),
                trigger=random.choice(list(Trigger)),
            )
        )
    sizes = ("0.000000000000000003", "0.00000000000000001", "0.000000000000001%")
    for number in range(random.randrange(3)):
        condition, window = random.choice(list(Condition)[-2:]), random.choice(("1m", "15m"))
        rules.append(move_rule(f"m{number}", condition, random.choice(sizes), window))
    units, time, ticks = 15, NOW, list[PriceAt]()
    for _ in range(length):
        units = max(0, min(30, units + random.choice((0, 1, -1, 2, -2, 9, -9))))
        time += random.choice((0, 1, SECOND, 30 * SECOND))
        ticks.append(("AAPL", near(units), time))
    return rules, ticks


CHANNELS = (Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE)


def near(units: int) -> Decimal:
    return Decimal("123.456789012345678900") + Decimal(units).scaleb(-18)


@pytest.mark.parametrize("ticks_at_once", [1, 2, 7, 16_384])
def test_prices_and_levels_that_only_the_last_digit_tells_apart_are_the_engine_s(
    monkeypatch: pytest.MonkeyPatch, ticks_at_once: int
) -> None:
    monkeypatch.setattr(walk, "_TICKS_AT_ONCE", ticks_at_once)
    random = Random(ticks_at_once)
    count = 0
    for _ in range(40):
        rules, ticks = near_levels(random, random.randrange(1, 120))

        firings = [told(each) for each in backtested(rules, ticks)]

        assert firings == [told(each) for each in by_the_engine(rules, ticks)]
        count += len(firings)
    assert count > 400


@pytest.mark.parametrize("seed", range(4))
def test_however_a_way_is_cut_the_same_fires(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    random = Random(seed)
    ticks = wandering(random, 400, 2_000)
    rules = [*FAR_APART, *MOVES]
    expected = by_the_engine(rules, ticks)
    prices = [Price(symbol, price.normalize(EXACT), time) for symbol, price, time in ticks]
    assert expected
    for _ in range(10):
        monkeypatch.setattr(walk, "_TICKS_AT_ONCE", random.choice((1, 3, 50, 1_000)))
        monkeypatch.setattr(walk, "_MOST_BETWEEN", random.choice((0, 1, 20)))
        monkeypatch.setattr(walk, "_MOST_HANDED_OVER", random.choice((1, 5, 512)))
        parts = portions_of(prices, random.choice((1, 7, 64, 1_000)))

        firings = run(rules, parts, lambda rows: None).firings

        assert firings == [each._replace(fired_at_microseconds=0) for each in expected]
