"""Items that newer code wrote, or that were spoilt by hand: set aside, and all else goes on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.items import SCHEMA, STATE_SCHEMA, UnreadableItem
from price_alerts.adapters.store import Store
from price_alerts.domain.conditions import Condition
from price_alerts.domain.state import State
from tests.unit.doubles import (
    Clock,
    Container,
    Topic,
    add_rules,
    items_of,
    returning,
    rule,
    tick,
    ticks,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

NEWER = {"schema": SCHEMA + 1, "levels": {"from": 150, "to": 160}}


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container without a rule of the stack's own."""
    return Container(table, clock, topic, high_price=None)


def rewrite(table: Table, pk: str, sk: str, **changes: Any) -> None:
    """Write some items as somebody else would."""
    for item in items_of(table, pk, sk):
        table.put_item(Item=item | changes)


def fired(table: Table) -> list[tuple[str, str]]:
    """Return rule and price of each firing."""
    return sorted((item["rule"], str(item["price"])) for item in items_of(table, "FIRINGS#"))


# --- states ----------------------------------------------------------------------------------


def test_a_state_of_newer_code_is_left_as_it_is(container: Container, table: Table) -> None:
    container.store.commit(State("AAPL"), State("AAPL", 1))
    rewrite(table, "SYMBOL#AAPL", "STATE", schema=STATE_SCHEMA + 1)
    before = items_of(table, "")
    batch = Container(table, Clock(), Topic()).process([tick(200)])
    assert [type(failure.error) for failure in batch.failures] == [UnreadableItem]
    assert (returning(batch), items_of(table, "")) == ({"m-0"}, before)


def test_a_warm_container_does_not_overwrite_what_newer_code_has_made_of_a_state(
    container: Container, table: Table
) -> None:
    container.process([tick(100)])
    rewrite(table, "SYMBOL#AAPL", "STATE", schema=STATE_SCHEMA + 1, version=Decimal(9))
    before = items_of(table, "")
    batch = container.process([tick(200, 1)])
    assert [type(failure.error) for failure in batch.failures] == [UnreadableItem]
    assert (returning(batch), items_of(table, "")) == ({"m-1"}, before)


def test_other_symbols_go_on_beside_a_state_of_newer_code(
    container: Container, table: Table
) -> None:
    container.store.commit(State("AAPL"), State("AAPL", 1))
    rewrite(table, "SYMBOL#AAPL", "STATE", schema=STATE_SCHEMA + 1)
    batch = container.process([tick(200), tick(200, 1, "MSFT")])
    assert returning(batch) == {"m-0"}
    assert container.store.load("MSFT").price == Decimal(200)


def test_an_unreadable_state_is_no_lost_one(table: Table) -> None:
    add_rules(table, rule("r-1", 150))
    rewrite(table, "SYMBOL#AAPL", "STATE", schema=STATE_SCHEMA + 1)
    with pytest.raises(UnreadableItem):
        Store(table).load("AAPL")


# --- rules and watches -----------------------------------------------------------------------

UP = [rule(rule_id, 150) for rule_id in ("a", "b", "c")]


@pytest.mark.parametrize("changes", [NEWER, {"levels": []}], ids=["newer", "spoilt"])
def test_a_rule_that_cannot_be_read_is_set_aside_and_its_neighbours_fire(
    container: Container, table: Table, changes: dict[str, Any]
) -> None:
    add_rules(table, *UP)
    rewrite(table, "SYMBOL#AAPL", "RULE#b", **changes)
    before = items_of(table, "SYMBOL#AAPL", "RULE#b")
    batch = container.process(ticks(149, 151))
    assert (returning(batch), set(batch.unreadable)) == (set(), {"b"})
    assert fired(table) == [("a", "151"), ("c", "151")]
    assert items_of(table, "SYMBOL#AAPL", "RULE#b") == before


@pytest.mark.parametrize("changes", [NEWER, {"levels": []}], ids=["newer", "spoilt"])
def test_a_watch_that_cannot_be_read_is_set_aside_with_its_rule_and_its_neighbours_fire(
    container: Container, table: Table, changes: dict[str, Any]
) -> None:
    add_rules(table, *UP)
    rewrite(table, "WATCH#AAPL#price", "20215#b", **changes)
    before = items_of(table, "WATCH#AAPL#price", "20215#b")
    batch = container.process(ticks(149, 151))
    assert (returning(batch), set(batch.unreadable)) == (set(), {"b"})
    assert fired(table) == [("a", "151"), ("c", "151")]
    assert items_of(table, "WATCH#AAPL#price", "20215#b") == before


def test_a_new_rule_that_cannot_be_read_keeps_no_other_from_its_first_look(
    container: Container, table: Table
) -> None:
    add_rules(table, *(rule(rule_id, 150, condition=Condition.ABOVE) for rule_id in "abc"))
    rewrite(table, "SYMBOL#AAPL", "RULE#b", **NEWER)
    batch = container.process([tick(151)])
    assert (returning(batch), set(batch.unreadable)) == (set(), {"b"})
    assert fired(table) == [("a", "151"), ("c", "151")]


def test_a_late_tick_is_put_in_its_place_beside_a_rule_that_cannot_be_read(
    container: Container, table: Table
) -> None:
    add_rules(table, *UP)
    rewrite(table, "SYMBOL#AAPL", "RULE#b", **NEWER)
    container.process([tick(149), tick(148, 2)])
    batch = container.process([tick(151, 1)])
    assert (returning(batch), batch.late_ticks, set(batch.unreadable)) == (set(), 0, {"b"})
    assert fired(table) == [("a", "151"), ("c", "151")]


def test_a_rule_that_can_be_read_again_fires(container: Container, table: Table) -> None:
    add_rules(table, *UP)
    (readable,) = items_of(table, "SYMBOL#AAPL", "RULE#b")
    rewrite(table, "SYMBOL#AAPL", "RULE#b", **NEWER)
    container.process(ticks(149, 151))
    table.put_item(Item=readable)
    container.process([tick(149, 2), tick(151, 3)])
    assert ("b", "151") in fired(table)
