"""What the store does for a delivery: rules that change, and what leaves the index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts.adapters.items import rule_item
from price_alerts.adapters.state_items import firing_item
from price_alerts.adapters.store import Overloaded, Store
from price_alerts.domain.conditions import Condition, Side
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.state import Outbox
from price_alerts.domain.ticks import Position
from price_alerts.ports import Busy, Settled
from tests.unit.doubles import NOW, add_rules, former_item, items_of, rule, told

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

AT = Position(NOW, 0, 0, "m-1", 0)
TRAIL = Trail(((AT, Progress()),), (Announced(AT, AT),))
RULE = rule("r-1", 150, rearm="1", condition=Condition.ABOVE)
TRIGGERED = Progress(Status.TRIGGERED, None, NOW, "f-1")
DISARMED = Progress(Status.ACTIVE, Side.HIGH, NOW, "f-1", TRAIL)
WATCHES = [("price", "202149#r-1"), ("price", "20215#r-1")]


def outbox(version: int = 2, **parts: Any) -> Outbox:
    return Outbox(version, **parts)


@pytest.fixture
def store(table: Table) -> Store:
    """The store, with one rule that is new."""
    add_rules(table, RULE)
    return Store(table)


def rule_in(table: Table, rule_id: str = "r-1") -> dict[str, Any]:
    (item,) = items_of(table, "SYMBOL#AAPL", f"RULE#{rule_id}")
    return item


def watches_in(table: Table) -> list[tuple[str, str]]:
    """Return lines and keys of all watches of AAPL."""
    items = items_of(table, "WATCH#AAPL#")
    return [(item["pk"].removeprefix("WATCH#AAPL#"), item["sk"]) for item in items]


# --- rules that change -----------------------------------------------------------------------


def test_a_change_is_written_to_its_rule_with_the_version_that_decided_it(
    store: Store, table: Table
) -> None:
    store.apply("AAPL", outbox(changes={"r-1": DISARMED}))
    assert rule_in(table) == rule_item(replace(RULE, progress=DISARMED, revision=2))


def test_what_a_change_leaves_out_is_not_there_any_more(store: Store, table: Table) -> None:
    armed = replace(DISARMED, disarmed=None, trail=Trail())
    store.apply("AAPL", outbox(changes={"r-1": DISARMED}))
    store.apply("AAPL", outbox(3, changes={"r-1": armed}))
    assert rule_in(table) == rule_item(replace(RULE, progress=armed, revision=3))


def test_to_apply_an_outbox_twice_is_harmless(store: Store, table: Table) -> None:
    everything = outbox(changes={"r-1": TRIGGERED}, checked_rule_ids=("r-1",), spent=tuple(WATCHES))
    store.apply("AAPL", everything)
    once = items_of(table, "")
    store.apply("AAPL", everything)
    assert items_of(table, "") == once


def test_a_rule_that_the_table_has_swept_away_does_not_come_back(
    store: Store, table: Table
) -> None:
    store.apply("AAPL", outbox(changes={"gone": TRIGGERED, "r-1": DISARMED}))
    assert [item["sk"] for item in items_of(table, "SYMBOL#AAPL")] == ["RULE#r-1", "STATE"]
    assert rule_in(table)["disarmed"] == "high"


@pytest.mark.parametrize("revision", [2, 3], ids=["with this version", "since"])
def test_a_rule_that_somebody_has_changed_since_stays_as_it_is(
    store: Store, table: Table, revision: int
) -> None:
    """It was resumed, or removed and added again."""
    changed = rule_item(replace(RULE, revision=revision, since=AT))
    table.put_item(Item=changed)
    store.apply("AAPL", outbox(2, changes={"r-1": TRIGGERED}))
    assert rule_in(table) == changed


def test_a_rule_of_the_release_before_which_has_no_revision_yet_is_changed(
    store: Store, table: Table
) -> None:
    former = rule_item(RULE)
    del former["revision"], former["schema"]
    table.put_item(Item=former)
    store.apply("AAPL", outbox(changes={"r-1": DISARMED}))
    assert rule_in(table) == rule_item(replace(RULE, progress=DISARMED, revision=2))


def test_a_rule_of_the_release_before_is_changed_where_it_is(store: Store, table: Table) -> None:
    former = rule("former", 150)
    table.put_item(Item=former_item(former))
    store.apply("AAPL", outbox(changes={"former": TRIGGERED}))
    assert rule_in(table, "former") == former_item(replace(former, progress=TRIGGERED, revision=2))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_many_rules_are_changed_by_several_threads(
    store: Store, table: Table, pool: ThreadPoolExecutor
) -> None:
    rules = [rule(f"r-{number}", 150) for number in range(5)]
    add_rules(table, *rules)
    changes = {changed.rule_id: TRIGGERED for changed in rules}
    Store(table, each=pool.map).apply("AAPL", outbox(9, changes=changes))
    statuses = [item["status"] for item in items_of(table, "SYMBOL#AAPL", "RULE#")]
    assert statuses == ["triggered"] * 5


# --- what leaves the index -------------------------------------------------------------------


def test_watches_that_are_spent_leave_the_index(store: Store, table: Table) -> None:
    add_rules(table, rule("other", 150))
    store.apply("AAPL", outbox(checked_rule_ids=("r-1",), spent=tuple(WATCHES)))
    assert watches_in(table) == [("price", "20215#other")]


def test_a_rule_that_has_triggered_is_watched_until_its_watches_are_spent(
    store: Store, table: Table
) -> None:
    store.apply("AAPL", outbox(changes={"r-1": TRIGGERED}, checked_rule_ids=("r-1",)))
    assert (rule_in(table)["status"], watches_in(table)) == ("triggered", WATCHES)


def test_a_rule_that_has_seen_a_tick_is_not_new_any_more(store: Store, table: Table) -> None:
    add_rules(table, rule("other", 150, condition=Condition.ABOVE))
    store.apply("AAPL", outbox(checked_rule_ids=("r-1",)))
    assert [key for line, key in watches_in(table) if line == "new"] == ["other"]


def test_an_outbox_without_stored_rules_makes_no_call(store: Store, calls: list[str]) -> None:
    store.apply("AAPL", outbox())
    assert calls == []


def test_more_entries_than_one_request_can_hold_are_deleted_in_several(
    store: Store, table: Table, calls: list[str]
) -> None:
    rules = [rule(f"r-{number}", 150, condition=Condition.ABOVE) for number in range(30)]
    add_rules(table, *rules)
    calls.clear()
    store.apply("AAPL", outbox(checked_rule_ids=tuple(added.rule_id for added in rules)))
    assert calls == ["BatchWriteItem"] * 2
    assert "new" not in {line for line, _ in watches_in(table)}


# --- what DynamoDB does not do at once -------------------------------------------------------

Answer = dict[str, Any]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that somebody makes, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def leave_over(table: Table, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leaves the last item over of each of so many batches that follow."""

    def install(times: int) -> None:
        client, left = table.meta.client, times
        write: Any = client.batch_write_item

        def write_some(RequestItems: dict[str, Sequence[Any]]) -> Answer:  # noqa: N803  # boto3's
            nonlocal left
            if not left:
                answer: Answer = write(RequestItems=RequestItems)
                return answer
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
    store: Store,
    table: Table,
    naps: list[float],
    leave_over: Callable[[int], None],
    times: int,
) -> None:
    leave_over(times)
    store.record(FIRINGS)
    assert items_of(table, "FIRINGS#") == [firing_item(*firing) for firing in FIRINGS]
    assert (len(naps), naps) == (times, sorted(set(naps)))  # each pause is longer than the last


