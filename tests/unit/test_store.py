"""The store: states in conditional writes, and firings that are recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings

from price_alerts.adapters.items import rule_item
from price_alerts.adapters.state_items import firing_item, state_attributes
from price_alerts.adapters.store import Store
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.state import Firing, Lease, Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import ANYWHERE
from price_alerts.ports import Busy, Conflict, Settled
from tests.unit.doubles import NOW, SECOND, add_rules, before_updates, firing, items_of, rule, told
from tests.unit.strategies import states

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

AT = Position(NOW, 0, 0, "m-1", 3)
AAPL = State(
    "AAPL",
    version=1,
    price=Decimal("200.25"),
    position=AT,
    threshold=Decimal(150),
    bands={"price": ANYWHERE},
    outbox=Outbox(1, (firing(),)),
    lease=Lease("me", 5),
)
RECENT = Recent(
    (Mark(Position(NOW - SECOND, 0, 0, "m-0", 0), Decimal(1)), Mark(AT, Decimal("200.25")))
)

_repeatedly = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


@pytest.fixture
def busy(table: Table) -> Callable[[], None]:
    """Lets a change of the symbol's rules be under way from now on."""
    conflict = ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem")
    return lambda: fail(table, conflict)


def fail(table: Table, error: Exception) -> None:
    """Let updates of the table fail from now on."""

    def refuse(params: Any) -> None:
        raise error

    before_updates(table, refuse, times=1_000)


def current_of(call: Callable[..., object], *arguments: object) -> State:
    with pytest.raises(Conflict) as conflict:
        call(*arguments)
    return conflict.value.current


# --- load ------------------------------------------------------------------------------------


def test_a_symbol_that_was_never_stored_has_version_0(store: Store) -> None:
    assert store.load("AAPL") == State("AAPL")


def test_a_state_is_found_beside_the_symbol_s_rules(store: Store, table: Table) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    table.put_item(Item=rule_item(rule("zz", 150)))
    assert store.load("AAPL") == stored


def test_a_state_is_read_as_it_is_this_moment_in_one_call(
    store: Store, table: Table, calls: list[str]
) -> None:
    store.commit(State("AAPL"), AAPL)
    calls.clear()
    reads: list[object] = []
    table.meta.client.meta.events.register(
        "provide-client-params.dynamodb.Query",
        lambda params, **_: reads.append(params["ConsistentRead"]),
    )
    store.load("AAPL")
    assert (reads, calls) == ([True], ["Query"])


# --- commit ----------------------------------------------------------------------------------


@_repeatedly
@given(state=states, following=states)
def test_a_state_comes_back_as_it_was_committed(
    table: Table, state: State, following: State
) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    stored = store.commit(State("AAPL"), state)
    assert store.load("AAPL") == stored == replace(state, nonce=stored.nonce)
    following = replace(following, version=state.version + 1)
    stored = store.commit(stored, following)
    assert store.load("AAPL") == stored == replace(following, nonce=stored.nonce)


@_repeatedly
@given(states)
def test_a_conflict_holds_the_state_that_is_stored(table: Table, state: State) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    stored = store.commit(State("AAPL"), state)
    assert current_of(store.commit, State("AAPL"), AAPL) == stored


def test_a_commit_leaves_alone_what_stays_and_removes_what_is_gone(
    store: Store, table: Table
) -> None:
    sent: list[dict[str, Any]] = []
    stored = store.commit(State("AAPL"), AAPL)
    before_updates(table, sent.append)
    cleared = store.commit(stored, replace(AAPL, version=2, outbox=None, lease=None))
    names = set(sent[0]["ExpressionAttributeNames"].values())
    assert names >= {"version", "outbox", "lease_owner", "lease_until_microseconds"}
    assert names.isdisjoint({"price", "message_id", "threshold", "band"})
    assert store.load("AAPL") == cleared


