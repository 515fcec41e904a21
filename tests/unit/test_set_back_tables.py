"""A table that was set back to an earlier moment, under its own name, while containers are warm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.store import Store
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.domain.watches import ANYWHERE
from price_alerts.ports import Conflict
from tests.unit.doubles import (
    NOW,
    Clock,
    Container,
    Topic,
    add_rules,
    firing,
    items_of,
    returning,
    rule,
    tick,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

AAPL = State("AAPL", 1, Decimal(100), tick(100).position, bands={"price": ANYWHERE})


@pytest.fixture
def set_back(table: Table) -> Callable[[list[dict[str, Any]]], None]:
    """Sets the table back to the items that it had."""

    def set_back(items: list[dict[str, Any]]) -> None:
        with table.batch_writer() as batch:
            for item in items_of(table, ""):
                batch.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
        with table.batch_writer() as batch:
            for item in items:
                batch.put_item(Item=item)

    return set_back


def test_a_stale_container_s_commit_conflicts_although_the_version_is_equal(
    table: Table, set_back: Callable[[list[dict[str, Any]]], None]
) -> None:
    store = Store(table)
    first = store.commit(State("AAPL"), AAPL)
    saved = items_of(table, "")
    stale = store.commit(first, replace(AAPL, version=2, price=Decimal(110)))
    set_back(saved)
    present = store.commit(first, replace(AAPL, version=2, price=Decimal(120)))
    with pytest.raises(Conflict) as conflict:
        store.commit(stale, replace(stale, version=3))
    assert present.version == stale.version
    assert conflict.value.current == store.load("AAPL") == present


def test_a_stale_container_clears_no_outbox_of_an_equal_version(
    table: Table, set_back: Callable[[list[dict[str, Any]]], None]
) -> None:
    """Each invocation's lease has an owner of its own."""
    store = Store(table)
    first = store.commit(State("AAPL"), AAPL)
    saved = items_of(table, "")
    decided = replace(AAPL, version=2, outbox=Outbox(2, (firing(),)))
    stale = store.commit(first, replace(decided, lease=Lease("stale", NOW)))
    set_back(saved)
    present = store.commit(first, replace(decided, lease=Lease("present", NOW)))
    with pytest.raises(Conflict) as conflict:
        store.clear(stale)
    assert conflict.value.current == store.load("AAPL") == present


def test_a_stale_container_goes_on_from_where_the_symbol_is(
    table: Table,
    clock: Clock,
    topic: Topic,
    set_back: Callable[[list[dict[str, Any]]], None],
) -> None:
    stale, present = (Container(table, clock, topic, high_price=None) for _ in range(2))
    add_rules(table, rule("up", 105))
    stale.process([tick(100)])
    saved = items_of(table, "")
    stale.process([tick(110, 1)])
    version = stale.store.load("AAPL").version
    set_back(saved)
    present.process([tick(101, 2)])
    present.process([tick(102, 3)])
    assert present.store.load("AAPL").version == version
    batch = stale.process([tick(107, 4)])
    assert (returning(batch), batch.conflicts) == (set(), 1)
    assert [item["previous_price"] for item in items_of(table, "FIRINGS#")] == [Decimal(102)]
