"""Leases and lack of time: nothing is lost, and nobody is in another's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts.adapters.store import Store
from price_alerts.domain import engine
from price_alerts.domain.state import Firing, Lease, Outbox, State
from price_alerts.domain.watches import ANYWHERE
from tests.unit.doubles import (
    NOW,
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    before_updates,
    firing,
    items_of,
    returning,
    rule,
    tick,
    ticks,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LEASE_END = NOW + 5 * SECOND
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
# After the invocation: clocks differ, and requests are on their way.
MARGIN = 5 * SECOND


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


@pytest.fixture
def stuck(store: Store) -> State:
    """The stored state of AAPL, whose outbox somebody delivers."""
    return store.commit(State("AAPL"), LEFT_BEHIND)


def recorded(table: Table) -> list[tuple[str, Any]]:
    """Return price and sent of AAPL's firings in the order of their times."""
    return [(str(item["price"]), item["sent"]) for item in items_of(table, "FIRINGS#AAPL")]


def prices(firings: Sequence[Firing]) -> list[str]:
    return [str(firing.price) for firing in firings]


def test_who_finds_a_delivery_waits_until_it_is_done(
    container: Container, store: Store, clock: Clock, topic: Topic, stuck: State
) -> None:
    def clear_at_the_third() -> None:
        if len(clock.naps) == 3:
            store.commit(stuck, replace(stuck, version=2, outbox=None, lease=None))

    clock.on_sleep = clear_at_the_third
    batch = container.process([tick(149, 1)])
    assert (returning(batch), len(clock.naps)) == (set(), 3)
    assert (topic.published, store.load("AAPL").price) == ([], Decimal(149))


def test_who_waits_too_long_gives_the_messages_back(
    container: Container, store: Store, topic: Topic, stuck: State
) -> None:
    batch = container.process([tick(149, 1), tick(200, 2)])
    assert (batch.unfinished_message_ids, batch.failures) == ({"m-1", "m-2"}, [])
    assert (topic.published, store.load("AAPL")) == ([], stuck)


def test_each_look_at_a_delivery_is_a_conflict(
    container: Container, clock: Clock, stuck: State
) -> None:
    assert container.process([tick(149, 1)]).conflicts == len(clock.naps) + 1


def test_a_wait_is_a_matter_of_a_few_seconds(
    container: Container, clock: Clock, stuck: State
) -> None:
    container.process([tick(149, 1)])
    assert 1 < sum(clock.naps) < 5
    assert max(clock.naps) < 1


def test_nobody_waits_beyond_the_time_to_stop(
    container: Container, clock: Clock, stuck: State
) -> None:
    batch = container.process([tick(149, 1)], seconds=2)
    assert batch.unfinished_message_ids == {"m-1"}
    assert clock.now - NOW < 2 * SECOND


def test_waits_are_spread_at_random(container: Container, clock: Clock, stuck: State) -> None:
    container.process([tick(149, 1)])
    assert len(set(clock.naps)) == len(clock.naps)


def test_a_seen_tick_is_not_acknowledged_while_its_firing_is_under_way(
    container: Container, stuck: State
) -> None:
    assert container.process([tick(200)]).unfinished_message_ids == {"m-0"}


def test_a_cold_container_gets_on_however_little_time_it_has(
    container: Container, store: Store, table: Table, clock: Clock
) -> None:
    """It must not spend its time on meeting symbols: nothing would be done for the next try."""
    symbols = [f"S{number}" for number in range(20)]
    for symbol in symbols:
        store.commit(State(symbol), replace(LEFT_BEHIND, symbol=symbol, outbox=None, lease=None))

    def take_time(**_: object) -> None:
        clock.now += SECOND

    table.meta.client.meta.events.register("before-call.dynamodb", take_time)
    container.process([tick(200, 1, symbol) for symbol in symbols], seconds=11)
    assert [store.load(symbol).version for symbol in symbols] == [2] * 5 + [1] * 15


def test_one_symbols_wait_does_not_hold_up_another(container: Container, stuck: State) -> None:
    batch = container.process([tick(149, 1), tick(200, 2, "MSFT")])
    assert batch.unfinished_message_ids == {"m-1"}
    assert [firing.symbol for firing in batch.published] == ["MSFT"]


