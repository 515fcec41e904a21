"""What the store does for a delivery: rules that change, firings that are recorded and marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts.items import rule_item
from price_alerts.notices import Notice, notice
from price_alerts.rules import Progress, Rule, Status
from price_alerts.state import Lease, Outbox, State
from price_alerts.state_items import firing_item
from price_alerts.store import Conflict, Store
from price_alerts.terms import Condition, Side
from tests.unit.doubles import NOW, SECOND, add_rules, firing, items_of, rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

RULE = rule("r-1", 150, rearm="1", condition=Condition.ABOVE)
TRIGGERED = Progress(Status.TRIGGERED, None, NOW, "f-1")
DISARMED = Progress(Status.ACTIVE, Side.HIGH, NOW, "f-1")
HELD = State("AAPL", 2, lease=Lease("me", NOW))


def told(number: int = 1, of: Rule = RULE) -> Notice:
    return notice(firing(firing_id=f"f-{number}", rule_id=of.rule_id), of)


def outbox(**parts: Any) -> Outbox:
    return Outbox(version=2, **parts)


@pytest.fixture
def store(table: Table) -> Store:
    """The store, with one rule that is new, and a state that is held with a lease."""
    add_rules(table, RULE)
    store = Store(table)
    store.commit(State("AAPL", 1), HELD)
    return store


def apply(store: Store, what: Outbox, *notices: Notice, state: State = HELD) -> None:
    rules = store.index("AAPL").rules(what.changes)
    store.apply(state, what, rules, notices)


def rule_in(table: Table, rule_id: str = "r-1") -> dict[str, Any]:
    (item,) = items_of(table, "SYMBOL#AAPL", f"RULE#{rule_id}")
    return item


def watches_in(table: Table) -> list[tuple[str, str]]:
    return [(item["pk"], item["sk"]) for item in items_of(table, "WATCH#")]


def test_a_change_is_written_to_its_rule(store: Store, table: Table) -> None:
    apply(store, outbox(changes={"r-1": DISARMED}))
    assert rule_in(table) == rule_item(replace(RULE, progress=DISARMED))


def test_a_rule_that_is_armed_again_is_not_disarmed_any_more(store: Store, table: Table) -> None:
    armed = replace(DISARMED, disarmed=None)
    apply(store, outbox(changes={"r-1": DISARMED}))
    apply(store, outbox(changes={"r-1": armed}))
    assert rule_in(table) == rule_item(replace(RULE, progress=armed))


def test_a_rule_that_has_triggered_leaves_the_index(store: Store, table: Table) -> None:
    apply(store, outbox(changes={"r-1": TRIGGERED}, checked_rule_ids=("r-1",)))
    assert (rule_in(table)["status"], watches_in(table)) == ("triggered", [])


def test_a_rule_that_is_still_active_stays_in_the_index(store: Store, table: Table) -> None:
    before = watches_in(table)
    apply(store, outbox(changes={"r-1": DISARMED}))
    assert watches_in(table) == before


def test_a_rule_that_has_seen_a_tick_is_not_new_any_more(store: Store, table: Table) -> None:
    apply(store, outbox(checked_rule_ids=("r-1",)))
    assert watches_in(table) == [
        ("WATCH#AAPL#price", "202149#r-1"),
        ("WATCH#AAPL#price", "20215#r-1"),
    ]


def test_firings_are_recorded_as_not_announced(store: Store, table: Table) -> None:
    apply(store, outbox(), told(1), told(2))
    assert items_of(table, "FIRINGS#") == [firing_item(told(1)), firing_item(told(2))]


def test_a_firing_that_was_marked_stays_so_when_it_is_recorded_again(
    store: Store, table: Table
) -> None:
    apply(store, outbox(), told())
    store.mark_sent("AAPL", [told().firing], NOW + 2 * SECOND)
    apply(store, outbox(), told())
    (item,) = items_of(table, "FIRINGS#")
    assert (item["sent"], item["sent_at"]) == (True, "2026-11-22T15:04:07.250000Z")


def test_what_was_not_marked_is_unsent(store: Store) -> None:
    apply(store, outbox(), told(1), told(2))
    store.mark_sent("AAPL", [told(1).firing], NOW)
    assert store.unsent([told(1), told(2), told(3)]) == [told(2), told(3)]


def test_to_mark_a_firing_twice_is_harmless(store: Store, table: Table) -> None:
    apply(store, outbox(), told())
    store.mark_sent("AAPL", [told().firing], NOW)
    once = items_of(table, "FIRINGS#")
    store.mark_sent("AAPL", [told().firing], NOW)
    assert items_of(table, "FIRINGS#") == once


def test_to_deliver_twice_is_harmless(store: Store, table: Table) -> None:
    everything = outbox(changes={"r-1": TRIGGERED}, checked_rule_ids=("r-1",))
    apply(store, everything, told())
    once = items_of(table, "")
    apply(store, everything, told())
    assert items_of(table, "") == once


def test_an_outbox_without_stored_rules_makes_no_call(store: Store, calls: list[str]) -> None:
    apply(store, outbox())
    assert calls == []


def test_more_than_one_transaction_can_hold_is_written_in_several(
    store: Store, table: Table, calls: list[str]
) -> None:
    apply(store, outbox(), *(told(number) for number in range(100)))
    assert calls == ["TransactWriteItems"] * 2
    assert len(items_of(table, "FIRINGS#")) == 100


def test_a_rule_that_the_table_has_swept_away_does_not_come_back(
    store: Store, table: Table
) -> None:
    changes = {"gone": TRIGGERED, "r-1": DISARMED}
    apply(store, outbox(changes=changes), told(1, rule("gone", 150)))
    assert [item["sk"] for item in items_of(table, "SYMBOL#AAPL")] == ["RULE#r-1", "STATE"]
    assert (rule_in(table)["disarmed"], len(items_of(table, "FIRINGS#"))) == ("high", 1)


def test_only_rules_that_are_gone_leaves_nothing_to_do(store: Store, table: Table) -> None:
    before = items_of(table, "")
    apply(store, outbox(changes={"gone": DISARMED}))
    assert items_of(table, "") == before


# --- who may deliver -----------------------------------------------------------------------


def test_who_is_later_than_the_lease_writes_nothing_any_more(store: Store, table: Table) -> None:
    """The rule may have been resumed, or removed and added again, since."""
    taken_over = replace(HELD, version=3, lease=Lease("somebody else", NOW))
    store.commit(HELD, taken_over)
    before = items_of(table, "")
    with pytest.raises(Conflict) as conflict:
        apply(store, outbox(changes={"r-1": TRIGGERED}), told())
    assert conflict.value.current == taken_over
    assert items_of(table, "") == before


def answer_with(*codes: str | None, code: str = "TransactionCanceledException") -> Any:
    """Refuse a transaction, with these reasons for its actions."""
    answer: Any = {
        "Error": {"Code": code},
        "CancellationReasons": [{"Code": code} for code in codes],
    }

    def refuse(**_: object) -> None:
        raise ClientError(answer, "TransactWriteItems")

    return refuse


@pytest.fixture
def refuse(table: Table, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    return lambda answer: monkeypatch.setattr(table.meta.client, "transact_write_items", answer)


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_what_will_pass_is_to_be_tried_again(
    store: Store, refuse: Callable[[Any], None], reason: str
) -> None:
    refuse(answer_with("None", "ConditionalCheckFailed", reason))
    with pytest.raises(Conflict) as conflict:
        apply(store, outbox(changes={"r-1": DISARMED}), told())
    assert conflict.value.current == HELD


def test_a_mark_that_is_in_somebodys_way_is_to_be_tried_again(
    store: Store, refuse: Callable[[Any], None]
) -> None:
    refuse(answer_with("TransactionConflict"))
    with pytest.raises(Conflict):
        store.mark_sent("AAPL", [firing()], NOW)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answer_with("None", "ValidationError"), id="an action that cannot be"),
        pytest.param(answer_with(code="ResourceNotFoundException"), id="no table"),
    ],
)
def test_any_other_refusal_goes_through(
    store: Store, refuse: Callable[[Any], None], answer: Any
) -> None:
    refuse(answer)
    with pytest.raises(ClientError):
        apply(store, outbox(), told())
