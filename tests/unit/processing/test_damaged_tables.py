"""States that are lost, tables that were set back, items of newer code or spoilt by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.rule_store import RuleStore
from price_alerts.adapters.items import SCHEMA, STATE_SCHEMA, UnreadableItem
from price_alerts.domain.conditions import Condition
from price_alerts.domain.rules import Rule, Trigger
from tests.unit.doubles import (
    Clock,
    Container,
    Topic,
    add_rules,
    items_of,
    recorded,
    returning,
    rule,
    tick,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ABOVE = rule("above", 150, condition=Condition.ABOVE)
RISE = rule("rise", 5, condition=Condition.RISES, window="1h")


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container without a rule of the stack's own."""
    return Container(table, clock, topic, high_price=None)


def cold(container: Container) -> Container:
    return Container(container.table, container.clock, container.topic, high_price=None)


def fired(container: Container) -> list[tuple[str, int]]:
    return [(name, int(price)) for name, price, _ in recorded(container.table)]


# --- lost states -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("watched", "example"),
    [
        pytest.param(ABOVE, "*160 lost *170", id="what holds is new again"),
        pytest.param(rule("r", 150), "140 lost 160 140 *160", id="an event needs a price"),
        pytest.param(RISE, "100 lost 106 110 *112", id="a move begins again"),
        pytest.param(replace(ABOVE, trigger=Trigger.ONCE), "*160 lost 140 160", id="once"),
        pytest.param(rule("r", 150, rearm="10"), "140 *160 lost 160 139 *161", id="progress"),
    ],
)
@pytest.mark.parametrize("is_warm", [True, False])
def test_a_symbol_whose_state_is_lost_begins_again(
    container: Container, watched: Rule, example: str, is_warm: bool
) -> None:
    add_rules(container.table, watched)
    for second, word in enumerate(example.split()):
        if word == "lost":
            container.table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
            container = container if is_warm else cold(container)
        else:
            assert returning(container.process([tick(word.strip("*"), second)])) == set()
    wanted = [int(word[1:]) for word in example.split() if word.startswith("*")]
    assert [price for _, price in fired(container)] == wanted


def test_a_rule_is_not_held_against_ticks_from_before_it_was_added(container: Container) -> None:
    container.process([tick(100, 5)])
    add_rules(container.table, ABOVE)
    container.table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    container.process([tick(160, 4)])
    assert fired(container) == []
    container.process([tick(140, 6), tick(170, 7)])
    assert fired(container) == [("above", 170)]


def test_a_rule_can_be_added_beside_rules_whose_state_is_lost(container: Container) -> None:
    add_rules(container.table, ABOVE, RISE)
    container.table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    new = rule("new", 155, condition=Condition.ABOVE)
    RuleStore(container.table, container.clock.sleep, container.clock).add(new)
    state = container.store.load("AAPL")
    assert (state.is_lost, state.windows) == (False, {"rise-1h": ()})
    container.process([tick(160)])
    assert fired(container) == [("above", 160), ("new", 160)]


# --- items that cannot be read ---------------------------------------------------------------

NEWER = {"schema": SCHEMA + 1, "levels": {"from": 150, "to": 160}}


def rewrite(table: Table, pk: str, sk: str, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Write items as somebody else would; returns them as they are then."""
    for item in items_of(table, pk, sk):
        table.put_item(Item=item | changes)
    return items_of(table, pk, sk)


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_state_of_newer_code_is_left_as_it_is_and_harms_no_other_symbol(
    container: Container, is_warm: bool
) -> None:
    container.process([tick(100)])
    changes = {"schema": STATE_SCHEMA + 1, "version": Decimal(9)}
    before = rewrite(container.table, "SYMBOL#AAPL", "STATE", changes)
    again = container if is_warm else cold(container)
    batch = again.process([tick(200, 1), tick(200, 2, "MSFT")])
    assert [type(failure.error) for failure in batch.failures] == [UnreadableItem]
    assert (returning(batch), items_of(container.table, "SYMBOL#AAPL")) == ({"m-1"}, before)
    assert container.store.load("MSFT").price == 200


@pytest.mark.parametrize("changes", [NEWER, {"levels": []}], ids=["newer", "spoilt"])
@pytest.mark.parametrize("key", [("SYMBOL#AAPL", "RULE#b"), ("WATCH#AAPL#price", "20215#b")])
def test_what_cannot_be_read_is_set_aside_and_its_neighbours_fire(
    container: Container, key: tuple[str, str], changes: dict[str, Any]
) -> None:
    """Those in order, and those that are late."""
    table = container.table
    add_rules(table, *(rule(name, 150) for name in "abc"), rule("m", 150, symbol="MSFT"))
    (readable,), after = items_of(table, *key), rewrite(table, *key, changes)
    rewrite(table, "SYMBOL#MSFT", "RULE#m", changes)
    path = [tick(149, 0), tick(151, 1), tick(149, 2), tick(148, 4)]
    msft = [tick(149, 0, "MSFT"), tick(151, 1, "MSFT")]
    batch = container.process(path + msft)
    assert (returning(batch), set(batch.unreadable)) == (set(), {"b", "m"})
    assert fired(container) == [("a", 151), ("c", 151)]
    late = container.process([tick(152, 3)])
    assert (returning(late), late.late_ticks) == (set(), 0)
    neighbours = [each for each in fired(container) if each[0] != "b"]
    assert neighbours == [("a", 151), ("c", 151), ("a", 152), ("c", 152)]
    assert items_of(table, *key) == after
    table.put_item(Item=readable)
    batch = container.process([tick(149, 5), tick(153, 6)])
    assert {firing.rule_id for firing in batch.published} == {"a", "b", "c"}


def test_a_new_rule_that_cannot_be_read_keeps_no_other_from_its_first_look(
    container: Container,
) -> None:
    add_rules(container.table, *(replace(ABOVE, rule_id=name) for name in "abc"))
    rewrite(container.table, "SYMBOL#AAPL", "RULE#b", NEWER)
    batch = container.process([tick(151)])
    assert (returning(batch), set(batch.unreadable)) == (set(), {"b"})
    assert fired(container) == [("a", 151), ("c", 151)]
