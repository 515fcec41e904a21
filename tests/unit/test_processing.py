from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from price_alerts.domain.notices import Notice
from price_alerts.domain.state import State
from price_alerts.ports import Conflict
from tests.unit.doubles import (
    NOW,
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    before_updates,
    fail_calls,
    first_seconds_above,
    items_of,
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


def firings_of(table: Table, symbol: str = "AAPL") -> list[dict[str, Any]]:
    return items_of(table, f"FIRINGS#{symbol}#")


def fail_calls_for(table: Table, symbol: str) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if symbol.encode() in params["body"]:
            raise ConnectionError("no answer")

    table.meta.client.meta.events.register("before-call.dynamodb", fail)


def test_a_high_price_is_recorded_and_published(
    container: Container, table: Table, topic: Topic
) -> None:
    (published,) = container.process([tick(200)]).published
    assert topic.published == [published.firing_id]
    (item,) = firings_of(table)
    assert (item["firing_id"], item["price"], item["sent"], item["sent_at"]) == (
        published.firing_id,
        200,
        True,
        "2026-11-22T15:04:05.250000Z",
    )


def test_a_firing_tells_when_it_was_decided(container: Container, clock: Clock) -> None:
    clock.now += 5 * SECOND
    (published,) = container.process([tick(200)]).published
    assert published.fired_at_microseconds == NOW + 5 * SECOND


def test_after_a_delivery_the_outbox_is_clear(container: Container) -> None:
    container.process([tick(200)])
    state = container.store.load("AAPL")
    assert (state.version, state.outbox, state.lease) == (2, None, None)


def test_a_finished_batch_names_no_messages(container: Container) -> None:
    batch = container.process([*ticks(149, 200), tick(5, symbol="MSFT")])
    assert (returning(batch), batch.unfinished_symbols, batch.conflicts) == (set(), set(), 0)


def test_an_empty_batch_does_nothing(container: Container, calls: list[str]) -> None:
    assert returning(container.process([])) == set()
    assert calls == []


def test_without_time_nothing_is_begun(container: Container, calls: list[str]) -> None:
    batch = container.process([tick(149), tick(5, 1, "MSFT")], seconds=1)
    assert (batch.unfinished_message_ids, calls) == ({"m-0", "m-1"}, [])


def test_without_a_rule_only_the_price_is_kept(table: Table, clock: Clock, topic: Topic) -> None:
    container = Container(table, clock, topic, high_price=None)
    assert container.process([tick(200)]).published == []
    assert container.store.load("AAPL").price == 200


def test_a_price_that_stays_high_over_batches_is_published_once(
    container: Container, topic: Topic
) -> None:
    for path_tick in ticks(200, 201, 202):
        container.process([path_tick])
    assert len(topic.published) == 1


def test_a_warm_symbol_costs_one_write_a_batch(container: Container, calls: list[str]) -> None:
    container.process([tick(100), tick(5, symbol="MSFT")])
    calls.clear()
    container.process([tick(101, 1), tick(102, 2), tick(6, 1, symbol="MSFT")])
    assert calls == ["UpdateItem", "UpdateItem"]


def test_a_firing_of_the_stacks_own_rule_costs_three_writes(
    container: Container, calls: list[str]
) -> None:
    container.process([tick(100)])
    calls.clear()
    container.process([tick(200, 1)])
    assert calls == ["UpdateItem", "BatchWriteItem", "UpdateItem"]


def test_a_new_symbol_is_read_once(container: Container, calls: list[str]) -> None:
    """Its state, and whether it has rules that have lost theirs."""
    container.process([tick(100)])
    assert calls == ["Query"] * 10 + ["UpdateItem"]


def test_a_very_long_path_is_committed_bit_by_bit(container: Container, calls: list[str]) -> None:
    container.process([tick(100)])
    calls.clear()
    container.process([tick(100 + second % 2, second) for second in range(1, 2_502)])
    assert calls == ["UpdateItem"] * 3


def test_a_cold_container_reads_the_state(
    container: Container, another: Container, calls: list[str]
) -> None:
    container.process([tick(200)])
    calls.clear()
    batch = another.process([tick(201, 1)])
    assert (calls, batch.published, batch.conflicts) == (["Query", "UpdateItem"], [], 0)


def test_a_stale_container_goes_on_from_the_item_in_its_way_without_a_pause(
    container: Container, another: Container, calls: list[str], clock: Clock
) -> None:
    container.process([tick(100)])
    another.process([tick(200, 1)])
    calls.clear()
    batch = container.process([tick(201, 2)])
    assert (calls, batch.published) == (["UpdateItem", "UpdateItem"], [])
    assert (batch.conflicts, clock.naps) == (1, [])


def test_who_comes_second_ten_times_in_a_row_does_not_pause(
    container: Container, another: Container, table: Table, clock: Clock
) -> None:
    """A pause would only give the others the time to move the symbol again."""
    container.process([tick(100)])
    others = iter(ticks(*[100] * 11)[1:])
    before_updates(table, lambda _: another.process([next(others)]), times=10)
    batch = container.process([tick(101, 11)])
    assert (returning(batch), batch.conflicts, clock.naps) == (set(), 10, [])
    assert container.store.load("AAPL").price == 101


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


def test_a_change_of_rules_that_is_under_way_is_waited_for(
    container: Container, table: Table, clock: Clock
) -> None:
    container.process([tick(100)])
    busy = ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem")

    def be_busy(_: object) -> None:
        raise busy

    before_updates(table, be_busy, times=2)
    batch = container.process([tick(200, 1)])
    assert (returning(batch), batch.conflicts, len(batch.published)) == (set(), 2, 1)
    assert len(clock.naps) == 2
    assert sum(clock.naps) < 0.1


@pytest.mark.parametrize("who", ["container", "another"])
def test_a_redelivered_batch_changes_nothing(
    container: Container, another: Container, table: Table, topic: Topic, who: str
) -> None:
    path = ticks(149, 200, 149, 201)
    container.process(path)
    items, published = table.scan()["Items"], topic.published[:]
    again = (container if who == "container" else another).process(path)
    assert (table.scan()["Items"], topic.published) == (items, published)
    assert (again.published, returning(again)) == ([], set())


def test_a_tick_older_than_all_that_is_kept_is_dropped(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=0)
    container.process([tick(149, 5)])
    assert returning(container.process([tick(200, 4)])) == set()
    assert topic.published == []


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
    items = firings_of(table, symbol)
    assert [item["timestamp_microseconds"] for item in items] == [
        NOW + second * SECOND for second in first_seconds_above(prices)
    ]
    assert topic.published == [item["firing_id"] for item in items]


def test_one_symbols_error_does_not_harm_another(
    container: Container, table: Table, topic: Topic
) -> None:
    fail_calls_for(table, "BAD")
    batch = container.process([tick(200, 0, "BAD", "m-bad"), tick(200, 0, "GOOD", "m-good")])
    assert (batch.failed_message_ids, batch.unfinished_message_ids) == ({"m-bad"}, set())
    (failure,) = batch.failures
    assert (str(failure.error), failure.message_ids) == ("no answer", ("m-bad",))
    assert [firing.symbol for firing in batch.published] == ["GOOD"]


def test_a_message_fails_if_one_of_its_symbols_does(container: Container, table: Table) -> None:
    fail_calls_for(table, "BAD")
    batch = container.process([tick(5, 0, "BAD", "m-both"), tick(5, 0, "GOOD", "m-both")])
    assert batch.failed_message_ids == {"m-both"}


def test_over_a_hundred_firings_are_all_recorded_and_published_once(
    container: Container, table: Table, topic: Topic
) -> None:
    batch = container.process(ticks(*[149, 151] * 101))
    assert returning(batch) == set()
    items = firings_of(table)
    assert (len(items), all(item["sent"] for item in items)) == (101, True)
    in_order = sorted(items, key=lambda item: item["timestamp"])
    assert topic.published == [item["firing_id"] for item in in_order]
    assert {len(request["PublishBatchRequestEntries"]) for request in topic.requests} == {10, 1}


def keeping(waves: list[Sequence[Sequence[Notice]]]) -> Callable[..., Iterator[Any]]:
    """Return a pool of one thread, which keeps what is asked of it at a time."""

    def each_call(do: Callable[[Sequence[Notice]], Any], wave: Any) -> Iterator[Any]:
        waves.append(wave)
        return map(do, wave)

    return each_call


def test_only_firings_of_one_tick_are_published_at_the_same_time(
    table: Table, clock: Clock, topic: Topic
) -> None:
    waves: list[Sequence[Sequence[Notice]]] = []
    container = Container(table, clock, topic, high_price=None, each_call=keeping(waves))
    add_rules(table, *(rule(f"r-{n}", 105 + n // 25) for n in range(50)))
    first, second = tick(105, 1), tick(106, 2)
    container.process([tick(100), first, second])
    assert [[{each.firing.position for each in request} for request in wave] for wave in waves] == [
        [{first.position}] * 2,
        [{first.position, second.position}],
        [{second.position}] * 2,
    ]


def test_no_more_than_eight_requests_are_under_way_for_a_symbol(
    table: Table, clock: Clock, topic: Topic
) -> None:
    waves: list[Sequence[Sequence[Notice]]] = []
    container = Container(table, clock, topic, high_price=None, each_call=keeping(waves))
    add_rules(table, *(rule(f"r-{n}", 105) for n in range(101)))
    container.process([tick(100), tick(105, 1)])
    assert [len(wave) for wave in waves] == [8, 3]


def test_the_state_written_longest_ago_is_forgotten_first(
    table: Table, clock: Clock, topic: Topic, calls: list[str]
) -> None:
    room_for_two = 9_000
    container = Container(table, clock, topic, memory_bytes=room_for_two)
    for second, symbol in enumerate(["A", "B", "A", "C"]):
        container.process([tick(1, second, symbol)])
    costs = {}
    for symbol in ["A", "C", "B"]:
        calls.clear()
        container.process([tick(1, 9, symbol)])
        costs[symbol] = len(calls)
    assert costs == {"A": 1, "C": 1, "B": 2}


def test_a_commit_whose_answer_was_lost_is_no_conflict(container: Container, table: Table) -> None:
    container.process([tick(100)])
    fail_calls(table, "UpdateItem", when="after")
    assert returning(container.process([tick(101, 1)])) == {"m-1"}
    again = container.process([tick(101, 1), tick(102, 2)])
    assert (returning(again), again.conflicts) == (set(), 0)


def test_a_commit_that_the_client_repeats_is_no_conflict(
    container: Container, table: Table, topic: Topic
) -> None:
    """So it looks when the answer to the first request was lost."""
    container.process([tick(100)])
    before_updates(table, lambda params: table.meta.client.update_item(**params))
    batch = container.process([tick(200, 1)])
    assert (returning(batch), batch.conflicts, len(topic.published)) == (set(), 0, 1)


def test_a_clearing_that_the_client_repeats_is_no_conflict(
    container: Container, table: Table, topic: Topic
) -> None:
    container.process([tick(100)])
    topic.on_publish = lambda when: (
        before_updates(table, lambda params: table.meta.client.update_item(**params))
        if when == "after"
        else None
    )
    batch = container.process([tick(200, 1)])
    assert (returning(batch), batch.conflicts) == (set(), 0)
    assert container.store.load("AAPL").outbox is None


def test_the_same_message_twice_in_a_batch_counts_once(container: Container, topic: Topic) -> None:
    twice = [tick(149, 0), tick(200, 1), tick(200, 1)]
    batch = container.process(twice)
    assert (returning(batch), batch.late_ticks, len(topic.published)) == (set(), 0, 1)


def test_a_firing_names_the_owner_of_the_stacks_own_rule(
    container: Container, table: Table
) -> None:
    container.process([tick(200)])
    (item,) = firings_of(table)
    assert item["owner"] == "stack"
