"""The engine, with a rule book as its index, agrees with the oracle on whole histories."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from price_alerts.adapters.state_items import state_attributes, state_of
from price_alerts.domain import engine, watches
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Tick
from tests.engine_driver import Cut, Driver, uncut
from tests.histories import cuttings, histories, play, random_history
from tests.history_writer import History
from tests.oracle import Fired, Oracle

# Short histories are fast, long ones have more in them.
RECORDS = (12, 12, 12, 12, 12, 12, 12, 24, 24, 48)

Limits = tuple[int, int, int, int]
AS_THEY_ARE: Limits = (500, 5_000, 16, 512)
SMALL: Limits = (3, 3, 1, 2)


def limit(patch: pytest.MonkeyPatch, limits: Limits) -> None:
    """Make commits and pages very small."""
    changes, passed, first_page, next_pages = limits
    patch.setattr(engine, "MAX_CHANGES_PER_COMMIT", changes)
    patch.setattr(engine, "MAX_ENTRIES_PER_COMMIT", 4 * changes)
    patch.setattr(engine, "MAX_WATCHES_PER_COMMIT", passed)
    patch.setattr(watches, "_FIRST_PAGE", first_page)
    patch.setattr(watches, "_LARGEST_PAGE", next_pages)


def in_order(fired: list[Fired]) -> list[Fired]:
    return sorted(fired, key=lambda each: (each[1], each[0], each[3], each[2] or 0))


def assert_agreement(
    history: History,
    cut: Cut,
    thresholds: tuple[Decimal | None, ...] = (None,),
    on_commit: Callable[[State], object] = lambda state: None,
    kept_ticks: int = 0,
) -> None:
    """Play a history to both; after every third event the next threshold comes into force."""
    to_come = iter(thresholds)
    threshold = next(to_come)
    oracle, driver = Oracle(threshold), Driver(cut, threshold, on_commit, kept_ticks)
    for number, (event, fired) in enumerate(play(history, oracle), 1):
        assert in_order(driver.perform(event)) == in_order(fired)
        if number % 3 == 0:
            threshold = next(to_come, threshold)
            oracle.change_threshold(threshold)
            driver.change_threshold(threshold)


def random_cut(random: Random) -> Cut:
    chance = random.choice((0.1, 0.3, 1.0))

    def cut(ticks: list[Tick]) -> list[list[Tick]]:
        batches = [ticks[:1]]
        for tick in ticks[1:]:
            if random.random() < chance:
                batches.append([])
            batches[-1].append(tick)
        return batches

    return cut


def thresholds_within(history: History, random: Random) -> tuple[Decimal | None, ...]:
    """Draw thresholds from the history's prices, all of them different."""
    prices = {each[1] for event in history if event[0] == "ticks" for each in event[1]}
    drawn: list[Decimal | None] = [*sorted(prices), None]
    random.shuffle(drawn)
    return tuple(drawn)


def assert_agreement_on_random_histories(
    seed: str, count: int, *, has_threshold: bool, kept_ticks: int
) -> None:
    """Play histories as they are, and with their ticks cut into batches."""
    random = Random(seed)
    for _ in range(count):
        history = random_history(random, random.choice(RECORDS))
        thresholds = thresholds_within(history, random) if has_threshold else (None,)
        for cut in (uncut, random_cut(random)):
            assert_agreement(history, cut, thresholds, kept_ticks=kept_ticks)


@pytest.mark.no_cover
@pytest.mark.parametrize("has_threshold", [False, True])
@pytest.mark.parametrize(
    ("limits", "kept_ticks", "count"),
    [
        (AS_THEY_ARE, 0, 40),
        (AS_THEY_ARE, 16, 40),
        ((1, 1, 1, 1), 3, 20),
        ((1, 2, 1, 1), 0, 20),
        ((2, 3, 1, 2), 3, 20),
        (SMALL, 3, 20),
    ],
    ids=str,
)
def test_engine_and_oracle_agree_on_random_histories(
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits,
    kept_ticks: int,
    count: int,
    has_threshold: bool,
) -> None:
    limit(monkeypatch, limits)
    assert_agreement_on_random_histories(
        f"{limits} {kept_ticks}", count, has_threshold=has_threshold, kept_ticks=kept_ticks
    )


@pytest.mark.deep
@pytest.mark.no_cover
@pytest.mark.parametrize("shard", range(10))
@pytest.mark.parametrize("has_threshold", [False, True])
@pytest.mark.parametrize(
    "limits", [AS_THEY_ARE, (1, 1, 1, 1), (1, 2, 1, 1), (2, 3, 1, 2), SMALL], ids=str
)
def test_engine_and_oracle_agree_on_histories_that_nobody_has_played(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, has_threshold: bool, shard: int
) -> None:
    limit(monkeypatch, limits)
    seed = secrets.token_hex(8)
    kept_ticks = Random(seed).choice((0, 3, 16))
    try:
        assert_agreement_on_random_histories(
            seed, 500, has_threshold=has_threshold, kept_ticks=kept_ticks
        )
    except AssertionError as error:
        error.add_note(f"seed {seed!r}")
        raise


def stored(attributes: dict[str, Any]) -> dict[str, Any]:
    """Write and read attributes as the table does."""
    wire = TypeSerializer().serialize(attributes)
    read: dict[str, Any] = TypeDeserializer().deserialize(wire)
    return read


def assert_survives(state: State) -> None:
    assert state_of(state.symbol, stored(state_attributes(state))) == state


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories(32), st.sampled_from([SMALL, AS_THEY_ARE]), st.data())
def test_engine_and_oracle_agree_however_ticks_are_cut_and_every_state_survives_the_table(
    history: History, limits: Limits, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        limit(patch, limits)
        assert_agreement(
            history,
            lambda ticks: data.draw(cuttings(ticks)),
            on_commit=assert_survives,
            kept_ticks=3,
        )
