"""A rule or a watch that cannot be read is set aside and counted; its neighbours fire."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.items import (
    SCHEMA,
    UnreadableItem,
    rule_item,
    rule_key,
    rule_of,
    watch_items,
    watch_of,
)
from price_alerts.batch import Batch
from price_alerts.domain.conditions import Condition
from tests.unit.doubles import Clock, Container, Topic, add_rules, items_of, returning, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

RULE = rule_key("AAPL", "broken")
WATCH = {"pk": "WATCH#AAPL#price", "sk": "202105#broken"}
# By symbol.
JUNK: dict[str, Any] = {
    "TEXT": "x",
    "EMPTY": "",
    "NUMBER": Decimal(-7),
    "NULL": None,
    "BOOLEAN": True,
    "LIST": ["x"],
    "MAP": {"x": "y"},
}
ATTRIBUTES = (
    *("schema", "rule_id", "symbol", "condition", "levels", "percent", "window", "rearm"),
    *("trigger", "cooldown_seconds", "expires_at_microseconds", "owner", "note", "message"),
    *("since", "revision", "status", "disarmed", "last_fired_at_microseconds", "trail"),
)


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container whose table has a rule that is to be broken, and one beside it."""
    container = Container(table, clock, topic)
    add_rules(table, rule("broken", 105), rule("whole", 105))
    container.process([tick(100)])
    return container


def set_attribute(table: Table, key: dict[str, str], name: str, value: Any) -> None:
    table.update_item(
        Key=key,
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": value},
    )


def remove_attribute(table: Table, key: dict[str, str], name: str) -> None:
    table.update_item(
        Key=key, UpdateExpression="REMOVE #name", ExpressionAttributeNames={"#name": name}
    )


def fired(batch: Batch) -> list[str]:
    return sorted(firing.rule_id for firing in batch.published)


def test_a_rule_that_is_incomplete_is_set_aside_and_its_neighbour_fires(
    container: Container, table: Table
) -> None:
    remove_attribute(table, RULE, "levels")
    batch = container.process([tick(110, 1)])
    assert (returning(batch), set(batch.unreadable), fired(batch)) == (
        set(),
        {"broken"},
        ["whole"],
    )


def test_a_watch_that_is_incomplete_is_set_aside_and_its_neighbour_fires(
    container: Container, table: Table
) -> None:
    remove_attribute(table, WATCH, "levels")
    batch = container.process([tick(110, 1)])
    assert (returning(batch), set(batch.unreadable), fired(batch)) == (
        set(),
        {"broken"},
        ["whole"],
    )


def test_a_new_rule_that_cannot_be_read_is_set_aside(container: Container, table: Table) -> None:
    add_rules(table, rule("new", 90, condition=Condition.ABOVE))
    remove_attribute(table, rule_key("AAPL", "new"), "trigger")
    batch = container.process([tick(110, 1)])
    assert (returning(batch), set(batch.unreadable), fired(batch)) == (
        set(),
        {"new"},
        ["broken", "whole"],
    )


def test_what_newer_code_wrote_is_left_as_it_is(container: Container, table: Table) -> None:
    set_attribute(table, RULE, "schema", SCHEMA + 1)
    (before,) = items_of(table, "SYMBOL#AAPL", "RULE#broken")
    batch = container.process([tick(110, 1)])
    assert (fired(batch), set(batch.unreadable)) == (["whole"], {"broken"})
    assert items_of(table, "SYMBOL#AAPL", "RULE#broken") == [before]


def fired_beside(junk: str, name: str, table: Table, container: Container) -> set[str]:
    """Change an attribute of something in many symbols, in each in another way.

    Returns the symbols in which the rule beside it fires.
    """
    for symbol in JUNK:
        rules = [rule(f"{symbol}-broken", 105, symbol=symbol), rule(symbol, 105, symbol=symbol)]
        add_rules(table, *rules)
    container.process([tick(100, 0, symbol) for symbol in JUNK])
    for symbol, value in JUNK.items():
        (item,) = [each for each in items_of(table, junk.format(symbol)) if "broken" in each["sk"]]
        set_attribute(table, {"pk": item["pk"], "sk": item["sk"]}, name, value)
    batch = container.process([tick(110, 1, symbol) for symbol in JUNK])
    assert returning(batch) == set()
    return {firing.rule_id for firing in batch.published} & JUNK.keys()


@pytest.mark.parametrize("kind", JUNK)
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_rule_is_read_or_found_unreadable(name: str, kind: str) -> None:
    with suppress(UnreadableItem):
        rule_of({**rule_item(rule("r-1", 105, rearm="1")), name: JUNK[kind]})


@pytest.mark.parametrize("kind", JUNK)
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_watch_is_read_or_found_unreadable(name: str, kind: str) -> None:
    (item, *_) = watch_items(rule("r-1", 105, rearm="1"))
    assert watch_of({**item, name: JUNK[kind]}).rule_id == "r-1"


@pytest.mark.parametrize("name", ["schema", "levels", "since", "trail"])
def test_whatever_is_changed_by_hand_in_a_rule_harms_no_neighbour(
    table: Table, container: Container, name: str
) -> None:
    assert fired_beside("SYMBOL#{}", name, table, container) == JUNK.keys()


@pytest.mark.parametrize("name", ["schema", "rule", "levels"])
def test_whatever_is_changed_by_hand_in_a_watch_harms_no_neighbour(
    table: Table, container: Container, name: str
) -> None:
    assert fired_beside("WATCH#{}#price", name, table, container) == JUNK.keys()


def test_a_late_tick_sets_a_rule_aside_as_others_do(container: Container, table: Table) -> None:
    container.process([tick(101, 2)])
    remove_attribute(table, RULE, "levels")
    batch = container.process([tick(110, 1)])
    assert (returning(batch), set(batch.unreadable), fired(batch)) == (
        set(),
        {"broken"},
        ["whole"],
    )


def test_a_rule_that_was_mended_fires_again(container: Container, table: Table) -> None:
    set_attribute(table, RULE, "trigger", "sometimes")
    container.process([tick(110, 1)])
    set_attribute(table, RULE, "trigger", "every")
    assert fired(container.process([tick(100, 2), tick(111, 3)])) == ["broken", "whole"]


def test_what_is_set_aside_in_several_symbols_is_in_the_batch(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("other", 105, symbol="MSFT"))
    container.process([tick(100, 1, "MSFT")])
    for key in (RULE, rule_key("MSFT", "other")):
        remove_attribute(table, key, "levels")
    batch = container.process([tick(110, 2), tick(110, 2, "MSFT")])
    assert set(batch.unreadable) == {"broken", "other"}
