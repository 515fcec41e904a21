"""Late ticks fire what they would have fired in order."""

from __future__ import annotations

import re
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
from tests.histories import play, random_history, shards, tick_of
from tests.history_writer import History
from tests.oracle import Oracle
from tests.unit.domain.test_engine_oracle import assert_survives, random_cut
from tests.unit.rule_builders import path, rule, tick

KEPT_TICKS = 16


def driven(*rules: Rule, kept_ticks: int = KEPT_TICKS, high_price: int | None = None) -> Driver:
    threshold = None if high_price is None else Decimal(high_price)
    driver = Driver(threshold=threshold, kept_ticks=kept_ticks)
    driver.add(*rules)
    return driver


def played_late(example: str, driver: Driver, *added: Rule) -> str:
    """Play batches, and write behind each which moves fired, from price to price.

    A batch holds prices, each with a second: ``100@0 101@2``. Between batches a word changes the
    rule ``r``, or adds rules; ``threshold:100`` changes the stack's own.
    """
    written = []
    for batch in example.split(" | "):
        words = re.sub(" ->.*", "", batch).split()
        ticks = []
        for word in words:
            price, _, second = word.partition("@")
            if second:
                ticks.append(tick(price, int(second)))
            elif word.startswith("threshold:"):
                driver.change_threshold(Decimal(word.partition(":")[2]))
            elif word == "add":
                driver.add(*added)
            else:
                getattr(driver, word)("r")
        firings = driver.ticks(sorted(ticks, key=lambda each: each.position))
        moves = [f"{firing.previous_price}-{firing.price}" for firing in firings]
        written.append(" ".join([*words, *(["->", *moves] if moves else [])]))
    return " | ".join(written)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        pytest.param(
            "crosses 105", "100@0 101@2 | 110@1 -> 100-110 110-101", id="a detour fires there"
        ),
        pytest.param(
            "crosses_up 105", "100@0 110@2 -> 100-110 | 107@1", id="what has fired fires once"
        ),
        pytest.param(
            "crosses_up 105",
            "100@0 101@9 | 110@1 100@2 110@3 103@10 -> 100-110 100-110",
            id="several of one batch",
        ),
        pytest.param("rises 5 within 1m", "100@0 103@2 | 98@1 -> 98-103", id="a window changes"),
        pytest.param(
            "crosses_up 105 rearm 5",
            "104@0 106@3 -> 104-106 | 105@1 99@2 -> 104-105",
            id="disarmed on the direct way, not on the detour",
        ),
        pytest.param(
            "crosses_up 105 rearm 5",
            "104@0 106@2 99@4 104@6 -> 104-106 | 98@3 107@5 -> 99-107",
            id="a re-arming is no firing",
        ),
        pytest.param("above 105", "100@1 | 110@0 -> None-110", id="before the very first"),
        pytest.param("crosses 105", "100@1 | 110@0 -> 110-100", id="a crossing of the second"),
        pytest.param(
            "crosses 105",
            "100@0 101@3 | pause resume 110@1 | 100@6 107@5 -> 101-107 107-100 | 110@4",
            id="a resumed rule takes part from then on",
        ),
        pytest.param(
            "crosses 104",
            "110@0 100@1 -> 110-100 | 110@5 -> 100-110 | 100@4 | 100@8 110@9 -> 110-100 100-110",
            id="many",
        ),
    ],
)
def test_a_late_tick_fires_what_it_would_have_fired_in_order(text: str, example: str) -> None:
    driver = driven(rule(text))
    assert played_late(example, driver) == example
    assert driver.dropped == []


def test_a_rule_that_fires_once_does_so_however_late_a_tick_is() -> None:
    example = "100@0 110@3 -> 100-110 | 120@1 90@2"
    assert played_late(example, driven(rule("crosses 105", trigger=Trigger.ONCE))) == example


@pytest.mark.parametrize(
    "example",
    [
        pytest.param("100@0 101@2 | 250@1 -> 100-250", id="a detour"),
        pytest.param("100@0 250@2 -> 100-250 | 240@1", id="what has fired fires once"),
        pytest.param(
            "140@0 150@2 | threshold:100 90@4 | 150@3 -> 150-150 | 150@1",
            id="a new threshold is new at the first tick after the change",
        ),
        pytest.param(
            "130@0 131@2 | threshold:300 250@1 -> 130-250", id="the threshold of that time counts"
        ),
    ],
)
def test_the_stacks_own_rule_fires_on_a_detour_too(example: str) -> None:
    driver = driven(high_price=200)
    assert played_late(example, driver) == example
    assert driver.dropped == []


@pytest.mark.parametrize(
    "example",
    [
        pytest.param("100@0 | add 101@2 | 110@1 -> 100-110 110-101", id="after the change"),
        pytest.param("100@0 101@2 | add 110@1 -> 100-110", id="before it, for another rule"),
        pytest.param(
            "100@0 101@2 | add 110@1 -> 100-110 | 100@4 106@3 -> 101-106 101-106 106-100",
            id="before and after it",
        ),
    ],
)
def test_a_rule_that_was_added_meanwhile_takes_part_from_then_on(example: str) -> None:
    added = [rule("crosses 105", "added"), rule("above 104", "state")]
    others = [rule("crosses_up 109", "other")] if "101@2 | add" in example else []
    added = added if others else added[:1]
    assert played_late(example, driven(*others), *added) == example


