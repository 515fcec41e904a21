"""Symbols at once: several wait for DynamoDB at the same time, and none touches another."""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from price_alerts.adapters.store import Store
from tests.unit.doubles import Clock, Container, Topic, add_rules, items_of, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

SYMBOLS = ["AAPL", "GOOG", "IBM", "MSFT"]
PATIENCE_SECONDS = 10


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Iterator[Container]:
    """A container that works on as many symbols at once."""
    with ThreadPoolExecutor(len(SYMBOLS)) as threads:
        yield Container(table, clock, topic, each=threads.map)


def on_write(table: Table, do: Callable[[str], object]) -> None:
    """Do something before each update, with the key of its symbol."""

    def before(params: Any, **_: Any) -> None:
        do(params["Key"]["pk"])

    table.meta.client.meta.events.register_first(
        "before-parameter-build.dynamodb.UpdateItem", before
    )


def test_symbols_of_a_batch_are_written_at_the_same_time(
    container: Container, table: Table
) -> None:
    all_are_here = threading.Barrier(len(SYMBOLS), timeout=PATIENCE_SECONDS)
    on_write(table, lambda _: all_are_here.wait())
    batch = container.process([tick(100, symbol=symbol) for symbol in SYMBOLS])
    assert batch.failures == []


def test_a_single_symbol_needs_no_thread(container: Container, table: Table) -> None:
    threads: list[threading.Thread] = []
    on_write(table, lambda _: threads.append(threading.current_thread()))
    container.process([tick(100)])
    assert threads == [threading.main_thread()]


def test_the_rules_of_an_outbox_are_written_at_the_same_time(
    table: Table, clock: Clock, topic: Topic
) -> None:
    with ThreadPoolExecutor(len(SYMBOLS)) as threads:
        container = Container(table, clock, topic, high_price=None)
        container.processor.store = Store(table, each=threads.map)
        add_rules(table, *(rule(f"r-{number}", 105) for number in range(len(SYMBOLS))))
        container.process([tick(100)])
        all_are_here = threading.Barrier(len(SYMBOLS), timeout=PATIENCE_SECONDS)

        def meet(params: Any, **_: Any) -> None:
            if "RULE#" in params["Key"]["sk"]:
                all_are_here.wait()

        table.meta.client.meta.events.register_first(
            "before-parameter-build.dynamodb.UpdateItem", meet
        )
        batch = container.process([tick(110, 1)])
    assert (batch.failures, len(batch.published)) == ([], len(SYMBOLS))


def test_the_firings_of_a_tick_are_published_at_the_same_time(
    table: Table, clock: Clock, topic: Topic
) -> None:
    with ThreadPoolExecutor(len(SYMBOLS)) as threads:
        container = Container(table, clock, topic, high_price=None, each_call=threads.map)
        add_rules(table, *(rule(f"r-{number}", 105) for number in range(20)))
        container.process([tick(100)])
        both_are_here = threading.Barrier(2, timeout=PATIENCE_SECONDS)
        topic.on_publish = lambda when: both_are_here.wait() if when == "before" else None
        batch = container.process([tick(110, 1)])
    assert (batch.failures, len(batch.published)) == ([], 20)


def test_what_comes_of_every_symbol_is_in_the_batch(
    container: Container, table: Table, topic: Topic
) -> None:
    def fail_for_ibm(key: str) -> None:
        if key == "SYMBOL#IBM":
            raise ConnectionError("no answer")

    on_write(table, fail_for_ibm)
    prices = [tick(200, symbol=symbol, message_id=symbol) for symbol in SYMBOLS]
    batch = container.process(prices)
    assert [firing.symbol for firing in batch.published] == ["AAPL", "GOOG", "MSFT"]
    assert (batch.unfinished_symbols, batch.unfinished_message_ids) == ({"IBM"}, set())
    assert [failure.message_ids for failure in batch.failures] == [("IBM",)]
    assert len(batch.lags_microseconds) == 3


def test_conflicts_and_late_ticks_of_all_symbols_add_up(
    container: Container, table: Table, clock: Clock, topic: Topic
) -> None:
    container.process([tick(100, symbol=symbol) for symbol in SYMBOLS])
    elsewhere = Container(table, clock, topic, kept_ticks=0)
    elsewhere.process([tick(110, 60, symbol) for symbol in SYMBOLS])
    batch = container.process([tick(105, 30, symbol) for symbol in SYMBOLS])
    assert (batch.conflicts, batch.late_ticks) == (len(SYMBOLS), len(SYMBOLS))


def test_the_handler_moves_many_symbols_and_loses_none(index: ModuleType, table: Table) -> None:
    boto3.client("sns").create_topic(Name="tap-test-alerts")
    names = [f"S{number}" for number in range(60)]
    records = [
        {"messageId": name, "body": f'{{"symbol": "{name}", "price": 200}}'} for name in names
    ]
    context = SimpleNamespace(
        aws_request_id="request-1", get_remaining_time_in_millis=lambda: 300_000
    )
    assert index.handler({"Records": records}, context) == {"batchItemFailures": []}
    states = [item["pk"] for item in items_of(table, "SYMBOL#", "STATE")]
    assert sorted(states) == sorted(f"SYMBOL#{name}" for name in names)
    assert len(items_of(table, "FIRINGS#")) == len(names)


@pytest.mark.usefixtures("table", "_fresh_handler")
def test_no_garbage_is_looked_for_while_the_handler_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_for: list[bool] = []
    make = boto3.client

    def make_client(*arguments: Any, **options: Any) -> Any:
        looked_for.append(gc.isenabled())
        return make(*arguments, **options)

    monkeypatch.setattr(boto3, "client", make_client)
    importlib.import_module("index")
    assert (looked_for, gc.isenabled()) == ([False], True)


@pytest.mark.usefixtures("table", "_fresh_handler")
def test_no_garbage_is_looked_for_among_what_the_handler_has_loaded() -> None:
    gc.unfreeze()
    index = importlib.import_module("index")
    assert gc.get_freeze_count() > 0
    assert all(each is not vars(index) for each in gc.get_objects())
