from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from price_alerts.engine import MAX_FIRINGS_PER_COMMIT, Firing, Lease, State
from price_alerts.rules import Condition
from price_alerts.store import Conflict, Store
from price_alerts.ticks import Position
from tests.unit.doubles import NOW, SECOND, firing

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

AAPL = State(
    "AAPL", 1, Decimal("200.25"), Position(NOW, "m-1", 3), Decimal(150), (firing(),), Lease("a", 5)
)
FIRING_KEY = {
    "pk": "FIRINGS#AAPL",
    "sk": "2026-11-22T15:04:05.250000Z#0123456789abcdef0123456789abcdef",
}

_moments = st.integers(0, 2 * NOW)
_prices = st.decimals(Decimal("1e-18"), Decimal(999999999999999999), places=18)
_firings = st.builds(
    Firing,
    firing_id=st.uuids().map(lambda identifier: identifier.hex),
    rule_id=st.text(min_size=1, max_size=10),
    symbol=st.just("AAPL"),
    condition=st.sampled_from(Condition),
    levels=st.lists(_prices, min_size=1, max_size=2).map(tuple),
    previous_price=st.none() | _prices,
    price=_prices,
    timestamp_microseconds=_moments,
    fired_at_microseconds=_moments,
    owner=st.text(max_size=10),
    note=st.text(max_size=10),
)
_states = st.builds(
    State,
    symbol=st.just("AAPL"),
    version=st.integers(1, 10**9),
    price=st.none() | _prices,
    position=st.none()
    | st.builds(Position, _moments, st.text(min_size=1, max_size=10), st.integers(0, 499)),
    threshold=st.none() | _prices,
    outbox=st.lists(_firings, max_size=3).map(tuple),
    lease=st.none() | st.builds(Lease, st.text(min_size=1, max_size=10), _moments),
)
_repeatedly = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


def current_of(store: Store, before: State, after: State) -> State:
    with pytest.raises(Conflict) as conflict:
        store.commit(before, after)
    return conflict.value.current


def test_a_symbol_that_was_never_stored_has_version_0(store: Store) -> None:
    assert store.load("AAPL") == State("AAPL")


@_repeatedly
@given(state=_states, following=_states)
def test_a_state_comes_back_as_it_was_committed(
    table: Table, state: State, following: State
) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    store.commit(State("AAPL"), state)
    assert store.load("AAPL") == state
    store.commit(state, following)
    assert store.load("AAPL") == following


@_repeatedly
@given(_states)
def test_a_conflict_holds_the_state_that_is_stored(table: Table, state: State) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    store.commit(State("AAPL"), state)
    assert current_of(store, State("AAPL"), AAPL) == state


def test_a_state_is_stored_in_its_own_attributes(store: Store, table: Table) -> None:
    store.commit(State("AAPL"), AAPL)
    assert table.scan()["Items"] == [
        {
            "pk": "SYMBOL#AAPL",
            "sk": "STATE",
            "version": 1,
            "price": Decimal("200.25"),
            "timestamp_microseconds": NOW,
            "message_id": "m-1",
            "message_ordinal": 3,
            "threshold": 150,
            "outbox": [
                {
                    "firing_id": "0123456789abcdef0123456789abcdef",
                    "rule": "high-price-threshold",
                    "condition": "above",
                    "levels": [150],
                    "previous_price": Decimal("149.5"),
                    "price": Decimal("200.25"),
                    "timestamp_microseconds": NOW,
                    "fired_at_microseconds": NOW + SECOND,
                    "owner": "stack",
                    "note": "",
                }
            ],
            "lease_owner": "a",
            "lease_until_microseconds": 5,
        }
    ]


def test_a_version_that_moved_on_is_a_conflict_and_writes_nothing(store: Store) -> None:
    moved = replace(AAPL, version=2, price=Decimal(3), outbox=())
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
        "provide-client-params.dynamodb.GetItem",
        lambda params, **_: reads.append(params["ConsistentRead"]),
    )
    store.load("AAPL")
    assert reads == [True]


