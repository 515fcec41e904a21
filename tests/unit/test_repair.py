"""What an invocation leaves behind is finished later, by whoever comes, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.domain import engine
from price_alerts.domain.conditions import Condition
from tests.unit.doubles import (
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    items_of,
    returning,
    rule,
    tick,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MINUTE = 60 * SECOND


def left(table: Table) -> set[str]:
    """What is still to be done, by the names of its attributes."""
    states = items_of(table, "SYMBOL#", "STATE")
    return {name for state in states for name in state} & {"outbox", "step", "lease_owner"}


@pytest.fixture
def broken(topic: Topic) -> Topic:
    """A topic that takes nothing until it is mended."""

    def fail(when: str) -> None:
        if when == "before":
            raise ConnectionError("no answer")

    topic.on_publish = fail
    return topic


def mend(topic: Topic) -> None:
    topic.on_publish = lambda when: None


def test_while_sns_is_down_firings_wait_and_then_go_out_in_order(
    container: Container, table: Table, broken: Topic, clock: Clock
) -> None:
    add_rules(table, rule("up", 105), rule("down", 95, condition=Condition.CROSSES_DOWN))
    path = [tick(100), tick(110, 1), tick(90, 2), tick(106, 3)]
    for _ in range(6):  # a minute of redeliveries
        for place in range(len(path)):
            again = returning(container.process([path[place]]))
            assert place == 0 or again
        clock.now += 10 * SECOND
    assert broken.published == []
    mend(broken)
    clock.now += MINUTE
    for one in path:
        assert returning(container.process([one])) == set()
    firings = sorted(items_of(table, "FIRINGS#"), key=lambda item: item["timestamp"])
    assert [item["rule"] for item in firings] == ["up", "down", "up"]
    assert broken.published == [item["firing_id"] for item in firings]
    assert all(item["sent"] for item in firings)
    assert left(table) == set()


def test_a_repair_delivers_what_was_left_behind_without_a_price(
    container: Container, table: Table, broken: Topic, clock: Clock
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(110, 1)])
    assert left(table) == {"outbox", "lease_owner"}
    mend(broken)
    clock.now += MINUTE
    batch = Container(table, clock, broken).process([], symbols=["AAPL"])
    assert (batch.unfinished_symbols, len(batch.published)) == (set(), 1)
    assert left(table) == set()


def test_a_repair_finishes_a_tick_that_is_half_done(
    container: Container, table: Table, topic: Topic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    add_rules(table, *(rule(f"up-{number}", 105) for number in range(3)))
    container.process([tick(100)])

    def run_out_of_time(when: str) -> None:
        clock.now += 5 * SECOND

    topic.on_publish = run_out_of_time
    batch = container.process([tick(110, 1)])
    assert (batch.unfinished_message_ids, batch.failures) == ({"m-1"}, [])
    assert "step" in left(table)
    mend(topic)
    clock.now += MINUTE
    assert container.process([], symbols=["AAPL"]).unfinished_symbols == set()
    assert len(topic.published) == 3
    assert left(table) == set()


def test_a_repair_of_what_fails_again_says_so(container: Container, broken: Topic) -> None:
    container.process([tick(200)])
    assert container.process([], symbols=["AAPL", "IBM"]).unfinished_symbols == {"AAPL"}


def test_a_repair_does_not_take_a_delivery_from_an_invocation_that_may_be_at_it(
    container: Container, table: Table, broken: Topic
) -> None:
    container.process([tick(200)])
    mend(broken)
    assert container.process([], symbols=["AAPL"]).unfinished_symbols == {"AAPL"}
    assert broken.published == []


def test_a_repair_and_a_price_of_the_same_symbol_go_together(
    container: Container, table: Table, broken: Topic, clock: Clock
) -> None:
    container.process([tick(200)])
    mend(broken)
    clock.now += MINUTE
    batch = container.process([tick(149, 1), tick(201, 2)], symbols=["AAPL"])
    assert (batch.unfinished_symbols, len(broken.published)) == (set(), 2)


def test_a_repair_of_what_is_well_does_nothing(
    container: Container, table: Table, calls: list[str]
) -> None:
    container.process([tick(100)])
    calls.clear()
    assert container.process([], symbols=["AAPL"]).unfinished_symbols == set()
    assert calls == ["Query"]


def test_the_handler_repairs_and_says_what_is_left(
    index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []

    def process(ticks: Any, batch: Any, symbols: list[str]) -> None:
        given.append(symbols)
        batch.unfinished_symbols.add("MSFT")

    monkeypatch.setattr(index._processor, "process", process)
    assert index.handler({"repair": ["AAPL", "MSFT"]}, None) == {"unfinished": ["MSFT"]}
    assert given == [["AAPL", "MSFT"]]


def test_while_the_topic_is_gone_firings_wait(
    index: Any, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = index._now_microseconds()
    message = {"messageId": "m-1", "body": '{"symbol": "AAPL", "price": 200}'}
    failed = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert index.handler({"Records": [message]}, None) == failed
    assert left(table) == {"outbox", "lease_owner"}
    index.sns.create_topic(Name="tap-test-alerts")
    monkeypatch.setattr(index._processor, "clock", lambda: now + MINUTE)
    monkeypatch.setattr(index, "_now_microseconds", lambda: now + MINUTE)
    assert index.handler({"repair": ["AAPL"]}, None) == {"unfinished": []}
    (firing,) = items_of(table, "FIRINGS#")
    assert (firing["sent"], left(table)) == (True, set())
