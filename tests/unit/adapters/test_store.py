"""The store: states in conditional writes, firings that are recorded, outboxes that are applied."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings

from price_alerts.adapters.items import UnreadableItem, rule_item
from price_alerts.adapters.state_items import firing_item, state_attributes
from price_alerts.adapters.store import Overloaded, Store
from price_alerts.domain.conditions import Condition, Side
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import ANYWHERE
from price_alerts.ports import Busy, Conflict, Settled
from tests.unit.doubles import (
    NOW,
    SECOND,
    add_rules,
    before_updates,
    firing,
    former_item,
    items_of,
    rule,
    told,
)
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
RULE = rule("r-1", 150, rearm="1", condition=Condition.ABOVE)
TRIGGERED = Progress(Status.TRIGGERED, None, NOW, "f-1")
TRAIL = Trail(((AT, Progress()),), (Announced(AT, AT),))
DISARMED = Progress(Status.ACTIVE, Side.HIGH, NOW, "f-1", TRAIL)
WATCHES = (("price", "202149#r-1"), ("price", "20215#r-1"))


@pytest.fixture
def stored(store: Store) -> State:
    return store.commit(State("AAPL"), AAPL)


def fail(table: Table, error: Exception) -> None:
    """Let updates of the table fail from now on."""

    def raise_error(params: Any) -> None:
        raise error

    before_updates(table, raise_error, times=1_000)


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "UpdateItem")


BUSY = error("TransactionConflictException")


def current_of(call: Callable[..., object], *arguments: object) -> State:
    with pytest.raises(Conflict) as conflict:
        call(*arguments)
    return conflict.value.current


# --- states ----------------------------------------------------------------------------------


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=states, following=states)
def test_a_state_comes_back_as_it_was_committed(
    table: Table, state: State, following: State
) -> None:
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})
    store = Store(table)
    first = store.commit(State("AAPL"), state)
    assert store.load("AAPL") == first == replace(state, nonce=first.nonce)
    assert current_of(store.commit, State("AAPL"), AAPL) == first
    second = store.commit(first, replace(following, version=state.version + 1))
    wanted = replace(following, version=state.version + 1, nonce=second.nonce)
    assert store.load("AAPL") == second == wanted
    assert len({None, first.nonce, second.nonce}) == 3


def test_every_read_is_consistent(store: Store, table: Table) -> None:
    answers: list[object] = []

    def note(params: dict[str, Any], **_: object) -> None:
        keys = params.get("RequestItems", {}).get(table.name, {})
        answers.append(keys.get("ConsistentRead") or params.get("ConsistentRead"))

    for operation in ("BatchGetItem", "Query"):
        table.meta.client.meta.events.register(f"provide-client-params.dynamodb.{operation}", note)
    store.load("AAPL")
    store.recorded([firing()])
    store.index("AAPL").rules(["a"])
    store.index("AAPL").watches("price", "0", upward=True, limit=9)
    store.index("AAPL").new_rule_ids(9)
    assert answers == [True] * (10 + 1 + 2 + 1 + 1)


def test_a_commit_writes_only_what_changes(stored: State, store: Store, table: Table) -> None:
    (item,) = items_of(table, "SYMBOL#AAPL")
    table.put_item(Item=item | {"past": {"ticks": "[]"}})  # by the release before
    sent: list[dict[str, Any]] = []
    before_updates(table, sent.append)
    cleared = store.commit(stored, replace(AAPL, version=2, outbox=None, lease=None))
    names = set(sent[0]["ExpressionAttributeNames"].values())
    gone = {"past", "outbox", "lease_owner", "lease_until_microseconds"}
    assert names == gone | {"version", "nonce", "rule_id"}
    (item,) = items_of(table, "SYMBOL#AAPL")
    assert (store.load("AAPL"), item.keys() & gone) == (cleared, set())


@pytest.mark.parametrize(
    "changes", [{"version": 0}, {"version": 5}, {"nonce": "set-back"}], ids=str
)
def test_a_commit_conflicts_with_any_other_write(
    stored: State, store: Store, changes: dict[str, Any]
) -> None:
    """A table that was set back under its own name counts to the same version again."""
    current = store.commit(stored, replace(AAPL, version=2, outbox=None))
    stale = replace(current, **changes)
    assert current_of(store.commit, stale, replace(AAPL, version=stale.version + 1)) == current
    assert store.load("AAPL") == current


def test_a_state_that_is_gone_is_a_conflict_with_an_unknown_symbol(store: Store) -> None:
    assert current_of(store.commit, AAPL, replace(AAPL, version=2)) == State("AAPL")


def test_a_state_of_the_release_before_has_no_nonce_and_can_be_followed(
    store: Store, table: Table
) -> None:
    former = state_attributes(AAPL) | {"pk": "SYMBOL#AAPL", "sk": "STATE"}
    del former["schema"]
    table.put_item(Item=former)
    followed = store.commit(store.load("AAPL"), replace(AAPL, version=2))
    assert store.load("AAPL") == followed


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
    changed, cleared = store.load("AAPL"), store.clear(stored)
    assert (changed.bands, changed.version, changed.recent) == (None, 2, RECENT)
    assert cleared == replace(changed, version=3, nonce=cleared.nonce, outbox=None, lease=None)


def test_recent_ticks_stay_forgotten_if_older_code_changed_the_rules(
    store: Store, table: Table
) -> None:
    stored = store.commit(State("AAPL"), replace(AAPL, recent=RECENT))
    (item,) = items_of(table, "SYMBOL#AAPL")
    table.put_item(Item=item | {"version": 2})
    assert store.clear(stored).recent is None
    assert store.load("AAPL").recent is None


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda store, state: store.commit(state, replace(state, version=2, lease=Lease("x", 9))),
        lambda store, state: store.commit(
            state, replace(state, version=2, outbox=Outbox(2, (firing(),)))
        ),
        lambda store, state: store.clear(state),
    ],
    ids=["another has the lease", "another outbox", "cleared already"],
)
def test_only_who_delivers_an_outbox_clears_or_releases_it(
    stored: State, store: Store, meanwhile: Callable[[Store, State], State]
) -> None:
    current = meanwhile(store, stored)
    assert current_of(store.clear, stored) == current
    store.release(stored)
    assert store.load("AAPL") == current


def test_a_released_outbox_can_be_delivered_by_others_at_once(stored: State, store: Store) -> None:
    store.release(stored)
    released, lease = store.load("AAPL"), Lease("me", until_microseconds=0)
    assert released == replace(stored, version=2, nonce=released.nonce, lease=lease)


@pytest.mark.parametrize(
    "failure",
    [
        *(BUSY, error("ThrottlingException"), UnreadableItem("newer")),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
    ],
    ids=["busy", "throttled", "of newer code", "no answer"],
)
def test_an_outbox_that_cannot_be_released_keeps_its_lease(
    stored: State, store: Store, table: Table, failure: Exception
) -> None:
    fail(table, failure)
    store.release(stored)
    assert store.load("AAPL") == stored


@pytest.mark.parametrize(
    "write",
    [
        lambda store, state: store.commit(state, replace(AAPL, version=2)),
        lambda store, state: store.clear(state),
        lambda store, state: store.apply("AAPL", Outbox(2, changes={"r-1": DISARMED})),
    ],
    ids=["commit", "clear", "apply"],
)
def test_while_the_rules_are_being_changed_a_write_is_busy(
    stored: State, store: Store, table: Table, write: Callable[[Store, State], object]
) -> None:
    fail(table, BUSY)
    with pytest.raises(Busy):
        write(store, stored)
    assert store.load("AAPL") == stored


# --- an answer is lost, and the SDK sends the request again ----------------------------------


def repeat(table: Table, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Let the next update be executed, something happen, and the update be sent again."""

    def execute(params: Any) -> None:
        table.meta.client.update_item(**params)
        meanwhile()

    before_updates(table, execute)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_repeated_commit_is_recognised(store: Store, table: Table, is_first: bool) -> None:
    before = State("AAPL") if is_first else store.commit(State("AAPL"), AAPL)
    repeat(table)
    assert store.commit(before, replace(AAPL, version=before.version + 1)) == store.load("AAPL")


