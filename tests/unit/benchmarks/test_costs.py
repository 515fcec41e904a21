"""What a batch costs in calls to AWS: nothing for rules that it does not concern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from benchmarks.capacity import Units
from benchmarks.meter import Meter
from lib.client.rule_actions import RuleActions
from price_alerts.adapters.items import rule_item, watch_items
from price_alerts.adapters.store import Store
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.ticks import Tick
from tests.unit.doubles import Clock, Container, Topic, items_of, rule, tick
from tests.unit.quick_dynamodb import database_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def fill(table: Table, rules: list[Rule]) -> None:
    """Put rules of a symbol into the table, past its clients, and change the symbol's state."""
    state = Store(table).load(rules[0].symbol)
    write: Callable[[Any], Any] = TypeSerializer().serialize
    items = [item for added in rules for item in [rule_item(added), *watch_items(added)]]
    database_of(table).put({name: write(item[name]) for name in item} for item in items)
    change: Any = RuleActions(table.name).telling_state(state, "added", rules[:1])["Update"]
    table.meta.client.update_item(**change)


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container without a rule of the stack's own."""
    return Container(table, clock, topic, high_price=None)


@pytest.fixture
def read(table: Table) -> list[int]:
    """How many items each reading call answers with, from now on."""
    counts: list[int] = []
    events = table.meta.client.meta.events
    events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: counts.append(len(parsed["Items"]))
    )
    events.register(
        "after-call.dynamodb.BatchGetItem",
        lambda parsed, **_: counts.append(len(parsed["Responses"][table.name])),
    )
    return counts


def quiet_ticks() -> list[Tick]:
    """Build a thousand ticks that go to and fro between 100 and 110."""
    return [tick(f"{100 + second % 10}.5", second) for second in range(1, 1_001)]


def cross(container: Container, read: list[int], start: int, crossed: int, second: int) -> None:
    """Go up over some levels, one a unit, and see how many items are read for it."""
    container.process([tick(f"{start}.5", second)])
    read.clear()
    batch = container.process([tick(f"{start + crossed}.5", second + 1)])
    assert len(batch.published) == crossed
    # A watch and a rule for each, and the watches that are around.
    assert 2 * crossed < sum(read) <= 2 * crossed + 150


@pytest.mark.parametrize("count", [1, 200])
def test_a_thousand_quiet_ticks_are_one_write_and_nothing_else(
    table: Table, container: Container, calls: list[str], count: int
) -> None:
    levels = [(100 - number % 2_000 / 100, 110 + number)[number % 2] for number in range(count)]
    fill(table, [rule(f"r-{number}", str(level)) for number, level in enumerate(levels)])
    container.process([tick("105.5", 0)])
    calls.clear()
    container.process(quiet_ticks())
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize("crossed", [1, 20, 80])
def test_a_crossing_reads_as_many_items_as_it_crosses_levels(
    table: Table, container: Container, read: list[int], crossed: int
) -> None:
    fill(table, [rule(f"r-{number}", 1_000 + number) for number in range(200)])
    cross(container, read, 1_050, crossed, 0)


@pytest.mark.deep
@pytest.mark.no_cover  # tracing what moto does with 200,000 items would take minutes
def test_all_that_is_the_same_with_a_hundred_thousand_rules(
    table: Table, container: Container, calls: list[str], read: list[int]
) -> None:
    levels = [*range(1, 101), *range(110, 100_010)]
    fill(table, [rule(f"r-{level}", level) for level in levels])
    container.process([tick("105.5", 0)])
    calls.clear()
    container.process(quiet_ticks())
    assert calls == ["UpdateItem"]
    for number, crossed in enumerate((1, 20, 80)):
        cross(container, read, 109, crossed, 2_000 + 2 * number)


def test_nothing_is_read_of_the_rules_of_other_symbols(
    table: Table, container: Container, read: list[int]
) -> None:
    fill(table, [rule(f"r-{number}", 100, symbol="MSFT") for number in range(100)])
    read.clear()
    container.process([tick(99, 0), tick(101, 1)])
    assert sum(read) == 0


