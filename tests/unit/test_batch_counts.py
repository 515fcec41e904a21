"""What a batch counts, for the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.doubles import SECOND, Clock, Container, Topic, before_updates, tick, ticks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def test_a_tick_behind_a_later_one_is_late(container: Container) -> None:
    container.process([tick(100, 5)])
    container.process([tick(100, second) for second in range(6, 23)])
    batch = container.process([tick(101, 4), tick(102, 30)])
    assert batch.late_ticks == 1


def test_ticks_in_order_are_not_late(container: Container) -> None:
    assert container.process(ticks(100, 200, 100)).late_ticks == 0


def test_a_message_that_is_twice_in_a_batch_is_not_late(container: Container) -> None:
    assert container.process([tick(100), tick(100)]).late_ticks == 0


def test_a_message_that_comes_again_is_not_late(table: Table, clock: Clock, topic: Topic) -> None:
    container = Container(table, clock, topic, kept_ticks=0)
    container.process([tick(100), tick(100, 1)])
    assert container.process([tick(100)], repeated={"m-0"}).late_ticks == 0
    assert container.process([tick(100)]).late_ticks == 1


def test_a_message_that_is_known_to_be_applied_is_not_late(container: Container) -> None:
    container.process([tick(100), tick(100, 1)])
    assert container.process([tick(100)]).late_ticks == 0


def test_what_another_invocation_moves_past_meanwhile_is_late(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=0)
    container.process([tick(100)])
    Container(table, clock, topic, kept_ticks=0).process([tick(102, 2)])
    assert container.process([tick(101, 1)]).late_ticks == 1


def test_a_tick_that_is_put_in_its_place_is_not_late(container: Container) -> None:
    container.process([tick(100), tick(102, 2)])
    assert container.process([tick(101, 1)]).late_ticks == 0


def test_the_lag_counts_from_the_price_to_its_publishing(
    container: Container, clock: Clock
) -> None:
    clock.now += 60 * SECOND
    batch = container.process(ticks(200, 100, 201))
    assert batch.lags_microseconds == [60 * SECOND, 58 * SECOND]


def test_what_sns_rejects_is_counted(container: Container, topic: Topic) -> None:
    topic.refused = lambda _firing_id: True
    assert container.process([tick(200)]).publish_failures == 1


def test_what_sns_does_not_answer_is_counted(container: Container, topic: Topic) -> None:
    def fail(_when: str) -> None:
        raise ConnectionError("no answer")

    topic.on_publish = fail
    batch = container.process([tick(200)])
    assert (batch.publish_failures, batch.lags_microseconds, len(batch.failures)) == (1, [], 1)


def test_what_sns_rejects_for_good_is_no_failure_of_publishing(
    container: Container, topic: Topic
) -> None:
    topic.refused = lambda _firing_id: True
    topic.code, topic.is_sender_fault = "InvalidParameter", True
    batch = container.process([tick(200)])
    assert (batch.publish_failures, len(batch.undeliverable), batch.published) == (0, 1, [])


def test_what_other_symbols_count_adds_up(container: Container, topic: Topic) -> None:
    topic.refused = lambda _firing_id: True
    topic.code, topic.is_sender_fault = "InvalidParameter", True
    batch = container.process([tick(200), tick(200, symbol="MSFT")])
    assert [firing.symbol for firing, _ in batch.undeliverable] == ["AAPL", "MSFT"]


def test_conflicts_before_a_wait_count_too(
    container: Container, table: Table, clock: Clock, topic: Topic
) -> None:
    container.process([tick(100)])
    another = Container(table, clock, topic)

    def leave_behind(_: object) -> None:
        topic.on_publish = lambda when: (_ for _ in ()).throw(ConnectionError("no answer"))
        another.process([tick(200, 1)])

    before_updates(table, leave_behind)
    batch = container.process([tick(201, 2)])
    assert batch.conflicts == 1 + len(clock.naps) + 1