def test_a_repeated_clearing_is_recognised(stored: State, store: Store, table: Table) -> None:
    repeat(table)
    cleared = store.clear(stored)
    assert cleared == replace(stored, version=2, nonce=cleared.nonce, outbox=None, lease=None)


@pytest.mark.parametrize("kind", ["commit", "clear"])
def test_a_repeated_write_that_others_have_followed_is_a_conflict(
    stored: State, store: Store, table: Table, kind: str
) -> None:
    repeat(table, lambda: add_rules(table, rule("r-1", 150)))
    arguments = [stored, replace(AAPL, version=2)] if kind == "commit" else [stored]
    current = current_of(getattr(store, kind), *arguments)
    assert (current, current.version) == (store.load("AAPL"), 3)


def test_a_repeated_change_of_a_rule_does_not_undo_what_followed(
    store: Store, table: Table
) -> None:
    add_rules(table, RULE)
    resumed = rule_item(replace(RULE, revision=3))
    repeat(table, lambda: table.put_item(Item=resumed))
    store.apply("AAPL", Outbox(2, changes={"r-1": TRIGGERED}))
    assert items_of(table, "SYMBOL#", "RULE#") == [resumed]


# --- firings ---------------------------------------------------------------------------------


def test_to_record_a_firing_twice_is_harmless(store: Store, table: Table) -> None:
    for _ in range(2):
        store.record([Settled(told(), NOW)])
    assert table.scan()["Items"] == [firing_item(told(), NOW)]


