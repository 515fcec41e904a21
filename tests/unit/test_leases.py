"""Leases, refusals and lack of time: nothing is lost, and nobody gets into another's way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts import engine
from price_alerts.state import Firing, Lease, Outbox, State
from price_alerts.store import Store
from price_alerts.watches import ANYWHERE
from tests.unit.doubles import NOW, SECOND, Clock, Container, Topic, firing, tick, ticks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LEASE_END = NOW + 5 * SECOND
STUCK = State(
    "AAPL",
    version=1,
    price=Decimal(200),
    position=tick(200).position,
    threshold=Decimal(150),
    bands={"price": ANYWHERE},
    outbox=Outbox(1, (firing(),)),
    lease=Lease("somebody", LEASE_END),
)
ALL_NAPS = [0.05, 0.1, 0.2, 0.4, 0.8, 0.8]


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


@pytest.fixture
def longest_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 1.0)


@pytest.fixture
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)


def recorded(table: Table) -> list[tuple[str, Any]]:
    """Return price and sent of AAPL's firings in the order of their times."""
    items = sorted(table.scan()["Items"], key=lambda item: str(item["sk"]))
    return [(str(item["price"]), item["sent"]) for item in items if item["pk"] == "FIRINGS#AAPL"]


def prices(firings: Sequence[Firing]) -> list[str]:
    return [str(firing.price) for firing in firings]


@pytest.mark.usefixtures("longest_naps")
def test_who_finds_a_delivery_waits_until_it_is_done(
    container: Container, store: Store, clock: Clock, topic: Topic
) -> None:
    store.commit(State("AAPL"), STUCK)
    cleared = replace(STUCK, version=2, outbox=None, lease=None)

    def clear_at_the_third() -> None:
        if len(clock.naps) == 3:
            store.commit(STUCK, cleared)

    clock.on_sleep = clear_at_the_third
    batch = container.process([tick(149, 1)])
    assert (batch.unfinished_message_ids, clock.naps) == (set(), ALL_NAPS[:3])
    assert (topic.published, store.load("AAPL").price) == ([], Decimal(149))


@pytest.mark.usefixtures("longest_naps")
def test_who_waits_too_long_gives_the_messages_back(
    container: Container, store: Store, clock: Clock, topic: Topic
) -> None:
    store.commit(State("AAPL"), STUCK)
    batch = container.process([tick(149, 1), tick(200, 2)])
    assert (batch.unfinished_message_ids, clock.naps) == ({"m-1", "m-2"}, ALL_NAPS)
    assert (batch.conflicts, batch.failures) == (7, [])
    assert (topic.published, store.load("AAPL")) == ([], STUCK)


@pytest.mark.usefixtures("longest_naps")
def test_nobody_waits_beyond_the_time_to_stop(
    container: Container, store: Store, clock: Clock
) -> None:
    store.commit(State("AAPL"), STUCK)
    batch = container.process([tick(149, 1)], seconds=2)
    assert (batch.unfinished_message_ids, clock.naps) == ({"m-1"}, ALL_NAPS[:5])


def test_a_seen_tick_is_not_acknowledged_while_its_firing_is_under_way(
    container: Container, store: Store
) -> None:
    store.commit(State("AAPL"), STUCK)
    assert container.process([tick(200)]).unfinished_message_ids == {"m-0"}


def test_a_cold_container_gets_on_however_little_time_it_has(
    container: Container, store: Store, table: Table, clock: Clock
) -> None:
    """It must not spend its time on meeting symbols: nothing would be done for the next try."""
    symbols = [f"S{number}" for number in range(20)]
    for symbol in symbols:
        store.commit(State(symbol), replace(STUCK, symbol=symbol, outbox=None, lease=None))

    def take_time(**_: object) -> None:
        clock.now += SECOND

    table.meta.client.meta.events.register("before-call.dynamodb", take_time)
    container.process([tick(200, 1, symbol) for symbol in symbols], seconds=11)
    assert [store.load(symbol).version for symbol in symbols] == [2] * 5 + [1] * 15


def test_waits_are_spread_at_random(
    container: Container, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.25)
    store.commit(State("AAPL"), STUCK)
    container.process([tick(149, 1)])
    assert clock.naps == [nap / 4 for nap in ALL_NAPS]


def test_one_symbols_wait_does_not_hold_up_another(
    container: Container, store: Store, topic: Topic
) -> None:
    store.commit(State("AAPL"), STUCK)
    batch = container.process([tick(149, 1), tick(200, 2, "MSFT")])
    assert batch.unfinished_message_ids == {"m-1"}
    assert [firing.symbol for firing in batch.published] == ["MSFT"]


