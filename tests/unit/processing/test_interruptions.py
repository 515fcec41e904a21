"""Crashes, errors and sleepers at every call: nothing is lost and nothing is recorded twice."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from lib.client.rule_store import RuleStore
from price_alerts.domain import engine
from price_alerts.domain.conditions import Condition
from price_alerts.domain.rules import Trigger
from tests.unit.doubles import (
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    create_table,
    items_of,
    returning,
    rule,
    ticks,
)


class Killed(BaseException):
    """The container is gone: nothing after this runs in it."""


RULES = [
    rule("once", 151, trigger=Trigger.ONCE),
    rule("every", 151, rearm="1"),
    rule("first", 140, condition=Condition.ABOVE),
    rule("quiet", 500),
]
PATH = ticks(149, 151, 149, 152)
MESSAGES = {"m-0", "m-1", "m-2", "m-3"}
# What a cold container calls for that.
CALLS = [
    *("read the state", "new rules", "new rules' terms", "watches above", "watches below"),
    *("met rules' terms", "commit", "publish", "record", "rule 1", "rule 2", "rule 3"),
    *("new rules done", "clear"),
]
FIRED = 6
# SNS accepted the firings, and nobody knows: here, and only here, they are published again.
REPEATED = {
    (Killed, "after publish"),
    (Killed, "before record"),
    (ConnectionError, "after publish"),
}
# The invocation itself makes good an error here.
RETRIED = {"before record", "after record"}
LEASE = 16 * SECOND


class Stage:
    """A table with the rules, in which PATH is processed, and a strike at one of the calls."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.table, self.topic, self.clock = create_table(name), Topic(), clock
        self.calls: list[str] = []
        self._point: tuple[str, int] | None = None
        self._strike: Callable[[], object]
        events = self.table.meta.client.meta.events
        events.register("before-call.dynamodb", lambda model, **_: self._see("before", model.name))
        events.register("after-call.dynamodb", lambda model, **_: self._see("after", model.name))
        self.topic.on_publish = lambda when: self._see(when, "PublishBatch")
        add_rules(self.table, *RULES)

    def begin_again(self) -> None:
        with self.table.batch_writer() as batch:
            for item in items_of(self.table, ""):
                batch.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
        add_rules(self.table, *RULES)
        self.topic.published.clear()

    def container(self, clock: Clock | None = None) -> Container:
        return Container(self.table, clock or self.clock, self.topic)

    def items(self) -> list[dict[str, Any]]:
        """Return all that must be the same however often it was interrupted."""
        ignored = {"fired_at", "fired_at_microseconds", "sent_at", "nonce"}
        ignored |= {"version", "recent_version", "revision"}
        return [
            {name: value for name, value in item.items() if name not in ignored}
            for item in items_of(self.table, "")
        ]

    def strike_at(self, when: str, call: int, strike: Callable[[], object]) -> None:
        """Do this once, before or after the call with this number."""
        self.calls.clear()
        self._point, self._strike = (when, call), strike

    def has_struck(self) -> bool:
        """Return whether it was done; else it is not to be done any more."""
        has_struck, self._point = self._point is None, None
        return has_struck

    def _see(self, when: str, name: str) -> None:
        if when == "before":
            self.calls.append(name)
        if self._point == (when, len(self.calls) - 1):
            self._point = None
            self._strike()

    def interrupt(self, when: str, call: int, error: type[BaseException], path: Any = PATH) -> bool:
        """Process ticks, strike, and process them again; returns whether the call was struck."""

        def strike() -> None:
            raise error

        self.strike_at(when, call, strike)
        container = self.container()
        if error is Killed:
            with suppress(Killed):
                container.process(path)
            container = self.container()
        else:
            is_made_good = f"{when} {CALLS[call]}" in RETRIED
            assert returning(container.process(path)) == (set() if is_made_good else MESSAGES)
        has_struck = self.has_struck()
        self.clock.now += LEASE
        assert returning(container.process(path)) == set()
        return has_struck


@pytest.fixture
def stage(aws: None, clock: Clock) -> Stage:
    return Stage(clock, "interrupted")


@functools.cache
def uninterrupted(length: int = len(PATH)) -> list[dict[str, Any]]:
    """Return what comes of the beginning of PATH when nothing is interrupted."""
    stage = Stage(Clock(), f"uninterrupted-{length}")
    stage.container().process(PATH[:length])
    return stage.items()


def test_without_an_interruption_every_rule_fires_in_these_calls(stage: Stage) -> None:
    stage.calls.clear()
    stage.container().process(PATH)
    assert len(stage.calls) == len(CALLS)
    items = stage.items()
    rules = {item["rule_id"]: item["status"] for item in items if "trigger" in item}
    watched = {item["rule"] for item in items if item["pk"] == "WATCH#AAPL#price"}
    (state,) = [item for item in items if item["sk"] == "STATE"]
    assert [item["sent"] for item in items if "sent" in item] == [True] * FIRED
    assert (rules.pop("once"), set(rules.values())) == ("triggered", {"active"})
    assert watched - {"once"} == rules.keys()
    assert state.keys().isdisjoint({"outbox", "lease_owner", "step"})


@pytest.mark.parametrize("error", [Killed, ConnectionError])
@pytest.mark.parametrize("point", [f"{when} {c}" for c in CALLS for when in ("before", "after")])
def test_an_interruption_anywhere_loses_nothing_and_records_nothing_twice(
    stage: Stage, point: str, error: type[BaseException]
) -> None:
    when, call = point.split(maxsplit=1)
    assert stage.interrupt(when, CALLS.index(call), error)
    assert stage.items() == uninterrupted()
    assert len(set(stage.topic.published)) == FIRED
    assert len(stage.topic.published) - FIRED == (FIRED if (error, point) in REPEATED else 0)


def test_the_same_holds_for_a_tick_that_takes_many_commits(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = uninterrupted(length=2)
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    for call in itertools.count():
        stage.begin_again()
        if not stage.interrupt("before", call, Killed, PATH[:2]):
            break
        assert stage.items() == wanted
        assert len(set(stage.topic.published)) == 4
        # Those of one commit: a stored rule's, and the stack's own one's.
        assert len(stage.topic.published) <= 4 + 2
    assert call > len(CALLS)  # all of them were struck


@pytest.mark.parametrize("call", range(len(CALLS)), ids=CALLS)
def test_who_sleeps_beyond_the_lease_does_no_harm_on_waking_up(stage: Stage, call: int) -> None:
    left: list[dict[str, Any]] = []

    def sleep() -> None:
        """Let another invocation do it all meanwhile, and the rule that has ended be resumed."""
        stage.clock.now += LEASE
        assert returning(stage.container().process(PATH)) == set()
        RuleStore(stage.table, stage.clock.sleep).resume("once")
        left.extend(stage.items())

    stage.strike_at("before", call, sleep)
    sleeper = stage.container(Clock())  # whose clock stands still: it does not know
    assert returning(sleeper.process(PATH)) == set()
    assert stage.items() == left
