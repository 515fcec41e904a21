"""What `list` and `status` read: rules and states, however long the history is."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.listing import listed_keys
from lib.client.rule_store import RuleStore
from price_alerts.adapters.items import rule_key, state_key
from price_alerts.adapters.state_items import firing_item
from price_alerts.adapters.store import Store
from tests.unit.doubles import NOW, Container, add_rules, rule, tick, told

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

RULES, FIRINGS = 40, 400


@pytest.fixture
def asked(table: Table) -> list[tuple[str, str]]:
    """Each request to the table that reads many items, with the index that it reads."""
    asked: list[tuple[str, str]] = []

    def note(params: Any, model: Any, **_: Any) -> None:
        asked.append((model.name, params.get("IndexName", "")))

    table.meta.client.meta.events.register("before-parameter-build.dynamodb.*", note)
    return asked


def test_a_list_reads_the_sparse_index_and_the_rules_alone(
    table: Table, asked: list[tuple[str, str]]
) -> None:
    for number in range(FIRINGS):
        table.put_item(Item=firing_item(told(firing_id=f"f-{number}"), NOW))
    add_rules(table, *(rule(f"r-{number}", 105) for number in range(RULES)))
    asked.clear()
    found = list(RuleStore(table, sleep, clock=lambda: NOW).rules())
    assert len(found) == RULES
    assert asked == [("Scan", "by_rule"), ("BatchGetItem", "")]


def test_the_index_holds_rules_and_states_and_no_firings(
    table: Table, container: Container
) -> None:
    add_rules(table, rule("r-1", 105, symbol="IBM"))
    container.process([tick(200)])
    keys = [*listed_keys(table)]
    assert sorted(keys, key=str) == sorted(
        [state_key("AAPL"), state_key("IBM"), rule_key("IBM", "r-1")], key=str
    )


def test_a_state_that_was_not_listed_is_listed_from_its_next_price_on(
    table: Table, container: Container
) -> None:
    container.process([tick(100)])
    table.update_item(Key=state_key("AAPL"), UpdateExpression="REMOVE rule_id")
    assert [*listed_keys(table)] == []
    container.process([tick(101, 1)])
    assert [*listed_keys(table)] == [state_key("AAPL")]


def test_a_firing_is_kept_for_as_long_as_is_set(table: Table, container: Container) -> None:
    container.processor.store = Store(table, history_days=3)
    container.process([tick(200)])
    (item,) = (item for item in table.scan()["Items"] if str(item["pk"]).startswith("FIRINGS#"))
    fired_at_seconds = int(str(item["fired_at_microseconds"])) // 1_000_000
    assert item["expires_at_epoch"] == fired_at_seconds + 3 * 86_400