def test_an_outbox_whose_lease_ran_out_is_delivered_first(
    container: Container, clock: Clock, table: Table, stuck: State
) -> None:
    clock.now = LEASE_END
    batch = container.process([tick(149, 1), tick(300, 2)])
    assert prices(batch.published) == ["200.25", "300"]
    assert recorded(table) == [("200.25", True), ("300", True)]
    assert returning(batch) == set()


def test_a_lease_holds_to_its_last_microsecond(
    container: Container, clock: Clock, stuck: State
) -> None:
    clock.now = LEASE_END - 1
    clock.on_sleep = lambda: setattr(clock, "now", LEASE_END - 1)
    assert container.process([tick(149, 1)]).unfinished_message_ids == {"m-1"}


def test_an_outbox_is_claimed_before_it_is_delivered(
    container: Container, store: Store, clock: Clock, topic: Topic, stuck: State
) -> None:
    clock.now = LEASE_END
    claims: list[State] = []
    topic.on_publish = lambda when: claims.append(store.load("AAPL"))
    container.process([tick(149, 1)], owner="me")
    (claim, *_) = claims
    lease = Lease("me", LEASE_END + 10 * SECOND + MARGIN)
    assert claim == replace(stuck, version=2, lease=lease, nonce=claim.nonce)


def test_of_two_that_find_an_old_outbox_one_delivers_it(
    table: Table, clock: Clock, topic: Topic, stuck: State
) -> None:
    container, another = (Container(table, clock, topic) for _ in range(2))
    clock.now = LEASE_END
    before_updates(table, lambda _: another.process([], symbols=["AAPL"]))
    batch = container.process([tick(149, 1)])
    assert (returning(batch), topic.published) == (set(), [firing().firing_id])


def test_a_delivery_of_ones_own_goes_on_without_waiting(
    container: Container, store: Store, clock: Clock, topic: Topic
) -> None:
    """So it looks when the answer to a commit was lost."""
    store.commit(State("AAPL"), replace(LEFT_BEHIND, lease=Lease("me", LEASE_END)))
    batch = container.process([tick(200)], owner="me")
    assert (returning(batch), topic.published) == (set(), [firing().firing_id])
    assert clock.naps == []


def test_a_lease_lasts_as_long_as_the_invocation_and_a_margin(
    container: Container, store: Store, topic: Topic
) -> None:
    leases: list[Lease | None] = []
    topic.on_publish = lambda when: leases.append(store.load("AAPL").lease)
    container.process([tick(200)], seconds=30, owner="me")
    assert leases[0] == Lease("me", NOW + 30 * SECOND + MARGIN)


def test_an_outbox_of_ones_own_is_continued_after_a_change_of_rules(
    container: Container, table: Table, store: Store, topic: Topic
) -> None:
    container.process([tick(100)])

    def change_rules(when: str) -> None:
        if when == "after":
            add_rules(table, rule("new", 210))

    topic.on_publish = change_rules
    batch = container.process([tick(200, 1)])
    assert (returning(batch), batch.conflicts, len(topic.published)) == (set(), 0, 1)
    assert store.load("AAPL").outbox is None
    topic.on_publish = lambda when: None
    fired = container.process([tick(220, 2)]).published
    assert [firing.rule_id for firing in fired] == ["new"]