@pytest.mark.usefixtures("no_naps")
def test_an_outbox_whose_lease_ran_out_is_delivered_first(
    container: Container, store: Store, clock: Clock, table: Table
) -> None:
    store.commit(State("AAPL"), STUCK)
    clock.now = LEASE_END
    batch = container.process([tick(149, 1), tick(300, 2)])
    assert prices(batch.published) == ["200.25", "300"]
    assert recorded(table) == [("200.25", True), ("300", True)]
    assert batch.unfinished_message_ids == set()


@pytest.mark.usefixtures("no_naps")
def test_a_lease_holds_to_its_last_microsecond(
    container: Container, store: Store, clock: Clock
) -> None:
    store.commit(State("AAPL"), STUCK)
    clock.now = LEASE_END - 1
    assert container.process([tick(149, 1)]).unfinished_message_ids == {"m-1"}


def test_an_outbox_is_claimed_before_it_is_delivered(
    container: Container, store: Store, clock: Clock, topic: Topic
) -> None:
    store.commit(State("AAPL"), STUCK)
    clock.now = LEASE_END
    claims: list[State] = []
    topic.on_publish = lambda when: claims.append(store.load("AAPL"))
    container.process([tick(149, 1)], owner="me")
    lease = Lease("me", LEASE_END + 11 * SECOND)
    assert claims[0] == replace(STUCK, version=2, lease=lease)


def test_a_delivery_of_ones_own_goes_on_without_waiting(
    container: Container, store: Store, clock: Clock, topic: Topic
) -> None:
    """So it looks when the answer to a commit was lost and the SDK sent it again."""
    store.commit(State("AAPL"), replace(STUCK, lease=Lease("me", LEASE_END)))
    batch = container.process([tick(200)], owner="me")
    assert (batch.unfinished_message_ids, topic.published) == (set(), [firing().firing_id])
    assert clock.naps == []


def test_a_lease_lasts_as_long_as_the_invocation_and_a_second(
    container: Container, store: Store, topic: Topic
) -> None:
    leases: list[Lease | None] = []
    topic.on_publish = lambda when: leases.append(store.load("AAPL").lease)
    container.process([tick(200)], seconds=30, owner="me")
    assert leases[0] == Lease("me", NOW + 31 * SECOND)


def test_a_refused_announcement_keeps_the_outbox_and_the_messages(
    container: Container, store: Store, topic: Topic, table: Table
) -> None:
    topic.refused = lambda firing_id: True
    batch = container.process([tick(200)])
    assert (batch.unfinished_message_ids, batch.published) == ({"m-0"}, [])
    assert [str(failure.error) for failure in batch.failures] == ["1 of 1 refused"]
    outbox = store.load("AAPL").outbox
    assert outbox
    assert prices(outbox.firings) == ["200"]
    assert recorded(table) == [("200", False)]


def test_after_the_lease_only_what_was_refused_is_announced(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    path = ticks(200, 149, 201, 149, 202)
    answers = iter([False, True, False, True, True])
    topic.refused = lambda firing_id: next(answers)
    first_time = prices(container.process(path).announced)
    topic.refused = lambda firing_id: False
    clock.now += 11 * SECOND
    second_time = prices(container.process(path).announced)
    assert (first_time, second_time) == (["200", "202"], ["201"])
    assert recorded(table) == [("200", True), ("201", True), ("202", True)]


def pass_time_after(topic: Topic, clock: Clock, requests: int) -> None:
    def pass_time(when: str) -> None:
        if when == "after" and len(topic.requests) == requests:
            clock.now += 9 * SECOND

    topic.on_publish = pass_time


def test_what_is_done_is_acknowledged_when_time_runs_out_between_portions(
    container: Container, clock: Clock, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 10)
    path = ticks(*[149, 151] * 15)
    pass_time_after(topic, clock, requests=1)
    batch = container.process(path)
    assert batch.unfinished_message_ids == {f"m-{second}" for second in range(20, 30)}
    assert container.store.load("AAPL").outbox is None
    container.process(path[20:])
    assert len(set(topic.published)) == len(topic.published) == 15


def test_a_delivery_that_ran_out_of_time_is_finished_after_its_lease(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    path = ticks(*[149, 151] * 25)
    pass_time_after(topic, clock, requests=2)
    batch = container.process(path)
    assert batch.unfinished_message_ids == {f"m-{second}" for second in range(50)}
    assert len(topic.published) == len(batch.published) == 20
    clock.now += 2 * SECOND
    assert container.process(path).unfinished_message_ids == set()
    assert len(set(topic.published)) == len(topic.published) == len(recorded(table)) == 25
