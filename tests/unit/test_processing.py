from __future__ import annotations

import itertools
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from price_alerts import processing
from tests.unit.doubles import (
    NOW,
    SECOND,
    Clock,
    Container,
    Topic,
    first_seconds_above,
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
    pages = table.meta.client.get_paginator("query").paginate(
        TableName=table.name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": f"FIRINGS#{symbol}"},
    )
    return [item for page in pages for item in page["Items"]]


def fail_calls_for(table: Table, symbol: str) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if symbol.encode() in params["body"]:
            raise ConnectionError("no answer")

    table.meta.client.meta.events.register("before-call.dynamodb", fail)


def test_a_high_price_is_recorded_and_announced(
    container: Container, table: Table, topic: Topic
) -> None:
    (announced,) = container.process([tick(200)]).announced
    assert topic.published == [announced.firing_id]
    (item,) = firings_of(table)
    assert (item["firing_id"], item["price"], item["sent"], item["sent_at"]) == (
        announced.firing_id,
        200,
        True,
        "2026-11-22T15:04:05.250000Z",
    )


def test_a_firing_tells_when_it_was_decided(container: Container, clock: Clock) -> None:
    clock.now += 5 * SECOND
    (announced,) = container.process([tick(200)]).announced
    assert announced.fired_at_microseconds == NOW + 5 * SECOND


def test_after_a_delivery_the_outbox_is_clear(container: Container) -> None:
    container.process([tick(200)])
    state = container.store.load("AAPL")
    assert (state.version, state.outbox, state.lease) == (2, None, None)


def test_a_finished_batch_names_no_messages(container: Container) -> None:
    batch = container.process([*ticks(149, 200), tick(5, symbol="MSFT")])
    assert (batch.unfinished_message_ids, batch.failures, batch.conflicts) == (set(), [], 0)


def test_an_empty_batch_does_nothing(container: Container, calls: list[str]) -> None:
    assert container.process([]).unfinished_message_ids == set()
    assert calls == []


def test_without_time_nothing_is_begun(container: Container, calls: list[str]) -> None:
    batch = container.process([tick(149), tick(5, 1, "MSFT")], seconds=1)
    assert (batch.unfinished_message_ids, calls) == ({"m-0", "m-1"}, [])


def test_without_a_rule_only_the_price_is_kept(table: Table, clock: Clock, topic: Topic) -> None:
    container = Container(table, clock, topic, high_price=None)
    assert container.process([tick(200)]).announced == []
    assert container.store.load("AAPL").price == 200


def test_a_price_that_stays_high_over_batches_is_announced_once(
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


def test_a_firing_costs_four_writes(container: Container, calls: list[str]) -> None:
    container.process([tick(200)])
    assert calls == ["UpdateItem", "PutItem", "TransactWriteItems", "UpdateItem"]


def test_a_new_symbol_is_not_read_first(container: Container, calls: list[str]) -> None:
    container.process([tick(100)])
    assert calls == ["UpdateItem"]


def test_a_very_long_path_is_committed_bit_by_bit(container: Container, calls: list[str]) -> None:
    container.process([tick(100)])
    calls.clear()
    container.process([tick(100 + second % 2, second) for second in range(1, 2_502)])
    assert calls == ["UpdateItem"] * 3


def test_a_cold_container_learns_the_state_from_its_refused_write(
    container: Container, another: Container, calls: list[str]
) -> None:
    container.process([tick(200)])
    calls.clear()
    batch = another.process([tick(201, 1)])
    assert (calls, batch.published, batch.conflicts) == (["UpdateItem", "UpdateItem"], [], 0)


def test_a_stale_container_evaluates_again_from_the_returned_item(
    container: Container, another: Container, calls: list[str]
) -> None:
    container.process([tick(100)])
    another.process([tick(200, 1)])
    calls.clear()
    batch = container.process([tick(201, 2)])
    assert (calls, batch.published, batch.conflicts) == (["UpdateItem", "UpdateItem"], [], 1)


@pytest.mark.parametrize("who", ["container", "another"])
def test_a_redelivered_batch_changes_nothing(
    container: Container, another: Container, table: Table, topic: Topic, who: str
) -> None:
    path = ticks(149, 200, 149, 201)
    container.process(path)
    items, published = table.scan()["Items"], topic.published[:]
    again = (container if who == "container" else another).process(path)
    assert (table.scan()["Items"], topic.published) == (items, published)
    assert (again.announced, again.unfinished_message_ids) == ([], set())


def test_a_tick_older_than_all_that_is_kept_is_dropped(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=0)
    container.process([tick(149, 5)])
    assert container.process([tick(200, 4)]).unfinished_message_ids == set()
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
        assert not random.choice(containers).process(batch).unfinished_message_ids
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
    assert batch.unfinished_message_ids == {"m-bad"}
    (failure,) = batch.failures
    assert (str(failure.error), failure.message_ids) == ("no answer", ("m-bad",))
    assert [firing.symbol for firing in batch.published] == ["GOOD"]


def test_a_message_is_unfinished_if_one_of_its_symbols_fails(
    container: Container, table: Table
) -> None:
    fail_calls_for(table, "BAD")
    batch = container.process([tick(5, 0, "BAD", "m-both"), tick(5, 0, "GOOD", "m-both")])
    assert batch.unfinished_message_ids == {"m-both"}


def test_over_a_hundred_firings_are_all_recorded_and_announced_once(
    container: Container, table: Table, topic: Topic
) -> None:
    batch = container.process(ticks(*[149, 151] * 101))
    assert batch.unfinished_message_ids == set()
    items = firings_of(table)
    assert (len(items), all(item["sent"] for item in items)) == (101, True)
    assert topic.published == [item["firing_id"] for item in items]
    assert {len(request["PublishBatchRequestEntries"]) for request in topic.requests} == {10, 1}


def test_the_state_written_longest_ago_is_forgotten_first(
    container: Container, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "_MAX_KNOWN_STATES", 2)
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
    errors = iter([ConnectionError("no answer")])

    def lose_one_answer(**_: Any) -> None:
        for error in errors:
            raise error

    table.meta.client.meta.events.register("after-call.dynamodb", lose_one_answer)
    assert container.process([tick(101, 1)]).unfinished_message_ids == {"m-1"}
    again = container.process([tick(101, 1), tick(102, 2)])
    assert (again.unfinished_message_ids, again.conflicts) == (set(), 0)