def test_a_change_of_rules_between_claim_and_clearing_leaves_late_ticks_their_places(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    topic.on_publish = lambda when: add_rules(table, rule(f"new-{when}", 900))
    container.process([tick(200, 3)])
    topic.on_publish = lambda when: None
    batch = container.process([tick(110, 1)])
    # It fired at 200 already; from 101 it does so again.
    assert (returning(batch), batch.late_ticks) == (set(), 0)
    assert prices(batch.published) == ["110"]


def refuse_updates(table: Table, after: int) -> None:
    """Let one update fail, after some that do not."""

    def refuse(_: object) -> None:
        updates.append(_)
        if len(updates) > after:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")

    updates: list[object] = []
    before_updates(table, refuse, times=after + 1)


def pass_time_after(topic: Topic, clock: Clock, requests: int) -> None:
    def pass_time(when: str) -> None:
        if when == "after" and len(topic.requests) == requests:
            clock.now += 9 * SECOND

    topic.on_publish = pass_time


def test_what_is_done_is_acknowledged_when_time_runs_out_between_commits(
    container: Container, table: Table, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 10)
    path = ticks(*[149, 151] * 15)
    updates: list[Any] = []

    def pass_time(params: Any) -> None:
        updates.append(params)
        if len(updates) == 2:  # the first outbox is cleared
            clock.now += 9 * SECOND

    before_updates(table, pass_time, times=2)
    batch = container.process(path)
    assert returning(batch) == {f"m-{second}" for second in range(20, 30)}
    assert container.store.load("AAPL").outbox is None
    assert returning(container.process(path[20:])) == set()
    assert len(recorded(table)) == 15


def test_a_delivery_that_ran_out_of_time_is_finished_after_its_lease(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    path = ticks(*[149, 151] * 25)
    pass_time_after(topic, clock, requests=2)
    batch = container.process(path)
    assert batch.unfinished_message_ids == {f"m-{second}" for second in range(50)}
    assert len(topic.published) == len(batch.published) == 20
    clock.now += SECOND + MARGIN
    assert returning(container.process(path)) == set()
    assert len(set(topic.published)) == len(topic.published) == len(recorded(table)) == 25


def test_who_has_no_time_left_to_clear_an_outbox_leaves_it(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    pass_time_after(topic, clock, requests=1)
    assert container.process([tick(200)]).unfinished_message_ids == {"m-0"}
    clock.now += SECOND + MARGIN
    assert returning(container.process([tick(200)])) == set()
    assert (len(topic.published), recorded(table)) == (1, [("200", True)])


def test_who_runs_out_of_time_lets_others_deliver_at_once(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    path = ticks(*[149, 151] * 25)
    pass_time_after(topic, clock, requests=2)
    container.process(path)
    again = Container(table, clock, topic).process(path)
    assert (returning(again), clock.naps) == (set(), [])
    assert len(set(topic.published)) == len(topic.published) == 25


def test_where_letting_go_of_a_lease_fails_it_runs_out(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    pass_time_after(topic, clock, requests=1)
    refuse_updates(table, after=1)
    assert container.process([tick(200)]).unfinished_message_ids == {"m-0"}
    assert container.process([tick(200)]).unfinished_message_ids == {"m-0"}
    clock.now += SECOND + MARGIN
    assert returning(container.process([tick(200)])) == set()
    assert (len(topic.published), recorded(table)) == (1, [("200", True)])


def test_a_change_of_rules_while_a_lease_is_let_go_is_kept(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    container.process([tick(100)])
    pass_time_after(topic, clock, requests=1)
    updates: list[object] = []

    def change_rules_at_the_second(params: object) -> None:
        updates.append(params)
        if len(updates) == 2:
            add_rules(table, rule("new", 210))

    before_updates(table, change_rules_at_the_second, times=2)
    container.process([tick(200, 1)])
    clock.now += SECOND + MARGIN
    fired = container.process([tick(220, 2)]).published
    assert [firing.rule_id for firing in fired] == ["new"]


def test_a_symbol_whose_lease_cannot_be_let_go_does_not_harm_another(
    container: Container, clock: Clock, topic: Topic, table: Table
) -> None:
    def change_rules_with_newer_code(when: str) -> None:
        if when == "after":
            clock.now += 9 * SECOND
            table.update_item(
                Key={"pk": "SYMBOL#AAPL", "sk": "STATE"},
                UpdateExpression="SET version = version + :one, #schema = :newer",
                ExpressionAttributeNames={"#schema": "schema"},
                ExpressionAttributeValues={":one": 1, ":newer": 99},
            )

    topic.on_publish = change_rules_with_newer_code
    batch = container.process([tick(5, 0, "GOOD", "m-good"), tick(200)])
    assert "m-0" in returning(batch)


def test_a_delivery_goes_on_where_the_last_one_ran_out_of_time(
    table: Table, clock: Clock, topic: Topic
) -> None:
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(100)))
    Container(table, clock, topic, high_price=None).process([tick(149)])
    updated: Counter[str] = Counter()

    def pass_time(params: Any, **_: Any) -> None:
        key = params["Key"]["sk"]
        if key.startswith("RULE#"):
            updated[key] += 1
            if len(updated) == 50:
                clock.now += 9 * SECOND

    table.meta.client.meta.events.register_first(
        "before-parameter-build.dynamodb.UpdateItem", pass_time
    )
    for _ in range(2):
        container = Container(table, clock, topic, high_price=None)
        batch = container.process([tick(151, 1)])
        clock.now += SECOND + MARGIN
    assert returning(batch) == set()
    assert (len(updated), set(updated.values())) == (100, {1})
