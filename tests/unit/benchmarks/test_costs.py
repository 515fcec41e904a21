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
from tests.unit.doubles import Clock, Container, Topic, items_of, rule, tick
from tests.unit.quick_dynamodb import database_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

# A thousand ticks that go to and fro between 100 and 110.
QUIET = [tick(f"{100 + second % 10}.5", second) for second in range(1, 1_001)]


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
def all_calls(calls: list[str], topic: Topic) -> list[str]:
    """The names of the operations called on table and topic from now on."""
    topic.on_publish = lambda when: calls.append("PublishBatch") if when == "before" else None
    return calls


@pytest.fixture
def read(table: Table) -> list[int]:
    """How many items each reading call answers with, from now on."""
    counts: list[int] = []

    def note(parsed: Any, **_: object) -> None:
        counts.append(
            len(parsed["Items"] if "Items" in parsed else parsed["Responses"][table.name])
        )

    for operation in ("Query", "BatchGetItem"):
        table.meta.client.meta.events.register(f"after-call.dynamodb.{operation}", note)
    return counts


def cross(container: Container, read: list[int], start: int, crossed: int, second: int) -> None:
    """Go up over some levels, one a unit, and see how many items are read for it."""
    container.process([tick(f"{start}.5", second)])
    read.clear()
    batch = container.process([tick(f"{start + crossed}.5", second + 1)])
    assert len(batch.published) == crossed
    # A watch and a rule for each, and the watches that are around.
    assert 2 * crossed < sum(read) <= 2 * crossed + 150


@pytest.mark.parametrize(
    "above",
    [
        200,
        # Tracing what 200,000 items do would take minutes.
        pytest.param(100_000, marks=[pytest.mark.deep, pytest.mark.no_cover]),
    ],
)
def test_a_batch_costs_by_the_levels_that_it_crosses_and_not_by_the_rules_that_there_are(
    table: Table, container: Container, calls: list[str], read: list[int], above: int
) -> None:
    levels = [*range(1, 101), *range(110, 110 + above)]
    fill(table, [rule(f"r-{level}", level) for level in levels])
    fill(table, [rule(f"r-{level}", level, symbol="MSFT") for level in range(1, 200)])
    container.process([tick("105.5", 0)])
    calls.clear()
    container.process(QUIET)
    assert calls == ["UpdateItem"]
    for number, crossed in enumerate((1, 20, 80)):
        cross(container, read, 109, crossed, 2_000 + 2 * number)


def test_a_cold_container_reads_a_symbol_and_writes_it(
    table: Table, container: Container, clock: Clock, topic: Topic, calls: list[str]
) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, 0)])
    calls.clear()
    Container(table, clock, topic, high_price=None).process([tick("99.5", 1)])
    assert calls == ["Query", "UpdateItem"]


def test_a_late_tick_that_changes_nothing_is_read_for_and_written_once(
    table: Table, container: Container, calls: list[str]
) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, second) for second in range(0, 60, 2)])
    calls.clear()
    container.process([tick("98.5", 51)])
    assert calls == ["Query", "UpdateItem"]


@pytest.mark.parametrize("firings", [1, 10])
def test_up_to_ten_firings_at_once_share_all_calls_but_those_that_change_their_rules(
    table: Table, container: Container, all_calls: list[str], firings: int
) -> None:
    fill(table, [rule(f"r-{number}", 100) for number in range(firings)])
    container.process([tick(99, 0)])
    all_calls.clear()
    container.process([tick(101, 1)])
    finding, delivering = ["Query", "BatchGetItem"], ["PublishBatch", "BatchWriteItem"]
    # The rules are changed one by one, and then the state.
    changing = ["UpdateItem"] * (firings + 1)
    assert all_calls == [*finding, "UpdateItem", *delivering, *changing]


@pytest.mark.parametrize(
    ("firings", "trigger"),
    [
        *((1, trigger) for trigger in Trigger),
        (100, Trigger.ONCE),
        pytest.param(400, Trigger.ONCE, marks=pytest.mark.deep),
    ],
)
def test_a_firing_takes_at_most_six_write_units(
    table: Table, container: Container, firings: int, trigger: Trigger
) -> None:
    """Its share of the state twice, itself with its index, its rule, and its watch later on."""
    fill(table, [rule(f"r-{n}", 100, trigger=trigger) for n in range(firings)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        assert len(container.process([tick(101, 1)]).published) == firings
    later = firings if firings > 1 else 0
    assert meter.units.write + later <= 6 * firings


def test_a_symbols_firings_are_spread_over_partitions_so_that_2_500_a_second_have_room(
    table: Table, container: Container
) -> None:
    """DynamoDB takes 1,000 write units a second for each partition key."""
    fill(table, [rule(f"r-{n}", 100) for n in range(120)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        assert len(container.process([tick(101, 1)]).published) == 120
    assert max(meter.written.values()) / 120 <= 1_000 / 2_500
    recorded = items_of(table, "FIRINGS#AAPL")
    assert len(recorded) == 120
    for attribute in ("pk", "day"):
        partitions = Counter(item[attribute] for item in recorded)
        assert (len(partitions), max(partitions.values()) < 120 / 4) == (8, True)


def test_a_quiet_batch_of_a_symbol_takes_one_write_unit(table: Table, container: Container) -> None:
    fill(table, [rule("r-1", 100)])
    container.process([tick(99, 0)])
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        container.process([tick("99.5", 1), tick("99.25", 2)])
    assert (meter.calls, meter.units) == ({"UpdateItem": 1}, Units(write=1))
