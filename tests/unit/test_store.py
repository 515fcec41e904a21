from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings

from price_alerts.state import Lease, Outbox, State
from price_alerts.state_items import firing_item
from price_alerts.store import Conflict, Store
from price_alerts.ticks import Position
from price_alerts.watches import ANYWHERE
from tests.unit.doubles import NOW, firing, told
from tests.unit.strategies import states

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

AAPL = State(
    "AAPL",
    version=1,
    price=Decimal("200.25"),
    position=Position(NOW, "m-1", 3),
    threshold=Decimal(150),
    bands={"price": ANYWHERE},
    outbox=Outbox(1, (firing(),)),
    lease=Lease("a", 5),
)
FIRING_KEY = {
    "pk": "FIRINGS#AAPL",
    "sk": "2026-11-22T15:04:05.250000Z#0123456789abcdef0123456789abcdef",
}

_repeatedly = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


def fail(monkeypatch: pytest.MonkeyPatch, caller: object, name: str, code: str) -> None:
    def call(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, name)

    monkeypatch.setattr(caller, name, call)


def current_of(store: Store, before: State, after: State) -> State:
    with pytest.raises(Conflict) as conflict:
        store.commit(before, after)
    return conflict.value.current


def test_a_symbol_that_was_never_stored_has_version_0(store: Store) -> None:
    assert store.load("AAPL") == State("AAPL")


@_repeatedly
@given(state=states, following=states)
def test_a_state_comes_back_as_it_was_committed(
    table: Table, state: State, following: State
) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    store.commit(State("AAPL"), state)
    assert store.load("AAPL") == state
    following = replace(following, version=state.version + 1)
    store.commit(state, following)
    assert store.load("AAPL") == following


@_repeatedly
@given(states)
def test_a_conflict_holds_the_state_that_is_stored(table: Table, state: State) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    store.commit(State("AAPL"), state)
    assert current_of(store, State("AAPL"), AAPL) == state


def test_a_commit_leaves_alone_what_stays_and_removes_what_is_gone(
    store: Store, table: Table
) -> None:
    sent: list[dict[str, Any]] = []
    table.meta.client.meta.events.register(
        "provide-client-params.dynamodb.UpdateItem", lambda params, **_: sent.append(params)
    )
    store.commit(State("AAPL"), AAPL)
    store.commit(AAPL, replace(AAPL, version=2, outbox=None, lease=None))
    assert sorted(sent[1]["ExpressionAttributeNames"].values()) == [
        *("lease_owner", "lease_until_microseconds", "outbox", "version")
    ]
    assert store.load("AAPL") == replace(AAPL, version=2, outbox=None, lease=None)


def test_a_version_that_moved_on_is_a_conflict_and_writes_nothing(store: Store) -> None:
    moved = replace(AAPL, version=2, price=Decimal(3), outbox=None)
    store.commit(State("AAPL"), AAPL)
    store.commit(AAPL, moved)
    assert current_of(store, AAPL, replace(AAPL, version=2, price=Decimal(4))) == moved
    assert store.load("AAPL") == moved


def test_a_version_that_went_back_is_a_conflict(store: Store) -> None:
    store.commit(State("AAPL"), AAPL)
    assert current_of(store, replace(AAPL, version=5), replace(AAPL, version=6)) == AAPL


def test_a_state_is_read_as_it_is_this_moment(store: Store, table: Table) -> None:
    reads: list[object] = []
    table.meta.client.meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem",
        lambda params, **_: reads.append(params["RequestItems"][table.name]["ConsistentRead"]),
    )
    store.load("AAPL")
    assert reads == [True]


def test_a_state_that_was_deleted_is_a_conflict_with_an_unknown_symbol(store: Store) -> None:
    assert current_of(store, AAPL, replace(AAPL, version=2)) == State("AAPL")


def test_symbols_do_not_stand_in_each_others_way(store: Store) -> None:
    store.commit(State("AAPL"), AAPL)
    store.commit(State("MSFT"), replace(AAPL, symbol="MSFT", outbox=None))
    assert store.load("AAPL") == AAPL


def test_a_change_of_rules_under_way_is_a_conflict_with_what_is_stored(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(State("AAPL"), AAPL)
    fail(monkeypatch, table.meta.client, "update_item", "TransactionConflictException")
    assert current_of(store, AAPL, replace(AAPL, version=2)) == AAPL


def test_a_firing_is_recorded_once(store: Store, table: Table) -> None:
    store.record(told())
    store.record(told())
    assert table.scan()["Items"] == [firing_item(told())]


def test_a_firing_that_was_announced_stays_so(store: Store, table: Table) -> None:
    store.record(told())
    store.mark_sent("AAPL", [firing()], NOW)
    store.record(told())
    assert table.get_item(Key=FIRING_KEY)["Item"]["sent"] is True


@pytest.mark.parametrize(
    "action",
    [
        lambda store: store.load("AAPL"),
        lambda store: store.commit(State("AAPL"), AAPL),
        lambda store: store.commit(AAPL, replace(AAPL, version=2)),
        lambda store: store.record(told()),
        lambda store: store.unsent([told()]),
        lambda store: store.mark_sent("AAPL", [firing()], NOW),
    ],
    ids=["load", "first commit", "commit", "record", "unsent", "mark sent"],
)
def test_any_other_error_goes_through(aws: None, action: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        action(Store(boto3.resource("dynamodb").Table("absent")))