def test_a_firing_expires_some_days_after_it_was_decided(table: Table) -> None:
    Store(table, history_days=30).record([Settled(told(), NOW)])
    (item,) = table.scan()["Items"]
    assert item == firing_item(told(), NOW) | {"expires_at_epoch": NOW // SECOND + 1 + 30 * 86_400}


def test_firings_are_recorded_25_at_a_time(store: Store, table: Table, calls: list[str]) -> None:
    store.record([])
    assert (store.recorded([]), calls) == (set(), [])
    notices = [told(firing_id=f"f-{number:02}") for number in range(60)]
    store.record(Settled(each, NOW) for each in notices)
    assert calls == ["BatchWriteItem"] * 3
    assert items_of(table, "FIRINGS#") == [firing_item(each, NOW) for each in notices]


def test_firings_that_are_published_or_undeliverable_are_recorded(
    store: Store, table: Table
) -> None:
    store.record([Settled(told(firing_id="f-1"), NOW)])
    store.record([Settled(told(firing_id="f-2"), NOW, "InvalidParameter")])
    # The release before wrote an item before it published the firing.
    table.put_item(Item=firing_item(told(firing_id="f-3"), NOW) | {"sent": False})
    firings = [firing(firing_id=f"f-{number}") for number in range(1, 5)]
    assert store.recorded(firings) == {"f-1", "f-2"}
    assert {item["firing_id"] for item in items_of(table, "FIRINGS#")} == {"f-1", "f-2"}


# --- outboxes --------------------------------------------------------------------------------


@pytest.fixture
def ruled(store: Store, table: Table) -> Store:
    """The store, with a rule that has seen no tick yet."""
    add_rules(table, RULE)
    return store


def rule_in(table: Table, rule_id: str = "r-1") -> dict[str, Any]:
    (item,) = items_of(table, "SYMBOL#AAPL", f"RULE#{rule_id}")
    return item


def watches_in(table: Table) -> list[tuple[str, str]]:
    """Return lines and keys of all watches of AAPL."""
    items = items_of(table, "WATCH#AAPL#")
    return [(item["pk"].removeprefix("WATCH#AAPL#"), item["sk"]) for item in items]


def test_a_change_replaces_the_progress_of_its_rule(ruled: Store, table: Table) -> None:
    for version, progress in ((2, DISARMED), (3, replace(DISARMED, disarmed=None, trail=Trail()))):
        ruled.apply("AAPL", Outbox(version, changes={"r-1": progress}))
        assert rule_in(table) == rule_item(replace(RULE, progress=progress, revision=version))


def test_to_apply_an_outbox_twice_is_harmless(ruled: Store, table: Table) -> None:
    add_rules(table, rule("other", 150, condition=Condition.ABOVE))
    outbox = Outbox(2, changes={"r-1": TRIGGERED}, checked_rule_ids=("r-1",))
    ruled.apply("AAPL", outbox)
    assert [key for line, key in watches_in(table) if line == "new"] == ["other"]
    assert set(WATCHES) < set(watches_in(table))  # until they are spent
    outbox = replace(outbox, spent=WATCHES)
    ruled.apply("AAPL", outbox)
    once = items_of(table, "")
    assert watches_in(table) == [("new", "other"), ("price", "20215#other")]
    ruled.apply("AAPL", outbox)
    assert items_of(table, "") == once


def test_a_rule_that_the_table_has_swept_away_does_not_come_back(
    ruled: Store, table: Table
) -> None:
    ruled.apply("AAPL", Outbox(2, changes={"gone": TRIGGERED, "r-1": DISARMED}))
    assert [item["sk"] for item in items_of(table, "SYMBOL#AAPL")] == ["RULE#r-1", "STATE"]
    assert rule_in(table)["disarmed"] == "high"


@pytest.mark.parametrize("revision", [2, 3], ids=["with this version", "since"])
def test_a_rule_that_was_changed_since_stays_as_it_is(
    ruled: Store, table: Table, revision: int
) -> None:
    changed = rule_item(replace(RULE, revision=revision, since=AT))
    table.put_item(Item=changed)
    ruled.apply("AAPL", Outbox(2, changes={"r-1": TRIGGERED}))
    assert rule_in(table) == changed


def test_a_rule_of_the_release_before_is_changed_where_it_is(store: Store, table: Table) -> None:
    former = former_item(RULE)
    del former["revision"], former["schema"]
    table.put_item(Item=former)
    store.apply("AAPL", Outbox(2, changes={"r-1": TRIGGERED}))
    assert rule_in(table) == former_item(replace(RULE, progress=TRIGGERED, revision=2))


def test_rules_can_be_changed_by_several_threads(store: Store, table: Table) -> None:
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(5)))
    changes = {f"r-{number}": TRIGGERED for number in range(5)}
    with ThreadPoolExecutor(2) as pool:
        Store(table, each=pool.map).apply("AAPL", Outbox(9, changes=changes))
        statuses = [item["status"] for item in items_of(table, "SYMBOL#AAPL", "RULE#")]
        assert statuses == ["triggered"] * 5
        fail(table, error("ThrottlingException"))
        with pytest.raises(ClientError, match="ThrottlingException"):
            Store(table, each=pool.map).apply("AAPL", Outbox(10, changes=changes))