@pytest.mark.parametrize(
    ("kept_ticks", "example", "dropped"),
    [
        (KEPT_TICKS, "100@0 101@2 | 110@1 -> 100-110 110-101 | 110@1", [tick(110, 1)]),
        (2, "100@0 100@2 100@4 100@6 | 110@1 | 110@3 -> 100-110 110-100", [tick(110, 1)]),
        (0, "100@0 101@2 | 110@1", [tick(110, 1)]),
    ],
    ids=["again", "too late", "none are kept"],
)
def test_a_tick_that_comes_again_or_too_late_is_dropped(
    kept_ticks: int, example: str, dropped: list[Tick]
) -> None:
    driver = driven(rule("crosses 105"), kept_ticks=kept_ticks)
    assert played_late(example, driver) == example
    assert driver.dropped == dropped


def test_a_symbol_that_was_never_stored_has_no_late_ticks() -> None:
    assert late_ticks(State("AAPL"), [tick(1)]) == []


@pytest.mark.parametrize(
    ("limit", "texts", "example"),
    [
        (2, ["crosses_up 105"] * 3, "100@0 101@2 | 110@1 -> 100-110 100-110 100-110"),
        (2, ["crosses_up 95"] * 3, "100@0 101@2 | 90@1 -> 90-101 90-101 90-101"),
        (
            2,
            ["crosses_up 105", *["crosses_down 103"] * 2],
            "100@0 101@2 | 110@1 -> 100-110 110-101 110-101",
        ),
        (
            2,
            [*["crosses_up 105"] * 3, "crosses_down 80"],
            "100@0 110@2 -> 100-110 100-110 100-110 | 109@4 | 70@1 -> 100-70 | 106@3",
        ),
        (
            3,
            ["crosses 105"] * 2,
            "100@0 100@9 | 110@1 100@2 110@3 ->" + " 100-110 110-100 100-110 110-100" * 2,
        ),
    ],
    ids=["at the late tick", "at the next", "at both", "late for many commits", "many firings"],
)
def test_what_is_too_much_for_a_commit_takes_several(
    monkeypatch: pytest.MonkeyPatch, limit: int, texts: list[str], example: str
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", limit)
    driver = driven(*(rule(text, f"r-{number}") for number, text in enumerate(texts)))
    assert played_late(example, driver) == example
    assert driver.dropped == []


def test_a_rule_that_has_triggered_leaves_the_index_when_no_late_tick_can_change_that() -> None:
    driver = driven(rule("crosses_up 105", trigger=Trigger.ONCE), kept_ticks=2)
    driver.ticks(path(100, 100, 110, 100, 110))
    assert driver.books["AAPL"].watches("price", "0", upward=True, limit=9)
    driver.add(rule("crosses_up 500", "other"))  # now all that is around is read again
    driver.ticks(path(100, 110, first_second=5))
    (left,) = driver.books["AAPL"].watches("price", "0", upward=True, limit=9)
    assert left.rule_id == "other"


def test_a_rule_that_fired_once_and_would_not_fire_on_the_detour_stays_triggered() -> None:
    first, last = tick(110), tick(100, 2)
    trail = Trail(((last.position, Progress()),), (Announced(last.position, last.position),))
    progress = Progress(Status.TRIGGERED, None, 2_000_000, "f", trail)
    book = RuleBook()
    book.add(rule("crosses_up 105", trigger=Trigger.ONCE, progress=progress))
    recent = Recent(tuple(Mark(each.position, each.price) for each in (first, last)))
    state = State("AAPL", 3, last.price, last.position, recent=recent)
    moved = evaluate_late(state, [tick(106, 1)], book, 0, kept_ticks=KEPT_TICKS)
    assert moved.outbox is None


@pytest.mark.parametrize(
    "example",
    ["100@0 | add 103@2 | 98@1 -> 98-103", "100@0 101@1 | add 103@4 | 98@3 -> 98-103"],
)
def test_a_window_that_is_needed_meanwhile_has_late_ticks(example: str) -> None:
    assert played_late(example, driven(), rule("rises 5 within 1m")) == example


def test_a_window_can_begin_with_the_first_tick_that_is_kept() -> None:
    only = tick(100)
    windows = {"rise-1m": ((1, Decimal(100)),)}
    recent = Recent((Mark(only.position, only.price),))
    assert recent.with_windows(windows, only.position).windows == windows


def test_a_window_is_dropped_with_its_last_active_rule_whatever_late_ticks_still_need() -> None:
    driver = driven(
        *(
            rule(f"rises {rise} within 15m", name, trigger=Trigger.ONCE)
            for name, rise in (("small", 1), ("large", 3))
        )
    )
    driver.ticks(path(50, 52))
    driver.add(rule("above 500", "other"))  # now all that is around is read again
    assert [firing.rule_id for firing in driver.ticks([tick(54, 2)])] == ["large"]
    assert driver.states["AAPL"].windows == {}
    driver.resume("small")
    assert driver.ticks([tick("53.5", 4)]) == []  # it rose from 50, but not since the last price
    assert len(driver.ticks([tick("54.5", 5)])) == 1


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
    assert len({firing.firing_id for firing in firings}) == len(firings) == count
    assert all(re.fullmatch("[0-9a-f]{32}", firing.firing_id) for firing in firings)


# --- random orders ---------------------------------------------------------------------------

RULES = (
    *("crosses 104", "crosses_up 105", "crosses_down 103", "above 108", "below 102"),
    *("enters 102 105", "exits 103 107", "inside 104 106", "outside 101 109"),
    *("rises 5 within 1m", "falls 4 within 1m"),
)


@pytest.mark.no_cover
@pytest.mark.parametrize(("count", "kept_ticks"), [(15, KEPT_TICKS), (25, 5), (25, 3)])
@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("paths", [8, pytest.param(200, marks=pytest.mark.deep)])
def test_in_whatever_order_ticks_come_the_same_fires(
    text: str, count: int, kept_ticks: int, paths: int
) -> None:
    random = Random(f"{text} {kept_ticks}")
    for _ in range(paths):
        path = [tick(random.randint(100, 110), second) for second in range(count)]
        in_order = driven(rule(text)).ticks(path)
        driver = driven(rule(text), kept_ticks=kept_ticks)
        # None trails more than are kept.
        places = {
            each: place + random.random() * (kept_ticks + 1) for place, each in enumerate(path)
        }
        firings = [
            firing
            for each in sorted(path, key=places.__getitem__)
            for firing in driver.ticks([each])
        ]
        assert driver.dropped == []
        assert len({firing.firing_id for firing in firings}) == len(firings)
        # A late tick may join two stretches of a move into one, when both have been reported.
        more = len(firings) - len(in_order)
        assert more >= 0 if "within" in text else more == 0


def swapped(ticks: Sequence[Tick], random: Random) -> list[Tick]:
    """Let ticks overtake each other, but none fifteen others."""
    reach = random.choice((1, 3, 8, KEPT_TICKS - 1))
    places = [(place + random.random() * reach, each) for place, each in enumerate(ticks)]
    return [each for _, each in sorted(places, key=lambda pair: pair[0])]


def batches(ticks: Sequence[Tick], random: Random) -> Iterator[list[Tick]]:
    for batch in random_cut(random)(list(ticks)):
        yield sorted(batch, key=lambda each: each.position)


def assert_agreement(history: History, random: Random, threshold: Decimal | None) -> int:
    """Play swapped ticks; returns how many batches were late."""
    oracle, driver = Oracle(threshold), Driver(threshold=threshold, kept_ticks=KEPT_TICKS)
    is_exact: dict[str, bool] = {"high-price-threshold": True}
    ahead: Counter[str] = Counter()
    late, names = 0, list[str]()
    for event, fired in play(history, oracle):
        if event[0] != "ticks":
            driver.perform(event)
            if event[0] == "add":
                spec = event[1]
                # What a cooldown, a re-arming or a window has let through cannot be taken back.
                has_memory = spec.rearm is not None or spec.cooldown_seconds or spec.window
                is_exact[spec.rule_id] = not has_memory
                ahead[spec.rule_id] = 0
            continue
        wanted = Counter(rule_id for rule_id, *_ in fired)
        found: Counter[str] = Counter()
        ticks = list(map(tick_of, event[1]))
        for symbol in dict.fromkeys(each.symbol for each in ticks):
            own = [each for each in ticks if each.symbol == symbol]
            for batch in batches(swapped(own, random), random):
                state = driver.states.get(symbol)
                late += bool(state and state.position and batch[0].position < state.position)
                firings = driver.ticks(batch)
                found.update(firing.rule_id for firing in firings)
                names += [firing.firing_id for firing in firings]
        ahead += found - wanted
        for rule_id, is_plain in is_exact.items():
            missing = wanted[rule_id] - found[rule_id]
            # What was reported too much stands for what triggers next.
            assert missing == 0 if is_plain else missing <= ahead[rule_id], rule_id
            ahead[rule_id] -= max(missing, 0)
    assert driver.dropped == []
    assert len(set(names)) == len(names)
    return late


@pytest.mark.no_cover
@pytest.mark.parametrize("shard", shards(1, 10))
def test_however_ticks_are_swapped_the_same_fires(shard: int) -> None:
    random = Random(f"late {shard}")
    late = 0
    for _ in range(40):
        history = random_history(random, random.choice((12, 24, 48)))
        prices = [each[1] for event in history if event[0] == "ticks" for each in event[1]]
        late += assert_agreement(history, random, random.choice([None, *prices]))
    assert late > 50
