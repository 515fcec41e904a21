"""What SNS rejects, and errors around publishing: nothing is lost, nothing published twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.items import rule_key
from price_alerts.domain.state import State
from tests.unit.doubles import (
    SECOND,
    Clock,
    Container,
    Topic,
    TwoTopics,
    add_rules,
    fail_calls,
    items_of,
    returning,
    rule,
    tick,
    ticks,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

# Three firings in one outbox.
PATH = ticks(200, 149, 201, 149, 202)
MINUTE = 60 * SECOND


def recorded(table: Table) -> list[tuple[str, Any]]:
    """Return price and sent of AAPL's firings in the order of their times."""
    return [(str(item["price"]), item["sent"]) for item in items_of(table, "FIRINGS#AAPL")]


def entries(topic: Topic) -> list[list[str]]:
    """Return the prices in each request."""
    return [
        [
            entry["MessageAttributes"]["price"]["StringValue"]
            for entry in request["PublishBatchRequestEntries"]
        ]
        for request in topic.requests
    ]


def reject(
    topic: Topic, *prices: str, times: int = 10**6, code: str = "Throttled", for_good: bool = False
) -> None:
    """Reject the firings at these prices, in some requests; ``times=0`` is no more."""
    last = len(topic.requests) + times

    def is_rejected(firing_id: str) -> bool:
        (price,) = [
            entry["MessageAttributes"]["price"]["StringValue"]
            for entry in topic.requests[-1]["PublishBatchRequestEntries"]
            if entry["Id"] == firing_id
        ]
        return price in prices and len(topic.requests) <= last

    topic.refused = is_rejected
    topic.code, topic.is_sender_fault = code, for_good


def left_behind(state: State) -> bool:
    return bool(state.outbox or state.step or state.lease)


def test_what_is_rejected_once_goes_out_again_with_all_after_it_in_order(
    container: Container, table: Table, topic: Topic
) -> None:
    reject(topic, "201", times=1)
    batch = container.process(PATH)
    assert entries(topic) == [["200", "201", "202"], ["201", "202"]]
    assert [str(firing.price) for firing in batch.published] == ["200", "201", "202"]
    assert (returning(batch), batch.publish_failures) == (set(), 0)
    assert recorded(table) == [("200", True), ("201", True), ("202", True)]


def test_what_is_rejected_time_and_again_stays_with_all_after_it(
    container: Container, table: Table, topic: Topic
) -> None:
    reject(topic, "201")
    batch = container.process(PATH)
    assert entries(topic) == [["200", "201", "202"], *[["201", "202"]] * 2]
    assert [str(firing.price) for firing in batch.published] == ["200"]
    assert batch.failed_message_ids == {"m-0", "m-1", "m-2", "m-3", "m-4"}
    assert batch.publish_failures == 2
    assert recorded(table) == [("200", True)]