def test_a_state_that_was_deleted_is_a_conflict_with_an_unknown_symbol(store: Store) -> None:
    assert current_of(store, AAPL, replace(AAPL, version=2)) == State("AAPL")


def test_symbols_do_not_stand_in_each_others_way(store: Store) -> None:
    store.commit(State("AAPL"), AAPL)
    store.commit(State("MSFT"), replace(AAPL, symbol="MSFT", outbox=()))
    assert store.load("AAPL") == AAPL


def test_a_full_outbox_stays_far_below_the_item_limit(store: Store, table: Table) -> None:
    longest = Decimal("999999999999999999.999999999999999999")
    full = firing(symbol="A" * 32, levels=(longest,), previous_price=longest, price=longest)
    state = replace(AAPL, symbol="A" * 32, outbox=(full,) * MAX_FIRINGS_PER_COMMIT)
    store.commit(State(state.symbol), state)
    assert len(str(table.scan()["Items"])) < 400_000 / 4


def test_a_firing_is_recorded_once(store: Store, table: Table) -> None:
    assert [store.record(firing()), store.record(firing())] == [False, False]
    assert table.scan()["Items"] == [
        {
            **FIRING_KEY,
            "firing_id": "0123456789abcdef0123456789abcdef",
            "rule": "high-price-threshold",
            "symbol": "AAPL",
            "condition": "above",
            "levels": [150],
            "previous_price": Decimal("149.5"),
            "price": Decimal("200.25"),
            "timestamp": "2026-11-22T15:04:05.250000Z",
            "timestamp_microseconds": NOW,
            "fired_at": "2026-11-22T15:04:06.250000Z",
            "fired_at_microseconds": NOW + SECOND,
            "day": "2026-11-22",
            "owner": "stack",
            "note": "",
            "sent": False,
        }
    ]


def test_the_day_of_a_firing_is_that_on_which_it_was_decided(store: Store, table: Table) -> None:
    store.record(firing(timestamp_microseconds=NOW - 86_400 * SECOND))
    assert [item["day"] for item in table.scan()["Items"]] == ["2026-11-22"]


def test_a_first_firing_has_no_previous_price(store: Store, table: Table) -> None:
    store.record(firing(previous_price=None))
    assert "previous_price" not in table.get_item(Key=FIRING_KEY)["Item"]


def test_the_index_of_rules_holds_no_firings(store: Store, table: Table) -> None:
    store.commit(State("AAPL"), AAPL)
    store.record(firing())
    assert not [item for item in table.scan()["Items"] if "rule_id" in item]


def test_a_firing_that_was_marked_as_sent_is_known_to_be(store: Store, table: Table) -> None:
    store.record(firing())
    store.mark_sent(firing(), NOW + 2 * SECOND)
    marked = table.get_item(Key=FIRING_KEY)["Item"]
    assert (marked["sent"], marked["sent_at"]) == (True, "2026-11-22T15:04:07.250000Z")
    assert store.record(firing()) is True
    assert table.get_item(Key=FIRING_KEY)["Item"] == marked


def test_to_mark_a_firing_twice_is_harmless(store: Store, table: Table) -> None:
    store.record(firing())
    store.mark_sent(firing(), NOW)
    once = table.scan()["Items"]
    store.mark_sent(firing(), NOW)
    assert table.scan()["Items"] == once


def test_a_firing_in_the_way_that_is_not_shown_counts_as_unsent(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")

    monkeypatch.setattr(table, "put_item", refuse)
    assert store.record(firing()) is False


@pytest.mark.parametrize(
    "action",
    [
        lambda store: store.load("AAPL"),
        lambda store: store.commit(State("AAPL"), AAPL),
        lambda store: store.commit(AAPL, replace(AAPL, version=2)),
        lambda store: store.record(firing()),
        lambda store: store.mark_sent(firing(), NOW),
    ],
    ids=["load", "first commit", "commit", "record", "mark sent"],
)
def test_any_other_error_goes_through(aws: None, action: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        action(Store(boto3.resource("dynamodb").Table("absent")))