def test_a_cold_container_reads_a_symbol_and_writes_it(
    table: Table, container: Container, clock: Clock, topic: Topic, calls: list[str]
) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, 0)])
    calls.clear()
    Container(table, clock, topic, high_price=None).process([tick("99.5", 1)])
    assert calls == ["Query", "UpdateItem"]


@pytest.fixture
def all_calls(calls: list[str], topic: Topic) -> list[str]:
    """The names of the operations called on table and topic from now on."""
    topic.on_publish = lambda when: calls.append("PublishBatch") if when == "before" else None
    return calls


FINDING = ["Query", "BatchGetItem"]
DELIVERING = ["PublishBatch", "BatchWriteItem", "UpdateItem", "UpdateItem"]


def test_a_firing_of_a_stored_rule_costs_seven_calls(
    table: Table, container: Container, all_calls: list[str]
) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, 0)])
    all_calls.clear()
    container.process([tick(101, 1)])
    assert all_calls == [*FINDING, "UpdateItem", *DELIVERING]


@pytest.mark.parametrize("trigger", Trigger)
def test_a_firing_takes_at_most_six_write_units(
    table: Table, container: Container, trigger: Trigger
) -> None:
    """The state twice, the firing with its index, and the rule."""
    fill(table, [rule("r-1", 100, trigger=trigger)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        assert len(container.process([tick(101, 1)]).published) == 1
    assert meter.units.write <= 6


@pytest.mark.parametrize("firings", [10, 100, pytest.param(400, marks=pytest.mark.deep)])
def test_a_firing_among_many_takes_at_most_six_write_units(
    table: Table, container: Container, firings: int
) -> None:
    """Its share of the state twice, itself with its index, its rule, and its watch later on."""
    fill(table, [rule(f"r-{n}", 100, trigger=Trigger.ONCE) for n in range(firings)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        assert len(container.process([tick(101, 1)]).published) == firings
    assert meter.units.write + firings <= 6 * firings


def test_firings_of_a_symbol_and_a_day_are_spread_over_partitions(
    table: Table, container: Container
) -> None:
    fill(table, [rule(f"r-{n}", 100) for n in range(120)])
    container.process([tick(99, 0), tick(101, 1)])
    recorded = items_of(table, "FIRINGS#AAPL")
    assert len(recorded) == 120
    for attribute in ("pk", "day"):
        partitions = Counter(item[attribute] for item in recorded)
        assert (len(partitions), max(partitions.values()) < 120 / 4) == (8, True)


def test_at_once_a_symbol_can_have_2_500_firings_a_second(
    table: Table, container: Container
) -> None:
    """DynamoDB takes 1,000 write units a second for each partition key."""
    fill(table, [rule(f"r-{n}", 100) for n in range(120)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        assert len(container.process([tick(101, 1)]).published) == 120
    assert max(meter.written.values()) / 120 <= 1_000 / 2_500


def test_ten_firings_at_once_are_published_and_recorded_in_one_request_each(
    table: Table, container: Container, all_calls: list[str]
) -> None:
    fill(table, [rule(f"r-{number}", 100) for number in range(10)])
    container.process([tick(99, 0)])
    all_calls.clear()
    container.process([tick(101, 1)])
    assert (all_calls.count("PublishBatch"), all_calls.count("BatchWriteItem")) == (1, 1)


def test_a_quiet_batch_of_a_symbol_takes_one_write_unit(table: Table, container: Container) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        container.process([tick("99.5", 1), tick("99.25", 2)])
    assert (meter.calls, meter.units) == ({"UpdateItem": 1}, Units(write=1))


def test_a_late_tick_that_changes_nothing_is_read_for_and_written_once(
    table: Table, container: Container, calls: list[str]
) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, second) for second in range(0, 60, 2)])
    calls.clear()
    container.process([tick("98.5", 51)])
    assert calls == ["Query", "UpdateItem"]
