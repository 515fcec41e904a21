"""Ticks through commit and delivery: what is written, published and counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from price_alerts.domain import engine
from price_alerts.domain.notices import Notice
from price_alerts.domain.state import State
from price_alerts.domain.ticks import format_timestamp
from price_alerts.ports import Conflict
from tests.unit.doubles import (
    NOW,
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    before_updates,
    fail_calls_for,
    first_seconds_above,
    items_of,
    recorded,
    returning,
    rule,
    tick,
    ticks,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_numbers = itertools.count()


@pytest.fixture
def another(table: Table, clock: Clock, topic: Topic) -> Container:
    return Container(table, clock, topic)


@pytest.fixture
def ruled(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container without a rule of the stack's own."""
    return Container(table, clock, topic, high_price=None)


# --- one firing ------------------------------------------------------------------------------


def test_a_high_price_is_recorded_once_it_was_published(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    def take_a_second(when: str) -> None:
        assert items_of(table, "FIRINGS#") == []
        clock.now += SECOND // 2

    clock.now += 5 * SECOND
    topic.on_publish = take_a_second
    batch = container.process([tick(200), tick(5, 1, "MSFT")])
    (published,) = batch.published
    assert topic.published == [published.firing_id]
    assert published.fired_at_microseconds == NOW + 5 * SECOND
    (item,) = items_of(table, "FIRINGS#AAPL")
    assert (item["firing_id"], item["price"], item["owner"]) == (topic.published[0], 200, "stack")
    assert (item["sent"], item["sent_at"]) == (True, format_timestamp(NOW + 6 * SECOND))
    assert batch.lags_microseconds == [6 * SECOND]
    assert (returning(batch), batch.unfinished_symbols, batch.conflicts) == (set(), set(), 0)
    state = container.store.load("AAPL")
    assert (state.version, state.outbox, state.lease) == (2, None, None)


def test_a_stored_rule_fires_with_its_owner_note_and_message(
    ruled: Container, table: Table
) -> None:
    ruled.process([tick(149)])  # a warm container sees rules that are added
    add_rules(table, rule("r-1", 150, owner="ann", note="Sell.", message="{symbol}! {note}"))
    ruled.process([tick(151, 1)])
    (item,) = items_of(table, "FIRINGS#")
    assert (item["owner"], item["note"], item["text"]) == ("ann", "Sell.", "AAPL! Sell.")


# --- many ticks ------------------------------------------------------------------------------


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["149", "150", "151"]), min_size=1, max_size=10),
    st.randoms(use_true_random=False),
)
def test_batches_redelivery_and_order_make_no_difference(
    table: Table, prices: list[str], random: Random
) -> None:
    symbol, clock, topic, end = f"S-{next(_numbers)}", Clock(), Topic(), 0
    path = ticks(*prices, symbol=symbol)
    containers = [Container(table, clock, topic) for _ in range(2)]
    while end < len(path):
        start, end = end, end + random.randint(1, 4)
        batch = path[start:end] + random.sample(path[:start], random.randint(0, start))
        random.shuffle(batch)
        assert not returning(random.choice(containers).process(batch))
    items = items_of(table, f"FIRINGS#{symbol}#")
    assert [item["timestamp_microseconds"] for item in items] == [
        NOW + second * SECOND for second in first_seconds_above(prices)
    ]
    assert topic.published == [item["firing_id"] for item in items]


def test_without_time_nothing_is_begun(container: Container, calls: list[str]) -> None:
    batch = container.process([tick(149), tick(5, 1, "MSFT")], seconds=1)
    assert (batch.unfinished_message_ids, calls) == ({"m-0", "m-1"}, [])


def test_one_symbols_error_does_not_harm_another(container: Container, table: Table) -> None:
    fail_calls_for(table, "BAD")
    both = [tick(5, 0, "BAD", "m-both"), tick(5, 0, "GOOD", "m-both")]
    batch = container.process([*both, tick(200, 1, "BAD"), tick(200, 2, "GOOD")])
    assert (batch.failed_message_ids, batch.unfinished_message_ids) == ({"m-both", "m-1"}, set())
    (failure,) = batch.failures
    assert (str(failure.error), failure.message_ids) == ("no answer", ("m-both", "m-1"))
    assert (batch.unfinished_symbols, [each.symbol for each in batch.published]) == (
        {"BAD"},
        ["GOOD"],
    )


def test_the_state_written_longest_ago_is_forgotten_first(
    table: Table, clock: Clock, topic: Topic, calls: list[str]
) -> None:
    container = Container(table, clock, topic, memory_bytes=9_000)  # room for two
    for second, symbol in enumerate(["A", "B", "A", "C"]):
        container.process([tick(1, second, symbol)])
    costs = {}
    for symbol in ["A", "C", "B"]:
        calls.clear()
        container.process([tick(1, 9, symbol)])
        costs[symbol] = len(calls)
    assert costs == {"A": 1, "C": 1, "B": 2}


# --- requests to SNS -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "waves"),
    [
        ([105] * 25 + [106] * 25, [["1", "1"], ["12"], ["2", "2"]]),
        ([105] * 101, [["1"] * 8, ["1"] * 3]),
    ],
    ids=["of one tick at a time", "eight at a time"],
)
def test_requests_of_one_tick_are_under_way_at_the_same_time_and_at_most_eight(
    table: Table, clock: Clock, topic: Topic, levels: list[int], waves: list[list[str]]
) -> None:
    found: list[list[str]] = []

    def each_call(do: Callable[[Any], Any], wave: Sequence[Sequence[Notice]]) -> Iterator[Any]:
        names = [sorted({each.firing.position.message_id[2:] for each in part}) for part in wave]
        found.append(["".join(each) for each in names])
        return map(do, wave)

    container = Container(table, clock, topic, high_price=None, each_call=each_call)
    add_rules(table, *(rule(f"r-{number}", level) for number, level in enumerate(levels)))
    container.process(ticks(100, 105, 106))
    assert found == waves


