"""Symbols at once: several wait for AWS at the same time, and none touches another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.store import Store
from tests.unit.doubles import Clock, Container, Topic, add_rules, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

SYMBOLS = ["AAPL", "GOOG", "IBM", "MSFT"]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(len(SYMBOLS)) as threads:
        yield threads


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic, threads: ThreadPoolExecutor) -> Container:
    """A container that works on as many symbols at once."""
    return Container(table, clock, topic, each=threads.map)


def on_write(table: Table, do: Callable[[dict[str, str]], object]) -> None:
    """Do something before each update, with the key of its item."""

    def before(params: Any, **_: Any) -> None:
        do(params["Key"])

    table.meta.client.meta.events.register_first(
        "before-parameter-build.dynamodb.UpdateItem", before
    )


def meeting(parties: int) -> threading.Barrier:
    return threading.Barrier(parties, timeout=10)


def test_symbols_of_a_batch_are_written_at_the_same_time(container: Container) -> None:
    all_are_here = meeting(len(SYMBOLS))
    on_write(container.table, lambda _: all_are_here.wait())
    batch = container.process([tick(100, symbol=symbol) for symbol in SYMBOLS])
    assert batch.failures == []


def test_a_single_symbol_needs_no_thread(container: Container) -> None:
    threads: list[threading.Thread] = []
    on_write(container.table, lambda _: threads.append(threading.current_thread()))
    container.process([tick(100)])
    assert threads == [threading.main_thread()]


def test_rules_are_changed_and_firings_published_at_the_same_time(
    table: Table, clock: Clock, topic: Topic, threads: ThreadPoolExecutor
) -> None:
    container = Container(table, clock, topic, high_price=None, each_call=threads.map)
    container.processor.store = Store(table, each=threads.map)
    add_rules(table, *(rule(f"r-{number}", 105) for number in range(20)))
    container.process([tick(100)])
    both_publish, all_write = meeting(2), meeting(len(SYMBOLS))
    topic.on_publish = lambda when: both_publish.wait() if when == "before" else None
    on_write(table, lambda key: all_write.wait() if key["sk"].startswith("RULE#") else None)
    batch = container.process([tick(110, 1)])
    assert (batch.failures, len(batch.published)) == ([], 20)


def test_what_comes_of_every_symbol_is_in_the_batch(container: Container) -> None:
    def fail_for_ibm(key: dict[str, Any]) -> None:
        if key["pk"] == "SYMBOL#IBM":
            raise ConnectionError("no answer")

    container.process([tick(100, symbol=symbol) for symbol in SYMBOLS])
    elsewhere = Container(container.table, container.clock, container.topic, kept_ticks=0)
    elsewhere.process([tick(110, 60, symbol) for symbol in SYMBOLS])
    late = [tick(105, 30, symbol) for symbol in SYMBOLS]
    on_write(container.table, fail_for_ibm)
    batch = container.process([*late, *(tick(200, 61, symbol, symbol) for symbol in SYMBOLS)])
    assert [firing.symbol for firing in batch.published] == ["AAPL", "GOOG", "MSFT"]
    assert (batch.unfinished_symbols, batch.unfinished_message_ids) == ({"IBM"}, set())
    assert [failure.message_ids for failure in batch.failures] == [("m-30", "IBM")]
    assert (batch.conflicts, batch.late_ticks, len(batch.lags_microseconds)) == (3, 3, 3)
