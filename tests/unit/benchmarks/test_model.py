"""The model: it keeps to AWS's limits, loses nothing, and takes what calls add up to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.model.calls import Calls, Throttled
from benchmarks.model.dynamodb import Rate, Table
from benchmarks.model.figures import BY_DAY, DELIVERIES, Figures, percentile
from benchmarks.model.parameters import AFTER, BEFORE, Handler, Latencies, Limits, Load, Settings
from benchmarks.model.queue import Queue, Slice
from benchmarks.model.run import Mapping, Run, seconds_for, simulate
from benchmarks.model.world import Announced, Scenario, World

UNLIMITED = Limits(
    partition_write_units_per_second=inf,
    partition_read_units_per_second=inf,
    table_write_units_per_second=inf,
    published_per_second=inf,
)
# Only waiting counts, so that it can be added up by hand.
WAITING = Latencies(
    dynamodb_seconds=0.005,
    sns_seconds=0.015,
    call_core_seconds=0,
    firing_core_seconds=0,
    tick_core_seconds=0,
)
SUDDEN = Load(
    symbols=1, ticks_per_second=1_000, rules=100, fall=1, fall_seconds=1, warm_up_seconds=0
)
# Four times as many firings as one key of the index takes while prices fall.
BUSY = Load(symbols=10, ticks_per_second=1_000, rules=20_000, fall_seconds=1, warm_up_seconds=1)


ROOMY = Settings(ticks_per_message=10, memory_mebibytes=1_769, function_timeout_seconds=900)
# A scenario in which nothing waits for a processor.
SCENARIO = Scenario(BEFORE, ROOMY, BUSY, Limits(), WAITING)


@cache
def ran(handler: Handler = BEFORE) -> Run:
    """Run a scenario; several tests look at the same run."""
    return simulate(replace(SCENARIO, handler=handler))


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 400)), max_size=60))
def test_a_partition_never_gives_more_than_its_limit_in_any_second(
    offers: list[tuple[float, int]],
) -> None:
    rate, now = Rate(1_000), 0.0
    admitted = []
    for pause, units in offers:
        now += pause
        if rate.offer(now, units):
            admitted.append((now, units))
    for begin, _ in admitted:
        assert sum(units for at, units in admitted if begin <= at < begin + 1) <= 1_000


def test_a_write_that_the_index_does_not_admit_takes_nothing_of_the_table() -> None:
    table = Table(Limits(partition_write_units_per_second=1))
    assert table.write(0, "FIRINGS#1", 1, "by_day 0", 1)
    assert not table.write(0, "FIRINGS#2", 1, "by_day 0", 1)
    assert table.write(0, "FIRINGS#2", 1, "by_day 1", 1)
    assert table.throttled == 1


def test_a_call_is_tried_three_times_with_longer_and_longer_waits() -> None:
    calls = Calls(World(SCENARIO))
    for attempt, most_seconds in ((1, 1), (2, 2)):
        waits = [calls.backoff(attempt) for _ in range(100)]
        assert 0 <= min(waits) < max(waits) <= most_seconds
    with pytest.raises(Throttled):
        calls.backoff(3)


@pytest.mark.parametrize(
    ("maximum", "batches"), [(1_000, [5, 305, 605, 905, 1_000]), (20, [5, 20, 20])]
)
def test_lambda_begins_with_five_batches_and_adds_three_hundred_a_minute_up_to_the_maximum(
    maximum: int, batches: list[int]
) -> None:
    mapping = Mapping(World(Scenario(BEFORE, Settings(maximum_concurrency=maximum))))
    reached = []
    for _ in batches:
        reached.append(mapping.batches)
        mapping.grow(60)
    assert reached == batches


def test_a_queue_gives_each_message_once_and_what_is_put_back_again() -> None:
    queue = Queue(SUDDEN, Settings(ticks_per_message=10))
    first = queue.receive(1, 60)
    queue.put_back(first[0], 3)
    rest = queue.receive(2, 1_000)
    some, again = queue.receive(3, 110), queue.receive(3, 1_000)
    assert [each.messages for each in first] == [60]
    assert [each.messages for each in rest] == [140]
    assert first[0].end == rest[0].start
    assert [each.messages for each in some] == [100, 10]
    assert some[1:] + again == [first[0]._replace(messages=count) for count in (10, 50)]


def test_a_hundred_rules_on_one_level_take_what_their_calls_add_up_to() -> None:
    reads, commits = 2 * 0.005, 2 * 0.005
    announcing = 10 * (0.015 + 0.005)
    rules = 13 * 0.005  # eight at a time
    taken = seconds_for(Scenario(BEFORE, Settings(), SUDDEN, UNLIMITED, WAITING), [Slice(0, 1, 1)])
    assert taken == pytest.approx(reads + commits + announcing + rules)


def test_quiet_symbols_wait_eight_at_a_time() -> None:
    quiet = replace(SUDDEN, symbols=16, rules=0)
    taken = seconds_for(Scenario(BEFORE, Settings(), quiet, UNLIMITED, WAITING), [Slice(0, 1, 10)])
    assert taken == pytest.approx(2 * 0.005)


def test_calls_wait_for_the_share_of_a_core_that_the_memory_brings() -> None:
    latencies = replace(WAITING, call_core_seconds=0.001, dynamodb_seconds=0)
    quiet = replace(SUDDEN, rules=0)
    half, whole = (
        seconds_for(
            Scenario(BEFORE, Settings(memory_mebibytes=memory), quiet, UNLIMITED, latencies),
            [Slice(0, 1, 1)],
        )
        for memory in (1_769 // 2, 1_769)
    )
    assert (half, whole) == pytest.approx((0.002, 0.001), rel=0.01)


@pytest.mark.parametrize("handler", [BEFORE, AFTER])
def test_each_firing_is_announced_after_its_price_and_recorded_exactly_once(
    handler: Handler,
) -> None:
    world = ran(handler).world
    assert sum(each.firings for each in world.results.announced) == sum(BUSY.firings)
    assert world.results.published == sum(BUSY.firings) + world.results.extra
    assert all(symbol.recorded <= symbol.announced == symbol.firings for symbol in world.symbols)
    assert min(each.lag_seconds for each in world.results.announced) > 0


def test_what_is_published_again_is_no_new_announcement() -> None:
    world = World(SCENARIO)
    world.note_announced(world.symbols[0], 0, 10)
    world.note_announced(world.symbols[0], 5, 10)
    assert world.results.extra == 5
    assert sum(each.firings for each in world.results.announced) == 15


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (BEFORE, (6.919295, 2.259902, 6.026548, 200, 238, 773.878878, 0.01475312)),
        (AFTER, (5.045, 1.1275, 3.994649, 0, 60, 170.708576, 0.01062897)),
    ],
)
def test_a_busy_fall_comes_to_the_same_figures_every_time(
    handler: Handler, expected: tuple[float, ...]
) -> None:
    figures = Figures.of(ran(handler))
    assert expected == pytest.approx(
        (
            *(figures.last_seconds, figures.median_seconds, figures.p99_seconds),
            *(figures.throttled, figures.handed_over, figures.late_ticks, figures.dollars),
        ),
        rel=1e-5,
    )
    assert max(figures.utilisations[BY_DAY], figures.utilisations[DELIVERIES]) <= 1


def test_messages_of_an_outage_are_redelivered_and_go_to_the_dead_letter_queue() -> None:
    settings = replace(ROOMY, visibility_timeout_seconds=2, function_timeout_seconds=2)
    limits = Limits(table_write_units_per_second=0)
    outage = replace(SCENARIO, settings=settings, limits=limits)
    results = simulate(outage, patience_seconds=20).world.results
    assert (results.failed > 0, results.dead > 0, results.announced) == (True, True, [])


def test_a_percentile_counts_firings_and_not_requests() -> None:
    announced = [Announced(1, lag, firings) for lag, firings in ((5.0, 98), (7.0, 1), (9.0, 1))]
    assert [percentile(announced, part) for part in (0.5, 0.99, 1)] == [5, 7, 9]
    assert percentile([], 0.5) == 0
