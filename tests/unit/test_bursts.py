"""Very many rules at one level: all fire, each once, over as many invocations as it takes."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.capacity import item_bytes
from price_alerts.domain.rules import Trigger
from tests.unit.doubles import SECOND, Clock, Container, Topic, add_rules, items_of, rule, ticks
from tests.unit.quick_dynamodb import database_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

RULES = 1_200
ITEM_LIMIT = 400 * 1024  # DynamoDB


@pytest.fixture
def sizes(table: Table) -> list[int]:
    """What the state's item comes to, before each further write of it."""
    sizes: list[int] = []
    database = database_of(table)

    def measure(params: Any, **_: object) -> None:
        item = database.item(("SYMBOL#AAPL", "STATE"))
        if item and "STATE" in params["Key"]["sk"]:
            sizes.append(item_bytes(item))

    table.meta.client.meta.events.register("provide-client-params.dynamodb.UpdateItem", measure)
    return sizes


@pytest.fixture
def slow_table(table: Table, clock: Clock) -> Table:
    """A table that takes a fiftieth of a second for every call."""

    def take_time(**_: Any) -> None:
        clock.now += SECOND // 50

    table.meta.client.meta.events.register("before-call.dynamodb", take_time)
    return table


@pytest.mark.deep
@pytest.mark.no_cover
def test_a_burst_of_firings_takes_several_invocations_and_each_rule_fires_once(
    slow_table: Table, clock: Clock, topic: Topic, sizes: list[int]
) -> None:
    table = slow_table
    add_rules(table, *(rule(f"r-{n}", 150, trigger=Trigger.ONCE) for n in range(RULES)))
    path = ticks(149, 151)
    sizes.clear()
    for invocations in itertools.count(1):  # noqa: B007  # counted
        container = Container(table, clock, topic, high_price=None)
        batch = container.process(path)
        assert batch.failures == []
        if not batch.unfinished_message_ids:
            break
        clock.now += 60 * SECOND

    assert invocations > 2
    fired = Counter(item["rule"] for item in items_of(table, "FIRINGS#") if item["sent"])
    assert (len(fired), set(fired.values())) == (RULES, {1})
    assert len(topic.published) == len(set(topic.published)) == RULES
    assert {item["status"] for item in items_of(table, "SYMBOL#", "RULE#")} == {"triggered"}
    assert max(sizes) < ITEM_LIMIT / 4