def test_what_the_release_before_remembers_of_recent_ticks_does_not_outlive_a_commit(
    store: Store, table: Table
) -> None:
    """It did not see the change: it would put a late tick among others than there are."""
    stored = store.commit(State("AAPL"), AAPL)
    (item,) = items_of(table, "SYMBOL#AAPL")
    table.put_item(Item=item | {"past": {"ticks": "[]"}})
    store.commit(stored, replace(AAPL, version=2))
    assert "past" not in items_of(table, "SYMBOL#AAPL")[0]


def test_a_version_that_moved_on_is_a_conflict_and_writes_nothing(store: Store) -> None:
    first = store.commit(State("AAPL"), AAPL)
    moved = store.commit(first, replace(AAPL, version=2, price=Decimal(3), outbox=None))
    assert current_of(store.commit, first, replace(AAPL, version=2, price=Decimal(4))) == moved
    assert store.load("AAPL") == moved


def test_a_version_that_went_back_is_a_conflict(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    later = replace(stored, version=5)
    assert current_of(store.commit, later, replace(AAPL, version=6)) == stored


def test_a_version_is_no_other_s_of_the_same_number(store: Store) -> None:
    """A table that was set back under its own name counts to the same number again."""
    stored = store.commit(State("AAPL"), AAPL)
    stale = replace(stored, nonce="from-before", price=Decimal(3))
    assert current_of(store.commit, stale, replace(stale, version=2)) == stored


def test_a_state_of_the_release_before_has_no_nonce_and_can_be_followed(
    store: Store, table: Table
) -> None:
    key = {"pk": "SYMBOL#AAPL", "sk": "STATE"}
    former = {name: value for name, value in state_attributes(AAPL).items() if name != "schema"}
    table.put_item(Item={**key, **former})
    followed = store.commit(store.load("AAPL"), replace(AAPL, version=2))
    assert store.load("AAPL") == followed


def test_each_write_of_a_state_has_a_nonce_of_its_own(store: Store) -> None:
    state, nonces = State("AAPL"), set()
    for version in range(1, 6):
        state = store.commit(state, replace(AAPL, version=version))
        nonces.add(state.nonce)
    assert len(nonces - {None}) == 5


def test_a_state_that_was_deleted_is_a_conflict_with_an_unknown_symbol(store: Store) -> None:
    assert current_of(store.commit, AAPL, replace(AAPL, version=2)) == State("AAPL")


def test_symbols_do_not_stand_in_each_others_way(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    store.commit(State("MSFT"), replace(AAPL, symbol="MSFT", outbox=None))
    assert store.load("AAPL") == stored


def test_while_rules_are_being_changed_a_commit_is_busy_and_writes_nothing(
    store: Store, busy: Callable[[], None]
) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    busy()
    with pytest.raises(Busy):
        store.commit(stored, replace(AAPL, version=2))
    assert store.load("AAPL") == stored


# --- clear -----------------------------------------------------------------------------------


@pytest.mark.parametrize("recent", [None, RECENT], ids=["no ticks", "recent ticks"])
def test_a_delivered_outbox_is_cleared_and_the_rest_stays(
    store: Store, recent: Recent | None
) -> None:
    stored = store.commit(State("AAPL"), replace(AAPL, recent=recent))
    cleared = store.clear(stored)
    assert cleared == replace(stored, version=2, nonce=cleared.nonce, outbox=None, lease=None)
    assert store.load("AAPL") == cleared
    assert cleared.nonce != stored.nonce


def test_a_change_of_rules_during_a_delivery_does_not_keep_it_from_being_cleared(
    store: Store, table: Table
) -> None:
    stored = store.commit(State("AAPL"), replace(AAPL, recent=RECENT))
    add_rules(table, rule("r-1", 150))
    changed = store.load("AAPL")
    cleared = store.clear(stored)
    assert (changed.bands, changed.version, cleared.version) == (None, 2, 3)
    assert cleared == replace(changed, version=3, nonce=cleared.nonce, outbox=None, lease=None)
    assert cleared.recent == RECENT


def test_who_changes_rules_without_knowing_of_recent_ticks_leaves_them_forgotten(
    store: Store, table: Table
) -> None:
    stored = store.commit(State("AAPL"), replace(AAPL, recent=RECENT))
    (item,) = items_of(table, "SYMBOL#AAPL")
    table.put_item(Item=item | {"version": 2})
    assert store.clear(stored).recent is None
    assert store.load("AAPL").recent is None


def test_who_has_lost_the_lease_clears_nothing(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    taken = store.commit(stored, replace(stored, version=2, lease=Lease("other", 9)))
    assert current_of(store.clear, stored) == taken
    assert store.load("AAPL") == taken


def test_another_outbox_of_the_same_owner_is_not_cleared(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    following = store.commit(stored, replace(AAPL, version=2, outbox=Outbox(2, (firing(),))))
    assert current_of(store.clear, stored) == following


def test_what_was_cleared_already_is_a_conflict_with_what_is_stored(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    cleared = store.clear(stored)
    assert current_of(store.clear, stored) == cleared


def test_while_rules_are_being_changed_a_clearing_is_busy(
    store: Store, busy: Callable[[], None]
) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    busy()
    with pytest.raises(Busy):
        store.clear(stored)


# --- release ---------------------------------------------------------------------------------


def test_who_releases_a_delivery_lets_others_go_on_with_it_at_once(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    store.release(stored)
    released = store.load("AAPL")
    assert released == replace(
        stored, version=2, nonce=released.nonce, lease=Lease("me", until_microseconds=0)
    )


def test_what_has_moved_on_is_not_released(store: Store) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    taken = store.commit(stored, replace(stored, version=2, lease=Lease("other", 9)))
    store.release(stored)
    assert store.load("AAPL") == taken


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem"),
        ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem"),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
    ],
    ids=["busy", "throttled", "no answer"],
)
def test_others_wait_where_a_delivery_cannot_be_released(
    store: Store, table: Table, error: Exception
) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    fail(table, error)
    store.release(stored)
    assert store.load("AAPL") == stored


# --- firings ---------------------------------------------------------------------------------


def test_to_record_a_firing_twice_is_harmless(store: Store, table: Table) -> None:
    for _ in range(2):
        store.record([Settled(told(), NOW)])
    assert table.scan()["Items"] == [firing_item(told(), NOW)]


def test_more_firings_than_one_request_can_hold_are_recorded_in_several(
    store: Store, table: Table, calls: list[str]
) -> None:
    notices = [told(firing_id=f"f-{number:02}") for number in range(60)]
    store.record(Settled(each, NOW) for each in notices)
    assert calls == ["BatchWriteItem"] * 3
    assert items_of(table, "FIRINGS#") == [firing_item(each, NOW) for each in notices]


def test_no_firings_are_recorded_without_a_call(store: Store, calls: list[str]) -> None:
    store.record([])
    assert (store.recorded([]), calls) == (set(), [])


def numbered(*numbers: int) -> list[Firing]:
    return [firing(firing_id=f"f-{number}") for number in numbers]


def test_firings_that_are_published_or_undeliverable_are_known_by_their_ids(store: Store) -> None:
    store.record([Settled(told(firing_id="f-1"), NOW)])
    store.record([Settled(told(firing_id="f-2"), NOW, "InvalidParameter")])
    assert store.recorded(numbered(1, 2, 3)) == {"f-1", "f-2"}


def test_a_firing_that_the_release_before_recorded_but_did_not_publish_is_not_known(
    store: Store, table: Table
) -> None:
    table.put_item(Item=firing_item(told(firing_id="f-1"), NOW) | {"sent": False})
    assert store.recorded(numbered(1)) == set()


@pytest.mark.parametrize(
    "action",
    [
        lambda store: store.load("AAPL"),
        lambda store: store.commit(State("AAPL"), AAPL),
        lambda store: store.commit(AAPL, replace(AAPL, version=2)),
        lambda store: store.clear(AAPL),
        lambda store: store.recorded([firing()]),
        lambda store: store.record([Settled(told(), NOW)]),
        lambda store: store.apply("AAPL", Outbox(1, checked_rule_ids=("r-1",))),
    ],
    ids=["load", "first commit", "commit", "clear", "recorded", "record", "apply"],
)
def test_any_other_error_goes_through(aws: None, action: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        action(Store(boto3.resource("dynamodb").Table("absent")))