def test_entries_are_deleted_25_at_a_time(store: Store, table: Table, calls: list[str]) -> None:
    store.apply("AAPL", Outbox(2))
    assert calls == []
    store.apply("AAPL", Outbox(2, checked_rule_ids=tuple(f"r-{number}" for number in range(30))))
    assert calls == ["BatchWriteItem"] * 2


# --- what DynamoDB does not do at once -------------------------------------------------------


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the store, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def leave_over(table: Table, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leaves over the last item of each of the next batches."""

    def install(times: int) -> None:
        client, left = table.meta.client, times
        write: Any = client.batch_write_item

        def write_some(RequestItems: dict[str, Sequence[Any]]) -> Any:  # noqa: N803  # boto3's
            nonlocal left
            if not left:
                return write(RequestItems=RequestItems)
            left -= 1
            *first, last = RequestItems[table.name]
            if first:
                write(RequestItems={table.name: first})
            return {"UnprocessedItems": {table.name: [last]}}

        monkeypatch.setattr(client, "batch_write_item", write_some)

    return install


FIRINGS = [Settled(told(firing_id=f"f-{number}"), NOW) for number in range(3)]


@pytest.mark.parametrize("times", [1, 4])
def test_items_that_dynamodb_leaves_over_are_written_again(
    store: Store, table: Table, naps: list[float], leave_over: Callable[[int], None], times: int
) -> None:
    leave_over(times)
    store.record(FIRINGS)
    assert items_of(table, "FIRINGS#") == [firing_item(*firing) for firing in FIRINGS]
    assert (len(naps), naps) == (times, sorted(set(naps)))  # each pause is longer than the last


@pytest.mark.usefixtures("naps")
def test_items_that_dynamodb_leaves_over_five_times_are_an_error(
    store: Store, leave_over: Callable[[int], None]
) -> None:
    leave_over(5)
    with pytest.raises(Overloaded):
        store.record(FIRINGS)


@pytest.mark.parametrize(
    "action",
    [
        lambda store: store.load("AAPL"),
        lambda store: store.commit(State("AAPL"), AAPL),
        lambda store: store.clear(AAPL),
        lambda store: store.recorded([firing()]),
        lambda store: store.record([Settled(told(), NOW)]),
        lambda store: store.apply("AAPL", Outbox(1, checked_rule_ids=("r-1",))),
    ],
    ids=["load", "commit", "clear", "recorded", "record", "apply"],
)
def test_any_other_error_goes_through(aws: None, action: Callable[[Store], object]) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        action(Store(boto3.resource("dynamodb").Table("absent")))
