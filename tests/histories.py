"""Histories of rules and prices, to hold the engine against the oracle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st

from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.ticks import Position, Tick
from tests.history_writer import EXACT, RECORD_BYTES, Event, History, PriceAt, written_from
from tests.oracle import Fired, Oracle, Spec

T = TypeVar("T")


def histories(records: int = 48) -> st.SearchStrategy[History]:
    """Draw histories of at most ``records`` changes and runs of ticks.

    One is a list of ``("add", spec)``, ``("pause", rule_id)``, ``("resume", rule_id)``,
    ``("remove", rule_id)`` and ``("ticks", [(symbol, price, timestamp_microseconds), ...])``.
    Not every change fits: see `fits`.
    """
    size = (records + 1) * RECORD_BYTES
    return st.binary(min_size=size, max_size=size).map(written_from)


def shards(count: int, in_all: int) -> list[Any]:
    """Number the shards of a test; those beyond ``count`` are played at night alone."""
    night = pytest.mark.deep
    return [pytest.param(n, marks=() if n < count else night) for n in range(in_all)]


def random_history(random: Random, records: int = 48) -> History:
    """Write a history like those of `histories`, without Hypothesis."""
    return written_from(random.randbytes((records + 1) * RECORD_BYTES))


def cuttings(ticks: Sequence[T]) -> st.SearchStrategy[list[list[T]]]:
    """Draw ways to cut ticks into batches: from one of all to one each."""
    size = max(len(ticks) - 1, 0)

    def cut(chances: int, tape: bytes) -> list[list[T]]:
        places = [place for place, byte in enumerate(tape, 1) if byte >= 256 - chances]
        borders = [0, *places, len(ticks)]
        return [list(ticks[start:end]) for start, end in pairwise(borders) if start < end]

    tapes = st.binary(min_size=size, max_size=size)
    return st.builds(cut, st.sampled_from((0, 16, 64, 128, 256)), tapes)


def fits(event: Event, oracle: Oracle) -> bool:
    """Return whether a change can be made; a history does not know which rules have triggered."""
    match event:
        case ("add", Spec() as spec):
            return oracle.status(spec.rule_id) is None
        case ("pause", str(rule_id)):
            return oracle.status(rule_id) == "active"
        case ("resume", str(rule_id)):
            return oracle.status(rule_id) in {"paused", "triggered"}
        case ("remove", str(rule_id)):
            return oracle.status(rule_id) is not None
    return True


def perform(event: Event, oracle: Oracle) -> list[Fired]:
    """Play an event to the oracle; returns what fires at it."""
    match event:
        case ("add", Spec() as spec):
            oracle.add(spec)
        case ("ticks", list(ticks)):
            return [each for tick in ticks for each in oracle.tick(*tick)]
        case (change, str(rule_id)):
            getattr(oracle, change)(rule_id)
    return []


def play(history: History, oracle: Oracle) -> Iterator[tuple[Event, list[Fired]]]:
    """Play a history to the oracle; yields each event that fits, with all that fired at it."""
    for event in history:
        if fits(event, oracle):
            yield event, perform(event, oracle)


def rule_of(spec: Spec) -> Rule:
    """Build the function's rule."""
    rearm = None if spec.rearm is None else Distance(spec.rearm, spec.rearm_is_percent)
    condition = Condition(spec.condition)
    return Rule(
        rule_id=spec.rule_id,
        symbol=spec.symbol,
        terms=Terms(condition, spec.levels, spec.is_percent, spec.window, rearm),
        trigger=Trigger(spec.trigger),
        cooldown_seconds=spec.cooldown_seconds,
        expires_at_microseconds=spec.expires_at_microseconds,
    )


def tick_of(price_at: PriceAt) -> Tick:
    """Build the function's tick, in a message of its own."""
    symbol, price, timestamp = price_at
    return Tick(symbol, price.normalize(EXACT), Position(timestamp, 0, 0, f"m-{timestamp}", 0))
