"""A write whose answer is lost: the SDK sends the request again, and that must change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.items import rule_item
from price_alerts.adapters.store import Store
from price_alerts.domain.conditions import Condition
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Trigger
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import ANYWHERE
from price_alerts.ports import Conflict
from tests.unit.doubles import NOW, Container, Topic, add_rules, firing, items_of, rule, ticks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

AAPL = State(
    "AAPL",
    version=1,
    price=Decimal(200),
    position=Position(NOW, 0, 0, "m-1", 0),
    bands={"price": ANYWHERE},
    outbox=Outbox(1, (firing(),)),
    lease=Lease("me", NOW),
)


class LostAnswers:
    """Loses first answers of DynamoDB, each to another request.

    The SDK, which waits in vain, sends such a request again.
    """

    def __init__(self, table: Table) -> None:
        self._events = table.meta.client.meta.events
        self.count = 0

    def lose(
        self, operation: str, *, times: int = 1, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Lose so many of an operation's answers; something may happen before the next try."""
        left, again = times, False

        def needs_retry(**_: Any) -> Any:
            nonlocal left, again
            if again or not left:
                again = False
                return None
            left -= 1
            self.count += 1
            meanwhile()
            again = True
            return 0

        self._events.register(f"needs-retry.dynamodb.{operation}", needs_retry)


@pytest.fixture
def aws(moto: None) -> None:
    """What botocore tries again only moto sees twice."""


@pytest.fixture
def answers(table: Table) -> LostAnswers:
    return LostAnswers(table)


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


def test_who_commits_recognises_its_own_commit(store: Store, answers: LostAnswers) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    answers.lose("UpdateItem")
    following = store.commit(stored, replace(AAPL, version=2))
    assert (store.load("AAPL"), answers.count) == (following, 1)


def test_who_begins_a_symbol_recognises_its_own_commit(store: Store, answers: LostAnswers) -> None:
    answers.lose("UpdateItem")
    stored = store.commit(State("AAPL"), AAPL)
    assert (store.load("AAPL"), answers.count) == (stored, 1)


def test_who_clears_recognises_its_own_clearing(store: Store, answers: LostAnswers) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    answers.lose("UpdateItem")
    cleared = store.clear(stored)
    assert cleared == replace(stored, version=2, nonce=cleared.nonce, outbox=None, lease=None)
    assert (store.load("AAPL"), answers.count) == (cleared, 1)


def test_a_commit_that_was_overtaken_is_a_conflict_with_what_is_stored(
    store: Store, table: Table, answers: LostAnswers
) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    answers.lose("UpdateItem", meanwhile=lambda: add_rules(table, rule("r-1", 150)))
    with pytest.raises(Conflict) as conflict:
        store.commit(stored, replace(AAPL, version=2, price=Decimal(300)))
    assert conflict.value.current == store.load("AAPL")
    assert (conflict.value.current.version, conflict.value.current.price) == (3, Decimal(300))


def test_a_clearing_that_was_overtaken_is_a_conflict_with_what_is_stored(
    store: Store, table: Table, answers: LostAnswers
) -> None:
    stored = store.commit(State("AAPL"), AAPL)
    answers.lose("UpdateItem", meanwhile=lambda: add_rules(table, rule("r-1", 150)))
    with pytest.raises(Conflict) as conflict:
        store.clear(stored)
    assert conflict.value.current == store.load("AAPL")
    assert (conflict.value.current.version, conflict.value.current.outbox) == (3, None)


def test_a_rule_is_changed_once(store: Store, table: Table, answers: LostAnswers) -> None:
    add_rules(table, rule("r-1", 150))
    triggered = Progress(Status.TRIGGERED, None, NOW, "f-1")
    resumed = rule_item(rule("r-1", 150, revision=3))
    answers.lose("UpdateItem", meanwhile=lambda: table.put_item(Item=resumed))
    store.apply("AAPL", Outbox(2, changes={"r-1": triggered}))
    assert (items_of(table, "SYMBOL#", "RULE#"), answers.count) == ([resumed], 1)


def test_however_many_answers_are_lost_each_firing_goes_out_once(
    container: Container, table: Table, topic: Topic, answers: LostAnswers
) -> None:
    add_rules(
        table,
        rule("once", 160, trigger=Trigger.ONCE),
        rule("every", 155, condition=Condition.ABOVE),
    )
    for operation in ("UpdateItem", "BatchWriteItem", "Query", "BatchGetItem"):
        answers.lose(operation, times=100)
    batch = container.process(ticks(100, 170, 100, 170))
    assert (batch.unfinished_message_ids, batch.failures, batch.conflicts) == (set(), [], 0)
    fired = sorted((item["rule"], item["message_id"]) for item in items_of(table, "FIRINGS#"))
    assert fired == [
        ("every", "m-1"),
        ("every", "m-3"),
        ("high-price-threshold", "m-1"),
        ("high-price-threshold", "m-3"),
        ("once", "m-1"),
    ]
    assert len(topic.published) == len(set(topic.published)) == 5
    assert answers.count > 5


def test_what_was_committed_and_overtaken_is_delivered_once(
    container: Container, table: Table, topic: Topic, answers: LostAnswers
) -> None:
    answers.lose("UpdateItem", meanwhile=lambda: add_rules(table, rule("r-1", 500)))
    batch = container.process(ticks(100, 200))
    assert (batch.unfinished_message_ids, batch.failures, batch.conflicts) == (set(), [], 1)
    (item,) = items_of(table, "FIRINGS#")
    assert topic.published == [item["firing_id"]]
    state = container.store.load("AAPL")
    assert (state.price, state.outbox, answers.count) == (Decimal(200), None, 1)
