"""The histories themselves: what may be in them, and that enough happens."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from tests.histories import cuttings, histories, play, random_history, rule_of, tick_of
from tests.history_writer import Event, History
from tests.oracle import Oracle, Spec
from tests.unit.rule_builders import spec, tick


@given(histories())
def test_a_history_holds_rules_and_ticks_that_can_be(history: History) -> None:
    for event in history:
        if event[0] == "add":
            rule_of(event[1])
    ticks = [tick_of(each) for event in history if event[0] == "ticks" for each in event[1]]
    for symbol in {each.symbol for each in ticks}:
        positions = [each.position for each in ticks if each.symbol == symbol]
        assert all(before < after for before, after in itertools.pairwise(positions))


def test_every_condition_fires_often_in_every_way() -> None:
    random = Random(1)
    fired: Counter[tuple[object, ...]] = Counter()
    for _ in range(100):
        by_id: dict[str, Spec] = {}
        for event, firings in play(random_history(random), Oracle()):
            if event[0] == "add":
                by_id[event[1].rule_id] = event[1]
            for rule_id, *_ in firings:
                spec = by_id[rule_id]
                way = spec.trigger, spec.rearm is not None, bool(spec.cooldown_seconds)
                fired[spec.condition, spec.is_percent, *way] += 1
    kinds = 9 + 2 * 2  # moves are in price or in percent
    ways = 1 + 2 * 2  # once has neither rearm nor cooldown
    assert len(fired) == kinds * ways
    assert min(fired.values()) >= 2


def test_changes_that_do_not_fit_are_left_out() -> None:
    add: Event = ("add", spec(trigger="once"))
    triggering: Event = ("ticks", [("AAPL", tick(101).price, 0)])
    pause, resume, remove = (cast("Event", (c, "r")) for c in ("pause", "resume", "remove"))
    history = [pause, add, add, resume, pause, pause, resume, triggering, pause, resume]
    history += [remove, remove, resume, add]
    played = [event for event, _ in play(history, Oracle())]
    assert played == [add, pause, resume, triggering, resume, remove, add]


@given(st.lists(st.integers()).flatmap(lambda ticks: st.tuples(st.just(ticks), cuttings(ticks))))
def test_a_cutting_keeps_all_ticks_in_order(cut: tuple[list[int], list[list[int]]]) -> None:
    ticks, batches = cut
    assert list(itertools.chain(*batches)) == ticks
    assert all(batches)
