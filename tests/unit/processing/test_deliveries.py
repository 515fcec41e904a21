"""Deliveries: leases, lack of time, and errors around publishing; nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts.adapters.items import rule_key
from price_alerts.adapters.store import Store
from price_alerts.domain import engine
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.domain.watches import ANYWHERE
from tests.unit.doubles import (
    ABOVE_150,
    NOW,
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    before_updates,
    fail_calls,
    firing,
    items_of,
    recorded,
    returning,
    rule,
    tick,
    ticks,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

OWN = ABOVE_150.rule_id
MINUTE = 60 * SECOND
LEASE_END = NOW + 5 * SECOND
MARGIN = 5 * SECOND  # after the invocation: clocks differ, and requests are on their way
LEFT_BEHIND = State(
    "AAPL",
    version=1,
    price=Decimal(200),
    position=tick(200).position,
    threshold=Decimal(150),
    bands={"price": ANYWHERE},
    outbox=Outbox(1, (firing(),)),
    lease=Lease("somebody", LEASE_END),
)


@pytest.fixture
def stuck(store: Store) -> State:
    """The stored state of AAPL, whose outbox somebody delivers."""
    return store.commit(State("AAPL"), LEFT_BEHIND)


def cold(
    container: Container, clock: Clock | None = None, high_price: Rule | None = ABOVE_150
) -> Container:
    """Return another container on the same table."""
    return Container(container.table, clock or container.clock, container.topic, high_price)


# --- somebody else delivers ------------------------------------------------------------------


def test_who_finds_a_delivery_looks_often_and_waits_until_it_is_done(
    container: Container, stuck: State
) -> None:
    def clear_at_the_third() -> None:
        if len(container.clock.naps) == 3:
            container.store.commit(stuck, replace(stuck, version=2, outbox=None, lease=None))

    container.clock.on_sleep = clear_at_the_third
    batch = container.process([tick(149, 1)])
    assert (returning(batch), batch.conflicts, len(container.clock.naps)) == (set(), 3, 3)
    assert (container.topic.published, container.store.load("AAPL").price) == ([], Decimal(149))


def test_who_waits_too_long_gives_the_messages_back(container: Container, stuck: State) -> None:
    """Also one whose tick is applied: its firing is under way."""
    batch = container.process([tick(200), tick(149, 1), tick(200, 2, "MSFT")], seconds=30)
    assert (batch.unfinished_message_ids, batch.failures) == ({"m-0", "m-1"}, [])
    assert [firing.symbol for firing in batch.published] == ["MSFT"]
    assert container.store.load("AAPL") == stuck
    naps = container.clock.naps
    assert batch.conflicts == len(naps) + 1
    assert 1 < sum(naps) < 5
    assert max(naps) < 0.1
    assert len(set(naps)) == len(naps)  # spread at random


def test_nobody_waits_beyond_the_time_to_stop(container: Container, stuck: State) -> None:
    batch = container.process([tick(149, 1)], seconds=2)
    assert batch.unfinished_message_ids == {"m-1"}
    assert container.clock.now < NOW + 2 * SECOND


@pytest.mark.parametrize(("now", "is_over"), [(LEASE_END - 1, False), (LEASE_END, True)])
def test_an_outbox_is_delivered_first_once_its_lease_ran_out(
    container: Container, stuck: State, now: int, is_over: bool
) -> None:
    clock, topic = container.clock, container.topic
    clock.now = now
    clock.on_sleep = lambda: setattr(clock, "now", now)
    claims: list[State] = []
    topic.on_publish = lambda when: claims.append(container.store.load("AAPL"))
    batch = container.process([tick(149, 1), tick(300, 2)], owner="me")
    assert bool(batch.published) == is_over
    if is_over:
        lease = Lease("me", now + 10 * SECOND + MARGIN)
        assert claims[0] == replace(stuck, version=2, lease=lease, nonce=claims[0].nonce)
        assert recorded(container.table) == [(OWN, "200.25", True), (OWN, "300", True)]
        assert returning(batch) == set()


def test_a_delivery_of_ones_own_goes_on_without_waiting(container: Container) -> None:
    """So it looks when the answer to a commit was lost."""
    container.store.commit(State("AAPL"), replace(LEFT_BEHIND, lease=Lease("me", LEASE_END)))
    batch = container.process([tick(200)], owner="me")
    assert (returning(batch), container.topic.published) == (set(), [firing().firing_id])
    assert container.clock.naps == []


def test_conflicts_before_a_wait_count_too(container: Container) -> None:
    container.process([tick(100)])
    another = cold(container)

    def leave_behind(_: object) -> None:
        no_answer(container.topic, request=0)
        another.process([tick(200, 1)])

    before_updates(container.table, leave_behind)
    batch = container.process([tick(201, 2)])
    assert batch.conflicts == 1 + len(container.clock.naps) + 1


# --- rules change meanwhile ------------------------------------------------------------------


def test_a_change_of_rules_during_a_delivery_is_kept(container: Container) -> None:
    table, topic = container.table, container.topic
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    topic.on_publish = lambda when: add_rules(table, rule(f"new-{when}", 210))
    batch = container.process([tick(200, 3)])
    assert (returning(batch), batch.conflicts, len(topic.published)) == (set(), 0, 2)
    assert container.store.load("AAPL").outbox is None
    topic.on_publish = lambda when: None
    fired = container.process([tick(220, 4)]).published
    assert [firing.rule_id for firing in fired] == ["new-after", "new-before"]
    # A late tick still has its place: "up" fired at 200 already, and from 101 it does so again.
    late = container.process([tick(110, 1)])
    assert (returning(late), late.late_ticks) == (set(), 0)
    assert [(each.rule_id, each.price) for each in late.published] == [("up", Decimal(110))]


# --- time runs out ---------------------------------------------------------------------------


def pass_time_after(container: Container, requests: int) -> None:
    """Let the time be over after some requests to SNS."""

    def pass_time(when: str) -> None:
        if when == "after" and len(container.topic.requests) == requests:
            container.clock.now += 9 * SECOND

    container.topic.on_publish = pass_time


def at_update(table: Table, number: int, do: Callable[[], object]) -> None:
    """Do something before one of the next updates."""
    updates: list[object] = []

    def before(params: object) -> None:
        updates.append(params)
        if len(updates) == number:
            do()

    before_updates(table, before, times=number)


def throttle() -> None:
    raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")


def test_what_is_done_is_acknowledged_when_time_runs_out_between_commits(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 10)
    path, clock = ticks(*[149, 151] * 15), container.clock
    clearing = 2
    at_update(container.table, clearing, lambda: setattr(clock, "now", clock.now + 9 * SECOND))
    assert returning(container.process(path)) == {f"m-{second}" for second in range(20, 30)}
    assert container.store.load("AAPL").outbox is None
    assert returning(container.process(path[20:])) == set()
    assert len(recorded(container.table)) == 15


@pytest.mark.parametrize("requests", [2, 3], ids=["while publishing", "before clearing"])
@pytest.mark.parametrize("is_released", [True, False])
def test_a_delivery_that_ran_out_of_time_is_finished_by_whoever_comes_next(
    container: Container, requests: int, is_released: bool
) -> None:
    path, clock, topic = ticks(*[149, 151] * 25), container.clock, container.topic
    pass_time_after(container, requests)
    if not is_released:
        at_update(container.table, 2, throttle)
    batch = container.process(path)
    assert batch.unfinished_message_ids == {f"m-{second}" for second in range(50)}
    assert len(topic.published) == len(batch.published) == min(10 * requests, 25)
    if not is_released:
        assert len(returning(cold(container).process(path))) == 50
        clock.now += SECOND + MARGIN
    clock.naps.clear()
    assert (returning(cold(container).process(path)), clock.naps) == (set(), [])
    assert len(set(topic.published)) == len(topic.published) == 25
    assert recorded(container.table) == [(OWN, "151", True)] * 25


def test_a_delivery_goes_on_where_the_last_one_ran_out_of_time(container: Container) -> None:
    table, clock = container.table, container.clock
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(100)))
    cold(container, high_price=None).process([tick(149)])
    updated: Counter[str] = Counter()

    def pass_time(params: Any) -> None:
        key = params["Key"]["sk"]
        updated[key] += key.startswith("RULE#")
        if updated.total() == 50:
            clock.now += 9 * SECOND

    before_updates(table, pass_time, times=1_000)
    for _ in range(2):
        batch = cold(container, high_price=None).process([tick(151, 1)])
        clock.now += SECOND + MARGIN
    assert returning(batch) == set()
    assert (updated.total(), max(updated.values())) == (100, 1)


def test_a_cold_container_gets_on_however_little_time_it_has(container: Container) -> None:
    """If it first read all symbols, nothing would be done for the next try."""
    symbols, clock = [f"S{number}" for number in range(20)], container.clock
    for symbol in symbols:
        state = replace(LEFT_BEHIND, symbol=symbol, outbox=None, lease=None)
        container.store.commit(State(symbol), state)

    def take_time(**_: object) -> None:
        clock.now += SECOND

    container.table.meta.client.meta.events.register("before-call.dynamodb", take_time)
    container.process([tick(200, 1, symbol) for symbol in symbols], seconds=11)
    versions = [container.store.load(symbol).version for symbol in symbols]
    assert versions == [2] * 5 + [1] * 15


# --- SNS rejects, or does not answer ---------------------------------------------------------

# Three firings in one outbox.
PATH = ticks(200, 149, 201, 149, 202)
MESSAGES = {each.position.message_id for each in PATH}


def prices_in(topic: Topic) -> list[list[str]]:
    """Return the prices in each request."""
    return [
        [entry["MessageAttributes"]["price"]["StringValue"] for entry in request]
        for request in (each["PublishBatchRequestEntries"] for each in topic.requests)
    ]


def reject(topic: Topic, price: str, *, times: int = 10**6, for_good: bool = False) -> None:
    """Reject the firing at a price, in some requests; ``times=0`` is no more."""
    last = len(topic.requests) + times

    def is_rejected(firing_id: str) -> bool:
        entries = topic.requests[-1]["PublishBatchRequestEntries"]
        ids = [entry["Id"] for entry in entries]
        at = prices_in(topic)[-1][ids.index(firing_id)]
        return at == price and len(topic.requests) <= last

    topic.refused = is_rejected
    topic.code, topic.is_sender_fault = "InvalidParameter" if for_good else "Throttled", for_good


def no_answer(topic: Topic, *, request: int, when: str = "before") -> None:
    """Let a request to SNS end without an answer, before or after it was executed."""

    def fail(now: str) -> None:
        if now == when and len(topic.requests) == request:
            raise ConnectionError("no answer")

    topic.on_publish = fail


def is_left(container: Container) -> bool:
    state = container.store.load("AAPL")
    return bool(state.outbox or state.step or state.lease)


def test_what_is_rejected_time_and_again_goes_out_after_the_lease(container: Container) -> None:
    topic, table = container.topic, container.table
    reject(topic, "201")
    batch = container.process(PATH)
    assert prices_in(topic) == [["200", "201", "202"], *[["201", "202"]] * 2]
    assert (batch.failed_message_ids, batch.publish_failures) == (MESSAGES, 2)
    assert (recorded(table), is_left(container)) == ([(OWN, "200", True)], True)
    assert returning(container.process(PATH)) == MESSAGES
    topic.requests.clear()
    reject(topic, "201", times=0)
    container.clock.now += MINUTE
    assert (returning(container.process(PATH)), prices_in(topic)) == (set(), [["201", "202"]])
    assert recorded(table) == [(OWN, price, True) for price in ("200", "201", "202")]


@pytest.mark.parametrize("has_time", [True, False])
def test_what_is_rejected_for_good_is_recorded_and_not_tried_again(
    container: Container, has_time: bool
) -> None:
    reject(container.topic, "201", for_good=True)
    if not has_time:
        pass_time_after(container, requests=1)
    batch = container.process(PATH)
    assert returning(batch) == (set() if has_time else MESSAGES)
    assert [firing.price for firing in batch.published] == [200, 202]
    assert [(each.price, reason) for each, reason in batch.undeliverable] == [
        (Decimal(201), "InvalidParameter")
    ]
    container.clock.now += MINUTE
    assert returning(container.process(PATH)) == set()
    assert (len(container.topic.requests), is_left(container)) == (1, False)
    wanted = [(OWN, "200", True), (OWN, "201", False), (OWN, "202", True)]
    assert recorded(container.table) == wanted


def test_an_error_before_anything_was_published_fails_at_once(container: Container) -> None:
    no_answer(container.topic, request=0)
    batch = container.process([tick(200)])
    assert (batch.failed_message_ids, container.clock.naps) == ({"m-0"}, [])
    container.topic.on_publish = lambda when: None
    container.clock.now += MINUTE
    cold(container, high_price=None).process([tick(149, 1)])  # the threshold is switched off
    (item,) = items_of(container.table, "FIRINGS#AAPL")
    assert (item["sent"], item["owner"]) == (True, "stack")


def test_an_error_in_one_of_several_requests_loses_nothing_of_the_others(
    container: Container,
) -> None:
    table, topic = container.table, container.topic
    container = cold(container, high_price=None)
    add_rules(table, *(rule(f"r-{number}", 105) for number in range(30)))
    container.process([tick(100)])

    def fail_once(when: str) -> None:
        if when == "before" and len(topic.requests) == 1:
            topic.on_publish = lambda when: None
            raise ConnectionError("no answer")

    topic.on_publish = fail_once
    assert returning(container.process([tick(110, 1)])) == {"m-1"}
    assert len(recorded(table)) == len(topic.published) == 20
    container.clock.now += MINUTE
    assert returning(container.process([tick(110, 1)])) == set()
    assert len(recorded(table)) == len(topic.published) == len(set(topic.published)) == 30


@pytest.mark.parametrize("has_time", [True, False])
def test_an_error_of_recording_that_stays_fails(container: Container, has_time: bool) -> None:
    if not has_time:
        pass_time_after(container, requests=1)
    fail_calls(container.table, "BatchWriteItem", times=10**6 if has_time else 1)
    batch = container.process(PATH)
    assert (batch.failed_message_ids, batch.unfinished_message_ids) == (MESSAGES, set())
    assert [str(failure.error) for failure in batch.failures] == ["no answer"]
    assert len(container.topic.published) == len(batch.published) == 3
    assert len(container.clock.naps) == (5 if has_time else 0)


def test_a_firing_whose_rule_is_gone_meanwhile_is_published(container: Container) -> None:
    add_rules(container.table, rule("up", 105, owner="me"))
    container.process([tick(100)])
    no_answer(container.topic, request=0)
    container.process([tick(110, 1)])
    container.topic.on_publish = lambda when: None
    container.table.delete_item(Key=rule_key("AAPL", "up"))
    container.clock.now += MINUTE
    assert returning(container.process([tick(110, 1)])) == set()
    (item,) = items_of(container.table, "FIRINGS#AAPL")
    assert (item["rule"], item["sent"], item["owner"]) == ("up", True, "")