@pytest.mark.usefixtures("naps")
def test_entries_that_dynamodb_leaves_over_are_deleted_again(
    store: Store, table: Table, leave_over: Callable[[int], None]
) -> None:
    leave_over(2)
    store.apply("AAPL", outbox(checked_rule_ids=("r-1",), spent=tuple(WATCHES)))
    assert watches_in(table) == []


@pytest.mark.usefixtures("naps")
def test_items_that_dynamodb_leaves_over_time_and_again_are_an_error(
    store: Store, table: Table, leave_over: Callable[[int], None]
) -> None:
    leave_over(5)
    with pytest.raises(Overloaded):
        store.record(FIRINGS)


def refuse(table: Table, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    def call(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, name)

    monkeypatch.setattr(table.meta.client, name, call)


def test_a_rule_that_is_being_changed_is_busy(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(table, monkeypatch, "update_item", "TransactionConflictException")
    with pytest.raises(Busy):
        store.apply("AAPL", outbox(changes={"r-1": DISARMED}))


def test_a_thread_s_error_goes_through(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor
) -> None:
    refuse(table, monkeypatch, "update_item", "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        Store(table, each=pool.map).apply("AAPL", outbox(changes={"r-1": DISARMED}))


def test_an_error_of_a_batch_goes_through(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(table, monkeypatch, "batch_write_item", "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        store.apply("AAPL", outbox(checked_rule_ids=("r-1",)))


# --- in parts --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_parts_of_an_outbox_do_together_what_it_does(limit: int) -> None:
    whole = outbox(
        changes={f"r-{number}": TRIGGERED for number in range(5)},
        checked_rule_ids=("r-1", "r-2", "r-3"),
        spent=tuple(WATCHES),
    )
    parts = list(whole.parts(limit))
    assert {each.version for each in parts} == {whole.version}
    assert [entry for each in parts for entry in each.changes.items()] == list(
        whole.changes.items()
    )
    assert [watch for each in parts for watch in each.spent] == list(whole.spent)
    assert [rule_id for each in parts for rule_id in each.checked_rule_ids] == list(
        whole.checked_rule_ids
    )
    assert max(max(len(each.changes), len(each.spent)) for each in parts) <= limit