# --- others move the symbol, too -------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 10])
def test_who_comes_second_goes_on_from_the_stored_state_without_a_pause(
    container: Container, another: Container, table: Table, clock: Clock, times: int
) -> None:
    container.process([tick(100)])
    others = iter(ticks(*[200] * 11)[1:])
    before_updates(table, lambda _: another.process([next(others)]), times=times)
    batch = container.process([tick(201, 11)])
    assert (returning(batch), batch.conflicts, clock.naps) == (set(), times, [])
    assert (batch.published, container.store.load("AAPL").price) == ([], Decimal(201))


def test_who_always_comes_second_gives_the_messages_back(
    container: Container, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.process([tick(100)])
    current = container.store.load("AAPL")

    def come_second(*_: object) -> State:
        clock.now += SECOND // 20
        raise Conflict(current)

    monkeypatch.setattr(container.store, "commit", come_second)
    batch = container.process([tick(101, 1)])
    assert (batch.unfinished_message_ids, batch.failures) == ({"m-1"}, [])
    assert batch.conflicts > 100
    assert clock.naps


@pytest.mark.parametrize("place", range(4), ids=["commit", "first rule", "second rule", "clearing"])
def test_a_change_of_rules_under_way_is_waited_for_at_any_update(
    ruled: Container, table: Table, clock: Clock, topic: Topic, place: int
) -> None:
    add_rules(table, rule("r-1", 150, rearm="1"), rule("r-2", 150, rearm="1"))
    ruled.process([tick(149)])
    updates = itertools.count()

    def be_busy(_: object) -> None:
        if next(updates) in (place, place + 1):
            raise ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem")

    before_updates(table, be_busy, times=99)
    batch = ruled.process([tick(151, 1)])
    assert returning(batch) == set()
    assert batch.conflicts == len(clock.naps) == 2
    assert 0 < sum(clock.naps) < 0.1
    assert recorded(table) == [("r-1", "151", True), ("r-2", "151", True)]
    assert len(topic.published) == 2
    state, rules = ruled.store.load("AAPL"), items_of(table, "SYMBOL#AAPL", "RULE#")
    assert (state.outbox, state.lease) == (None, None)
    assert [stored["disarmed"] for stored in rules] == ["high", "high"]


@pytest.mark.parametrize("is_cleared", [True, False])
def test_a_tick_that_takes_many_commits_is_finished_before_the_next_one(
    ruled: Container, monkeypatch: pytest.MonkeyPatch, is_cleared: bool
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    table, clock, topic = ruled.table, ruled.clock, ruled.topic
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(3)))
    updates = itertools.count(1)

    def run_out_of_time(_: object) -> None:
        if not is_cleared or next(updates) == 3:
            clock.now += 10 * SECOND

    if is_cleared:  # by the last of three updates: a commit, the rule, and the clearing
        before_updates(table, run_out_of_time, times=3)
    else:
        topic.on_publish = run_out_of_time
    assert returning(ruled.process(ticks(149, 151))) == {"m-0", "m-1"}
    state = ruled.store.load("AAPL")
    assert (state.outbox is None, state.price, bool(state.step)) == (is_cleared, Decimal(151), True)
    topic.on_publish = lambda when: None
    assert returning(ruled.process(ticks(149, 151, 149, 152))) == set()
    wanted = [(f"r-{number}", price, True) for price in ("151", "152") for number in range(3)]
    assert recorded(table) == wanted


# --- what is counted -------------------------------------------------------------------------


def test_late_ticks_that_are_dropped_count_unless_they_came_before(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=1)
    container.process([tick(100), tick(100, 10)])
    assert container.process([tick(200, 3), tick(100, 5), tick(100, 10)]).late_ticks == 0
    assert container.process([tick(200, 3)], repeated={"m-3"}).late_ticks == 0
    assert container.process([tick(200, 3)]).late_ticks == 1
    Container(table, clock, topic, kept_ticks=0).process([tick(102, 30)])
    assert container.process([tick(101, 25)]).late_ticks == 1
    assert [price for _, price, _ in recorded(table)] == ["200"]


def test_what_sns_rejects_or_does_not_answer_is_counted(container: Container, topic: Topic) -> None:
    topic.refused = lambda _: True
    batch = container.process([tick(200), tick(200, symbol="MSFT")])
    assert (batch.publish_failures, batch.lags_microseconds, len(batch.failures)) == (2, [], 2)
    topic.code, topic.is_sender_fault = "InvalidParameter", True
    batch = container.process([tick(200, symbol="IBM"), tick(200, symbol="GOOG")])
    assert (batch.publish_failures, batch.published) == (0, [])
    reasons = {firing.symbol: reason for firing, reason in batch.undeliverable}
    assert reasons == dict.fromkeys(("GOOG", "IBM"), "InvalidParameter")
    topic.on_publish = lambda when: 1 // 0
    batch = container.process([tick(200, symbol="NEW")])
    assert (batch.publish_failures, len(batch.failures)) == (1, 1)
