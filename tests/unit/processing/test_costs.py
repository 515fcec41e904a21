"""What a batch costs in calls, items and units: nothing for rules that it does not concern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
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
from tests.unit.doubles import Clock, Container, Topic, items_of, recorded, rule, tick
from tests.unit.quick_dynamodb import database_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def fill(table: Table, rules: Sequence[Rule]) -> None:
    """Put rules of a symbol into the table, past its clients, and change the symbol's state."""
    state = Store(table).load(rules[0].symbol)
    write: Callable[[Any], Any] = TypeSerializer().serialize
    items = [item for added in rules for item in [rule_item(added), *watch_items(added)]]
    database_of(table).put({name: write(item[name]) for name in item} for item in items)
    change: Any = RuleActions(table.name).changing_state(state, "added", rules[:1])["Update"]
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


@pytest.fixture
def all_calls(calls: list[str], topic: Topic) -> list[str]:
    """The names of the operations called on table and topic from now on."""
    topic.on_publish = lambda when: calls.append("PublishBatch") if when == "before" else None
    return calls


def path(start: int, count: int) -> list[Tick]:
    """Build ticks, from a second on, that go to and fro between 100 and 110."""
    return [tick(f"{100 + second % 10}.5", second) for second in range(start, start + count)]


READ, FIRE = ["Query"], ["Query", "BatchGetItem", "UpdateItem", "PublishBatch", "BatchWriteItem"]
UPDATE = ["UpdateItem"]


@pytest.mark.parametrize(
    ("ticks", "cost"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(path(100, 1_000), UPDATE, id="a thousand quiet ticks"),
        pytest.param(path(100, 2_001), UPDATE * 3, id="two thousand and one"),
        pytest.param([tick(200, 99)], [*FIRE, "UpdateItem", "UpdateItem"], id="a firing"),
        pytest.param([tick("104.5", 51)], READ + UPDATE, id="a late tick"),
        pytest.param([tick("104.5", 51), *path(100, 9)], READ + UPDATE * 2, id="late and quiet"),
        pytest.param(path(50, 1), [], id="a redelivery"),
        pytest.param([tick(1, 0, "MSFT")], READ * 10 + UPDATE, id="a new symbol"),
    ],
)
@pytest.mark.parametrize("rules", [1, 200])
def test_a_batch_of_a_warm_symbol_costs_these_calls(
    container: Container, all_calls: list[str], rules: int, ticks: list[Tick], cost: list[str]
) -> None:
    # Half of them are below the prices, half of them above; one is crossed by a firing.
    levels = [200, *((100 - n / 200, 200 + n)[n % 2] for n in range(1, rules))]
    fill(container.table, [rule(f"r-{n}", str(level)) for n, level in enumerate(levels)])
    container.process(path(0, 60)[::2])
    all_calls.clear()
    container.process(ticks)
    assert all_calls == cost


def test_a_cold_container_reads_a_symbol_once(container: Container, calls: list[str]) -> None:
    fill(container.table, [rule("r-1", 200)])
    container.process(path(0, 2))
    calls.clear()
    Container(container.table, container.clock, container.topic).process(path(2, 2))
    assert calls == READ + UPDATE


def cross(container: Container, read: list[int], start: int, crossed: int, second: int) -> None:
    """Go up over some levels, one a unit, and see how many items are read for it."""
    container.process([tick(f"{start}.5", second)])
    read.clear()
    batch = container.process([tick(f"{start + crossed}.5", second + 1)])
    assert len(batch.published) == crossed
    # A watch and a rule for each, and the watches that are around.
    assert 2 * crossed < sum(read) <= 2 * crossed + 150


def test_a_crossing_reads_as_many_items_as_it_crosses_levels(
    container: Container, read: list[int]
) -> None:
    fill(container.table, [rule(f"r-{level}", level) for level in range(1_000, 1_200)])
    fill(container.table, [rule(f"m-{n}", 100, symbol="MSFT") for n in range(200)])
    for number, crossed in enumerate((1, 20, 80)):
        cross(container, read, 1_050, crossed, 2 * number)


@pytest.mark.deep
@pytest.mark.no_cover
def test_all_that_is_the_same_with_a_hundred_thousand_rules(
    container: Container, calls: list[str], read: list[int]
) -> None:
    levels = [*range(1, 101), *range(110, 100_010)]
    fill(container.table, [rule(f"r-{level}", level) for level in levels])
    container.process(path(0, 1))
    calls.clear()
    container.process(path(1, 1_000))
    assert calls == UPDATE
    for number, crossed in enumerate((1, 20, 80)):
        cross(container, read, 109, crossed, 2_000 + 2 * number)


# --- units -----------------------------------------------------------------------------------


def metered(container: Container, *ticks: Tick) -> Meter:
    """Process ticks; returns what DynamoDB charges for."""
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(container.table.meta.client):
        container.process(ticks)
    return meter


def test_a_quiet_batch_of_a_symbol_takes_one_write_unit(container: Container) -> None:
    fill(container.table, [rule("r-1", 100)])
    container.process([tick(99, 0)])
    meter = metered(container, tick("99.5", 1), tick("99.25", 2))
    assert (meter.calls, meter.units) == ({"UpdateItem": 1}, Units(write=1))


@pytest.mark.parametrize(
    ("firings", "trigger"),
    [
        *((1, trigger) for trigger in Trigger),
        (10, Trigger.ONCE),
        pytest.param(400, Trigger.ONCE, marks=pytest.mark.deep),
    ],
)
def test_a_firing_takes_at_most_six_write_units(
    container: Container, firings: int, trigger: Trigger
) -> None:
    """Its share of the state twice, itself with its index, its rule, and its watch later on."""
    fill(container.table, [rule(f"r-{n}", 100, trigger=trigger) for n in range(firings)])
    container.process([tick(99, 0)])
    meter = metered(container, tick(101, 1))
    assert len(recorded(container.table)) == firings
    later = firings if firings > 1 else 0
    assert meter.units.write + later <= 6 * firings


def test_firings_of_a_symbol_and_a_day_are_spread_over_partitions(container: Container) -> None:
    """DynamoDB takes 1,000 write units a second for each: 2,500 firings a second have room."""
    fill(container.table, [rule(f"r-{n}", 100) for n in range(120)])
    container.process([tick(99, 0)])
    meter = metered(container, tick(101, 1))
    firings = items_of(container.table, "FIRINGS#AAPL")
    assert len(firings) == 120
    for attribute in ("pk", "day"):
        partitions = Counter(item[attribute] for item in firings)
        assert (len(partitions), max(partitions.values()) < 120 / 4) == (8, True)
    assert max(meter.written.values()) / 120 <= 1_000 / 2_500
    assert meter.calls["BatchWriteItem"] == 12  # ten at a time, as they are published