def test_what_was_rejected_goes_out_after_the_lease_with_all_after_it(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    reject(topic, "201")
    container.process(PATH)
    reject(topic, times=0)
    topic.requests.clear()
    clock.now += MINUTE
    again = container.process(PATH)
    assert (returning(again), entries(topic)) == (set(), [["201", "202"]])
    assert recorded(table) == [("200", True), ("201", True), ("202", True)]


def test_a_rejection_keeps_outbox_and_messages(
    container: Container, table: Table, topic: Topic
) -> None:
    reject(topic, "200")
    batch = container.process([tick(200)])
    assert (returning(batch), batch.published, batch.publish_failures) == ({"m-0"}, [], 1)
    assert left_behind(container.store.load("AAPL"))
    assert recorded(table) == []


def test_a_firing_that_is_rejected_for_good_does_not_hold_up_those_after_it(
    container: Container, table: Table, topic: Topic
) -> None:
    reject(topic, "201", code="InvalidParameter", for_good=True)
    batch = container.process(PATH)
    assert (returning(batch), left_behind(container.store.load("AAPL"))) == (set(), False)
    assert [str(firing.price) for firing in batch.published] == ["200", "202"]
    assert [(str(firing.price), reason) for firing, reason in batch.undeliverable] == [
        ("201", "InvalidParameter")
    ]
    assert recorded(table) == [("200", True), ("201", False), ("202", True)]
    (undeliverable,) = [item for item in items_of(table, "FIRINGS#AAPL") if not item["sent"]]
    assert undeliverable["undeliverable"] == "InvalidParameter"


def test_after_a_firing_that_is_rejected_for_good_the_symbol_goes_on(
    container: Container, topic: Topic
) -> None:
    reject(topic, "200", code="InvalidParameter", for_good=True)
    container.process([tick(200)])
    batch = container.process([tick(149, 1), tick(201, 2)])
    assert (returning(batch), len(batch.published), len(topic.published)) == (set(), 1, 1)


def test_what_was_rejected_for_good_is_not_tried_again(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    reject(topic, "200", code="InvalidParameter", for_good=True)

    def pass_time(when: str) -> None:
        if when == "after":
            clock.now += 9 * SECOND

    topic.on_publish = pass_time
    assert returning(container.process([tick(200)])) == {"m-0"}
    clock.now += MINUTE
    again = container.process([tick(200)])
    assert (returning(again), len(topic.requests)) == (set(), 1)
    assert recorded(table) == [("200", False)]


@pytest.mark.parametrize("code", ["Throttled", "KMSDisabled", "AuthorizationError"])
def test_what_may_pass_is_not_for_good_though_the_sender_is_to_blame(
    container: Container, table: Table, topic: Topic, code: str
) -> None:
    reject(topic, "200", times=1, code=code, for_good=True)
    batch = container.process([tick(200)])
    assert (batch.undeliverable, recorded(table)) == ([], [("200", True)])


def no_answer(topic: Topic, *, request: int, when: str) -> None:
    """Let a request to SNS end without an answer, before or after it was executed."""

    def fail(now: str) -> None:
        if now == when and len(topic.requests) == request:
            raise ConnectionError("no answer")

    topic.on_publish = fail


def test_what_sns_accepted_counts_though_it_does_not_answer_when_the_rest_is_published_again(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    reject(topic, "201", times=1)
    no_answer(topic, request=1, when="before")
    path = PATH[:3]
    assert returning(container.process(path)) == {"m-0", "m-1", "m-2"}
    clock.now += MINUTE
    topic.on_publish = lambda when: None
    assert returning(container.process(path)) == set()
    assert len(topic.published) == 2
    assert recorded(table) == [("200", True), ("201", True)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_after_publishing_is_tried_again_and_nothing_is_published_twice(
    container: Container, table: Table, topic: Topic, when: str
) -> None:
    fail_calls(table, "BatchWriteItem", when=when)
    batch = container.process(PATH)
    assert (returning(batch), batch.failures) == (set(), [])
    assert recorded(table) == [("200", True), ("201", True), ("202", True)]
    assert len(topic.published) == len(batch.published) == 3
    assert not left_behind(container.store.load("AAPL"))


def test_the_same_holds_where_the_symbol_must_be_read_again_first(
    container: Container, table: Table, topic: Topic
) -> None:
    container.process([tick(100, -1)])
    fail_calls(table, "BatchWriteItem")
    fail_calls(table, "Query")
    batch = container.process(PATH)
    assert (returning(batch), len(topic.published)) == (set(), 3)
    assert len(recorded(table)) == 3


def test_an_error_in_one_of_several_requests_loses_nothing_of_the_others(
    table: Table, topic: Topic, clock: Clock
) -> None:
    container = Container(table, clock, topic, high_price=None)
    add_rules(table, *(rule(f"r-{number}", 105) for number in range(30)))
    container.process([tick(100)])

    def fail_once(when: str) -> None:
        if when == "before" and len(topic.requests) == 1:
            topic.on_publish = lambda when: None
            raise ConnectionError("no answer")

    topic.on_publish = fail_once
    assert returning(container.process([tick(110, 1)])) == {"m-1"}
    assert len(recorded(table)) == len(topic.published) == 20
    clock.now += MINUTE
    assert returning(container.process([tick(110, 1)])) == set()
    assert len(recorded(table)) == len(topic.published) == len(set(topic.published)) == 30


def test_an_error_after_publishing_that_stays_fails(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    fail_calls(table, "BatchWriteItem", times=10**6)
    batch = container.process(PATH)
    assert batch.failed_message_ids == {tick.position.message_id for tick in PATH}
    assert [str(failure.error) for failure in batch.failures] == ["no answer"]
    assert len(topic.published) == len(batch.published) == 3


def test_without_time_an_error_after_publishing_fails(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    def pass_time(when: str) -> None:
        if when == "after":
            clock.now += 9 * SECOND

    topic.on_publish = pass_time
    fail_calls(table, "BatchWriteItem")
    batch = container.process([tick(200)])
    assert (batch.failed_message_ids, batch.unfinished_message_ids) == ({"m-0"}, set())


def test_an_error_before_anything_was_published_fails_at_once(
    container: Container, topic: Topic, clock: Clock
) -> None:
    no_answer(topic, request=0, when="before")
    batch = container.process([tick(200)])
    assert (batch.failed_message_ids, batch.publish_failures, clock.naps) == ({"m-0"}, 1, [])


@pytest.mark.parametrize("operation", ["BatchWriteItem", "UpdateItem"])
def test_an_error_after_everything_is_recorded_publishes_nothing_again(
    container: Container, table: Table, topic: Topic, clock: Clock, operation: str
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100)])
    topic.on_publish = lambda when: (
        fail_calls(table, operation, when="after") if when == "after" else None
    )
    container.process([tick(110, 1)])
    clock.now += MINUTE
    topic.on_publish = lambda when: None
    assert returning(container.process([tick(110, 1)])) == set()
    assert (len(topic.published), recorded(table)) == (1, [("110", True)])
    (stored,) = items_of(table, "SYMBOL#AAPL", "RULE#")
    assert stored["last_firing_id"] == topic.published[0]


def test_a_firing_whose_rule_is_gone_meanwhile_is_published(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    add_rules(table, rule("up", 105, owner="me"))
    container.process([tick(100)])
    no_answer(topic, request=0, when="before")
    container.process([tick(110, 1)])
    topic.on_publish = lambda when: None
    table.delete_item(Key=rule_key("AAPL", "up"))
    clock.now += MINUTE
    assert returning(container.process([tick(110, 1)])) == set()
    (item,) = items_of(table, "FIRINGS#AAPL")
    assert (item["rule"], item["sent"], item["owner"]) == ("up", True, "")


def test_a_firing_of_the_stacks_own_rule_that_was_left_behind_names_its_owner(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    no_answer(topic, request=0, when="before")
    container.process([tick(200)])
    topic.on_publish = lambda when: None
    clock.now += MINUTE
    Container(table, clock, topic, high_price=None).process([tick(149, 1)])
    (item,) = items_of(table, "FIRINGS#AAPL")
    assert (item["sent"], item["owner"]) == (True, "stack")


def test_a_firing_that_the_release_before_recorded_and_did_not_publish_goes_out(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    """It recorded firings first, and marked them once they were published."""
    no_answer(topic, request=0, when="before")
    container.process([tick(200)])
    topic.on_publish = lambda when: None
    state = container.store.load("AAPL")
    assert state.outbox
    (waiting,) = state.outbox.firings
    table.put_item(
        Item={
            "pk": "FIRINGS#AAPL",
            "sk": f"2026-11-22T15:04:05.250000Z#{waiting.firing_id}",
            "firing_id": waiting.firing_id,
            "price": 200,
            "sent": False,
        }
    )
    clock.now += MINUTE
    assert returning(container.process([tick(200)])) == set()
    assert (topic.published, recorded(table)) == ([waiting.firing_id], [("200", True)])


# --- people ------------------------------------------------------------------------------


def test_a_firing_is_recorded_once_people_s_topic_has_accepted_it_too(
    table: Table, clock: Clock
) -> None:
    topics = TwoTopics()
    reject(topics.people, "200")
    container = Container(table, clock, topics, people_topic_arn="arn:people")
    batch = container.process(ticks(200))
    assert (returning(batch), recorded(table)) == ({"m-0"}, [])
    reject(topics.people, times=0)
    clock.now += MINUTE
    batch = container.process(ticks(200), repeated=["m-0"])
    assert (returning(batch), recorded(table)) == (set(), [("200", True)])
    (firing_id,) = topics.people.published
    assert set(topics.programs.published) == {firing_id}  # they got it twice, and can tell


def test_a_firing_that_people_s_topic_rejects_for_good_is_recorded_as_undeliverable(
    table: Table, clock: Clock
) -> None:
    topics = TwoTopics()
    reject(topics.people, "200", code="InvalidParameter", for_good=True)
    batch = Container(table, clock, topics, people_topic_arn="arn:people").process(ticks(200))
    assert (returning(batch), recorded(table)) == (set(), [("200", False)])
    assert len(topics.programs.published) == 1
