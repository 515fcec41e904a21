"""Ticks that swap places fire what they would have fired in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random

import pytest

from lib.backtest.rule_book import RuleBook
from price_alerts.domain import engine
from price_alerts.domain.late import evaluate_late, late_ticks
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Tick
from tests.engine_driver import Driver
from tests.histories import play, random_history, rule_of, shards, tick_of
from tests.history_writer import History
from tests.oracle import Oracle
from tests.unit.rule_builders import path, rule, tick
from tests.unit.test_engine_oracle import assert_survives, random_cut

KEPT_TICKS = 16


def swapped(ticks: Sequence[Tick], random: Random) -> list[Tick]:
    """Let ticks overtake each other, but none fifteen others."""
    reach = random.choice((1, 3, 8, KEPT_TICKS - 1))
    places = [(place + random.random() * reach, tick) for place, tick in enumerate(ticks)]
    return [tick for _, tick in sorted(places, key=lambda each: each[0])]


def batches(ticks: Sequence[Tick], random: Random) -> Iterator[list[Tick]]:
    for batch in random_cut(random)(list(ticks)):
        yield sorted(batch, key=lambda tick: tick.position)


def assert_agreement(history: History, random: Random, threshold: Decimal | None) -> int:
    oracle, driver = Oracle(threshold), Driver(threshold=threshold, kept_ticks=KEPT_TICKS)
    lasting: dict[str, bool] = {"high-price-threshold": True}
    ahead: Counter[str] = Counter()
    late, names = 0, list[str]()
    for event, fired in play(history, oracle):
        if event[0] == "ticks":
            wanted = Counter(rule_id for rule_id, *_ in fired)
            found: Counter[str] = Counter()
            ticks = list(map(tick_of, event[1]))
            for symbol in dict.fromkeys(tick.symbol for tick in ticks):
                own = [tick for tick in ticks if tick.symbol == symbol]
                for batch in batches(swapped(own, random), random):
                    state = driver.states.get(symbol)
                    late += bool(state and state.position and batch[0].position < state.position)
                    firings = driver.ticks(batch)
                    found.update(firing.rule_id for firing in firings)
                    names += [firing.firing_id for firing in firings]
            ahead += found - wanted
            for rule_id, is_plain in lasting.items():
                behind = wanted[rule_id] - found[rule_id]
                # What was announced too much stands for what comes true next.
                assert behind <= ahead[rule_id], rule_id
                ahead[rule_id] -= max(behind, 0)
                if is_plain:
                    assert behind == 0, rule_id
        elif event[0] == "add":
            spec = event[1]
            # What a cooldown, a re-arming or a window has let through cannot be taken back.
            has_memory = spec.rearm is not None or spec.cooldown_seconds or spec.window
            lasting[spec.rule_id] = not has_memory
            ahead[spec.rule_id] = 0
            driver.add(rule_of(spec))
        else:
            getattr(driver, event[0])(event[1])
    assert driver.dropped == []
    assert len(set(names)) == len(names)
    return late


@pytest.mark.no_cover
@pytest.mark.parametrize("shard", shards(1, 4))
def test_however_ticks_are_swapped_the_same_comes_true(shard: int) -> None:
    random = Random(f"late {shard}")
    late = 0
    for _ in range(150):
        history = random_history(random, random.choice((12, 24, 48)))
        prices = [each[1] for event in history if event[0] == "ticks" for each in event[1]]
        threshold = random.choice([None, *prices])
        late += assert_agreement(history, random, threshold)
    assert late > 200


def driven(*rules: Rule, kept_ticks: int = KEPT_TICKS, high_price: int | None = None) -> Driver:
    threshold = None if high_price is None else Decimal(high_price)
    driver = Driver(threshold=threshold, kept_ticks=kept_ticks)
    driver.add(*rules)
    return driver


def fired(driver: Driver, *ticks: Tick) -> list[tuple[str, str]]:
    """Take a batch; returns the moves that fired, from price to price."""
    firings = driver.ticks(sorted(ticks, key=lambda tick: tick.position))
    return [(str(firing.previous_price), str(firing.price)) for firing in firings]


def test_a_detour_fires_at_the_tick_that_came_late() -> None:
    driver = driven(rule("crosses 105"))
    assert fired(driver, tick(100), tick(101, 2)) == []
    assert fired(driver, tick(110, 1)) == [("100", "110"), ("110", "101")]


def test_what_has_fired_on_the_direct_way_does_not_fire_on_the_detour() -> None:
    driver = driven(rule("crosses_up 105"))
    assert fired(driver, tick(100), tick(110, 2)) == [("100", "110")]
    assert fired(driver, tick(107, 1)) == []


def test_a_rule_that_fires_once_does_so_however_late_a_tick_is() -> None:
    driver = driven(rule("crosses 105", trigger=Trigger.ONCE))
    assert fired(driver, tick(100), tick(110, 3)) == [("100", "110")]
    assert fired(driver, tick(120, 1), tick(90, 2)) == []


def test_late_ticks_of_one_batch_are_put_in_together() -> None:
    driver = driven(rule("crosses_up 105"))
    fired(driver, tick(100), tick(101, 9))
    moves = fired(driver, tick(110, 1), tick(100, 2), tick(110, 3), tick(103, 10))
    assert moves == [("100", "110"), ("100", "110")]


def test_the_stacks_own_rule_fires_on_a_detour_too() -> None:
    driver = driven(high_price=150)
    fired(driver, tick(100), tick(101, 2))
    assert fired(driver, tick(160, 1)) == [("100", "160")]


def test_a_late_tick_changes_the_window_of_those_behind_it() -> None:
    driver = driven(rule("rises 5 within 1m"))
    fired(driver, tick(100), tick(103, 2))
    assert fired(driver, tick(98, 1)) == [("98", "103")]


def test_a_rule_that_was_disarmed_on_the_direct_way_is_armed_on_the_detour() -> None:
    driver = driven(rule("crosses_up 105 rearm 5"))
    fired(driver, tick(104), tick(106, 3))
    assert fired(driver, tick(105, 1), tick(99, 2)) == [("104", "105")]


def test_a_tick_that_comes_twice_is_put_in_once() -> None:
    driver = driven(rule("crosses 105"))
    fired(driver, tick(100), tick(101, 2))
    fired(driver, tick(110, 1))
    assert fired(driver, tick(110, 1)) == []
    assert driver.dropped == [tick(110, 1)]


def test_a_tick_that_is_later_than_those_that_are_kept_is_dropped() -> None:
    driver = driven(rule("crosses 105"), kept_ticks=2)
    fired(driver, tick(100), tick(100, 2), tick(100, 4), tick(100, 6))
    assert fired(driver, tick(110, 1)) == []
    assert fired(driver, tick(110, 3)) == [("100", "110"), ("110", "100")]


def test_a_tick_is_put_before_the_very_first() -> None:
    driver = driven(rule("above 105"), rule("crosses 105", "crossing"))
    fired(driver, tick(100, 1))
    assert fired(driver, tick(110)) == [("None", "110"), ("110", "100")]


def test_a_threshold_that_was_new_at_a_tick_is_new_at_the_one_before() -> None:
    driver = driven(high_price=200)
    fired(driver, tick(140), tick(150, 2))
    driver.change_threshold(Decimal(100))
    assert fired(driver, tick(90, 4)) == []
    assert fired(driver, tick(150, 3)) == [("150", "150")]
    assert fired(driver, tick(150, 1)) == []
    assert driver.dropped == []


def test_a_late_tick_is_held_against_the_threshold_that_was_known_then() -> None:
    driver = driven(high_price=140)
    fired(driver, tick(130), tick(131, 2))
    driver.change_threshold(Decimal(200))
    assert fired(driver, tick(150, 1)) == [("130", "150")]
    assert driver.dropped == []


def test_a_late_tick_is_put_before_a_rule_that_was_added_and_does_not_concern_it() -> None:
    driver = driven(rule("crosses 108", "before"))
    fired(driver, tick(100), tick(101, 2))
    driver.add(rule("crosses 105"), rule("above 104", "state"))
    assert fired(driver, tick(110, 1)) == [("100", "110"), ("110", "101")]  # of the rule before
    assert fired(driver, tick(100, 4), tick(106, 3)) == [
        ("101", "106"),
        ("101", "106"),
        ("106", "100"),
    ]


def test_a_resumed_rule_takes_no_part_in_what_came_before() -> None:
    driver = driven(rule("crosses 105", "r"))
    fired(driver, tick(100), tick(101, 3))
    driver.pause("r")
    driver.resume("r")
    assert fired(driver, tick(110, 1)) == []
    assert fired(driver, tick(100, 6), tick(107, 5)) == [("101", "107"), ("107", "100")]
    assert fired(driver, tick(110, 4)) == []


@pytest.mark.parametrize(
    ("late", "conditions"),
    [
        pytest.param(110, ["crosses_up 105"] * 3, id="at the late tick"),
        pytest.param(90, ["crosses_up 95"] * 3, id="at the last one"),
        pytest.param(110, ["crosses_up 105", *["crosses_down 103"] * 2], id="at both together"),
    ],
)
def test_a_detour_that_changes_more_than_a_commit_holds_takes_several(
    monkeypatch: pytest.MonkeyPatch, late: int, conditions: list[str]
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 2)
    driver = driven(*(rule(text, f"r-{number}") for number, text in enumerate(conditions)))
    fired(driver, tick(100), tick(101, 2))
    assert len(fired(driver, tick(late, 1))) == 3
    assert driver.dropped == []


def test_a_tick_is_put_before_one_that_took_many_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 2)
    driver = driven(*(rule("crosses_up 105", f"r-{number}") for number in range(5)))
    driver.add(rule("crosses_down 80", "down"))
    assert len(fired(driver, tick(100), tick(110, 2))) == 5
    fired(driver, tick(109, 4))
    assert fired(driver, tick(70, 1)) == [("100", "70")]
    assert fired(driver, tick(106, 3)) == []
    assert driver.dropped == []


def test_sixty_rules_up_and_sixty_down_fire_however_late_their_ticks_come() -> None:
    up = [rule("crosses_up 110", f"up-{number}") for number in range(60)]
    down = [rule("crosses_down 90", f"down-{number}") for number in range(60)]
    driver = driven(*up, *down)
    fired(driver, tick(100), tick(100, 3))
    assert len(fired(driver, tick(111, 1), tick(89, 2))) == 120


def test_a_late_tick_is_put_behind_a_burst_of_firings() -> None:
    driver = driven(*(rule("crosses 105", f"r-{number}") for number in range(31)))
    assert len(fired(driver, tick(100), tick(110, 2), tick(100, 3))) == 62
    assert len(fired(driver, tick(100, 1), tick(111, 5))) == 31
    assert len(fired(driver, tick(99, 4))) == 0
    assert len(fired(driver, tick(99, 6), tick(99, 8))) == 31
    assert len(fired(driver, tick(111, 7))) == 62


def test_a_rule_that_has_triggered_leaves_the_index_when_no_late_tick_can_change_that() -> None:
    driver = driven(rule("crosses_up 105", "r", trigger=Trigger.ONCE), kept_ticks=2)
    fired(driver, tick(100), tick(110, 2))
    fired(driver, tick(100, 3), tick(110, 4))
    assert driver.books["AAPL"].watches("price", "0", upward=True, limit=9)
    driver.add(rule("crosses_up 500", "other"))  # now all that is around is read again
    fired(driver, tick(100, 5), tick(110, 6))
    (left,) = driver.books["AAPL"].watches("price", "0", upward=True, limit=9)
    assert left.rule_id == "other"


def test_a_tick_is_put_between_those_before_and_after_a_change_of_rules() -> None:
    driver = driven()
    fired(driver, tick(100))
    driver.add(rule("crosses 105"))
    fired(driver, tick(101, 2))
    assert fired(driver, tick(110, 1)) == [("100", "110"), ("110", "101")]


def test_a_re_arming_is_no_firing() -> None:
    driver = driven(rule("crosses_up 105 rearm 5"))
    assert fired(driver, tick(104), tick(106, 2), tick(99, 4), tick(104, 6)) == [("104", "106")]
    assert fired(driver, tick(98, 3), tick(107, 5)) == [("99", "107")]


def test_without_recent_ticks_none_is_late() -> None:
    assert late_ticks(State("AAPL"), [tick(1)]) == []
    assert late_ticks(State("AAPL", position=tick(1).position), [tick(1)]) == []


RULES = (
    *("crosses 104", "crosses_up 105", "crosses_down 103", "above 108", "below 102"),
    *("enters 102 105", "exits 103 107", "inside 104 106", "outside 101 109"),
    *("rises 5 within 1m", "falls 4 within 1m"),
)


@pytest.mark.no_cover
@pytest.mark.parametrize(("count", "kept_ticks"), [(15, KEPT_TICKS), (25, 5), (25, 3)])
@pytest.mark.parametrize("text", RULES)
def test_in_whatever_order_ticks_come_the_same_comes_true(
    text: str, count: int, kept_ticks: int
) -> None:
    random = Random(f"{text} {kept_ticks}")
    for _ in range(80):
        path = [tick(random.randint(100, 110), second) for second in range(count)]
        in_order = driven(rule(text)).ticks(path)
        driver = driven(rule(text), kept_ticks=kept_ticks)
        # None is overtaken by more than are kept.
        path.sort(
            key=lambda one: (
                one.position.timestamp_microseconds / 1e6 + random.random() * (kept_ticks + 1)
            )
        )
        firings = [firing for one in path for firing in driver.ticks([one])]
        assert driver.dropped == []
        assert len({firing.firing_id for firing in firings}) == len(firings)
        # A late tick may join two stretches of a move into one, when both have been told of.
        more = len(firings) - len(in_order)
        assert more >= 0 if "within" in text else more == 0


@pytest.mark.parametrize(
    ("text", "arrivals", "count"),
    [
        ("crosses 104", ((110, 0), (100, 1), (110, 5), (100, 4), (100, 8), (110, 9), (110, 7)), 4),
        ("crosses_up 105", ((100, 1), (110, 4), (110, 2), (100, 5), (100, 3), (110, 7)), 3),
    ],
)
def test_a_firing_that_stands_for_a_forgotten_one_lends_its_name_to_no_other(
    text: str, arrivals: tuple[tuple[int, int], ...], count: int
) -> None:
    driver = Driver(kept_ticks=2, on_commit=assert_survives)
    driver.add(rule(text))
    firings = [f for price, second in arrivals for f in driver.ticks([tick(price, second)])]
    in_order = driven(rule(text)).ticks(
        tick(price, second) for price, second in sorted(arrivals, key=lambda arrival: arrival[1])
    )
    assert len(in_order) == count
    assert len({firing.firing_id for firing in firings}) == len(firings) == count


def test_a_rule_with_many_firings_on_a_detour_has_a_commit_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 3)
    driver = driven(rule("crosses 105", "one"), rule("crosses 105", "other"))
    fired(driver, tick(100), tick(100, 9))
    assert len(fired(driver, tick(110, 1), tick(100, 2), tick(110, 3))) == 8


def test_a_rule_that_fired_once_and_would_not_fire_on_the_detour_stays_triggered() -> None:
    path = [tick(110), tick(100, 2)]
    trail = Trail(
        changes=((path[1].position, Progress()),),
        announced=(Announced(path[1].position, path[1].position),),
    )
    progress = Progress(Status.TRIGGERED, None, 2_000_000, "f", trail)
    book = RuleBook()
    book.add(rule("crosses_up 105", "r", trigger=Trigger.ONCE, progress=progress))
    marks = tuple(Mark(each.position, each.price) for each in path)
    state = State("AAPL", 3, Decimal(100), path[1].position, recent=Recent(marks))
    moved = evaluate_late(state, [tick(106, 1)], book, 0, kept_ticks=KEPT_TICKS)
    assert moved.outbox is None


def test_a_window_can_begin_with_the_first_tick_that_is_remembered() -> None:
    only = tick(100)
    recent = Recent((Mark(only.position, only.price),))
    queue = ((1, Decimal(100)),)
    assert recent.beginning({"rise-1m": queue}, only.position).windows == {"rise-1m": queue}


def test_a_window_is_dropped_with_its_last_active_rule_whatever_late_ticks_still_need() -> None:
    driver = Driver(kept_ticks=KEPT_TICKS)
    for name, rise in (("small", 1), ("large", 3)):
        driver.add(rule(f"rises {rise} within 15m", name, trigger=Trigger.ONCE))
    driver.ticks(path(50, 52))
    driver.add(rule("above 500", "other"))  # now all that is around is read again
    assert [firing.rule_id for firing in driver.ticks([tick(54, 2)])] == ["large"]
    assert driver.states["AAPL"].windows == {}
    driver.resume("small")
    assert driver.ticks([tick("53.5", 4)]) == []  # it rose from 50, but not since the last price
    assert len(driver.ticks([tick("54.5", 5)])) == 1
