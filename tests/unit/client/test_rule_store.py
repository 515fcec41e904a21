from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.client.rule_store import RuleStore
from lib.formats.errors import CliError
from lib.formats.words import SetAside
from price_alerts.adapters.items import (
    claim_key,
    new_rule_key,
    rule_item,
    rule_key,
    state_key,
    watch_items,
)
from price_alerts.adapters.store import Store
from price_alerts.domain.conditions import RuleError, Side
from price_alerts.domain.progress import NO_TRAIL, Announced, Progress, Status, Trail
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.ticks import Position
from tests.unit.client.doubles import answer_with, refusal
from tests.unit.doubles import (
    NOW,
    SECOND,
    Clock,
    Container,
    Topic,
    create_table,
    former_item,
    items_of,
    tick,
)
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ABOVE = rule("above 200", "above-200", trigger=Trigger.ONCE)
CROSSES = rule("crosses 200 rearm 1", "crosses-200")
FALLS = rule("falls 5% within 1h", "falls", trigger=Trigger.ONCE)
MICROSOFT = replace(ABOVE, rule_id="msft", symbol="MSFT")
OTHER = replace(CROSSES, rule_id="above-200")
DAY = 86_400 * SECOND
FIRED = Progress(Status.TRIGGERED, None, 1_000_000, "f-1")
LAST = Position(5_000_000, 0, 0, "m-5", 0)
EARLIER = Position(4_000_000, 0, 0, "m-4", 0)
POSITION: dict[str, Any] = {"timestamp_microseconds": 5_000_000, "message_id": "m-5"}
POSITION |= {"price": 150, "message_ordinal": 0}

CHANGES = pytest.mark.parametrize("change", ["add", "edit", "pause", "resume", "remove"])
ENDS = pytest.mark.parametrize("change", ["pause", "remove"])


class Naps:
    """Sleeps by doing what a test asks for, and remembers for how long it would have slept."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.then: Callable[[], object] = lambda: None

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.then()


class Bench(RuleStore):
    """A rule store with its table at hand, and with naps instead of sleep."""

    def __init__(self, table: Table, **more: Any) -> None:
        self.table, self.naps = table, Naps()
        super().__init__(table, self.naps, **more)


@pytest.fixture
def store(alerts: Table) -> Bench:
    return Bench(alerts)


def prepare(store: RuleStore, change: str, changed: Rule = ABOVE) -> None:
    """Add what a change needs."""
    if change != "add":
        store.add(changed)
    if change == "resume":
        store.pause(changed.rule_id)


def make(store: RuleStore, change: str, changed: Rule = ABOVE) -> None:
    if change == "add":
        store.add(changed)
    elif change == "edit":
        store.edit(changed.rule_id, lambda rule: replace(rule, note="sell"))
    else:
        getattr(store, change)(changed.rule_id)


def state(table: Table, symbol: str = "AAPL") -> dict[str, Any]:
    """A symbol's state, without what is different each time, and what lists each of them."""
    item = table.get_item(Key=state_key(symbol)).get("Item", {})
    return {name: value for name, value in item.items() if name not in ("nonce", "rule_id")}


def put_state(table: Table, **attributes: Any) -> None:
    table.put_item(Item={**state_key("AAPL"), "version": 7, **attributes})


def bare(rules: Iterable[Rule | SetAside]) -> list[Rule | SetAside]:
    """Rules without when they took effect."""
    return [replace(r, since=None, revision=0) if isinstance(r, Rule) else r for r in rules]


def index_keys(table: Table) -> list[tuple[Any, Any]]:
    return sorted((item["pk"], item["sk"]) for item in items_of(table, "WATCH#"))


def before_each_transaction(table: Table, *happenings: Callable[[], object]) -> None:
    """Have something happen between the reading and the writing of a change, once each."""
    left = iter(happenings)
    answer_with(
        table.meta.client, "TransactWriteItems", lambda _: (next(left, lambda: None)(), None)[1]
    )


def cancelled(*codes: str) -> dict[str, Any]:
    """The answer to a transaction that was cancelled for these reasons, one for each action."""
    reasons = [{"Code": code} for code in codes]
    return {**refusal("TransactionCanceledException"), "CancellationReasons": reasons}


# --- rules come, change and go -----------------------------------------------------------

_changes = st.tuples(
    st.sampled_from(["add", "add", "edit", "pause", "resume", "remove"]),
    st.sampled_from("abc"),
    st.sampled_from([ABOVE, CROSSES, FALLS, MICROSOFT]),
)


@given(st.lists(_changes, max_size=12))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changes_leave_what_a_dictionary_of_rules_would_hold(
    aws: None, changes: list[tuple[str, str, Rule]]
) -> None:
    table = create_table("alerts")
    store = Bench(table)
    kept: dict[str, Rule] = {}
    versions = {"AAPL": 0, "MSFT": 0}
    for change, rule_id, added in changes:
        there = kept.get(rule_id)
        status = there.progress.status if there else None
        wrong: type[Exception] | None = None
        if (change == "add") == bool(there):
            wrong = CliError
        elif (change, status) in {("pause", Status.PAUSED), ("resume", Status.ACTIVE)}:
            wrong = RuleError
        now = there or replace(added, rule_id=rule_id)
        if change == "edit":
            now = replace(now, terms=added.terms, trigger=added.trigger, note=added.symbol)
        with pytest.raises(wrong) if wrong else nullcontext():
            if change == "edit":
                store.edit(rule_id, partial(_instead, now))
            else:
                make(store, change, now)
        if wrong:
            continue
        versions[now.symbol] += 1
        stays = change == "pause" or (change == "edit" and status is Status.PAUSED)
        becomes = Progress(Status.PAUSED if stays else Status.ACTIVE)
        kept[rule_id] = replace(now, progress=becomes, revision=versions[now.symbol])
        if change == "remove":
            del kept[rule_id]
    listed = sorted(kept.values(), key=lambda each: (each.symbol, each.rule_id))
    assert list(store.rules()) == listed == [*store.rules("AAPL"), *store.rules("MSFT")]
    assert {symbol: state(table, symbol).get("version", 0) for symbol in versions} == versions
    active = [each for each in listed if each.progress.status is Status.ACTIVE]
    entries = [(item["pk"], item["sk"]) for each in active for item in watch_items(each)]
    assert index_keys(table) == sorted(entries)
    table.delete()


def _instead(wanted: Rule, _: Rule) -> Rule:
    return wanted


def seen(store: Bench, watched: Rule, progress: Progress) -> None:
    """Put a rule into the table as a price left it."""
    store.add(watched)
    there = store.find(watched.rule_id)
    store.table.put_item(Item=rule_item(replace(there, progress=progress)))
    store.table.delete_item(Key=new_rule_key(watched.symbol, watched.rule_id))


DISARMED = Progress(Status.ACTIVE, Side.HIGH, 1_000_000, "f-1")


@pytest.mark.parametrize("progress", [DISARMED, FIRED, Progress(Status.PAUSED)], ids=str)
def test_a_rule_with_other_texts_or_another_expiry_goes_on(
    store: Bench, progress: Progress
) -> None:
    seen(store, CROSSES, progress)
    before = index_keys(store.table)
    there = store.find("crosses-200")
    changed = replace(there, note="sell", owner="me", expires_at_microseconds=NOW + DAY)
    after = store.edit("crosses-200", lambda _: changed)
    assert after == store.find("crosses-200") == replace(changed, revision=2)
    assert index_keys(store.table) == before
    items = [*items_of(store.table, "WATCH#"), *items_of(store.table, "RULE_ID#")]
    expiries = {item.get("expires_at_epoch") for item in items}
    epoch = rule_item(after)["expires_at_epoch"]
    assert expiries == ({epoch} if progress is DISARMED else {None, epoch})


@pytest.mark.parametrize("change", [{"terms": ABOVE.terms}, {"cooldown_seconds": 9}], ids=str)
@pytest.mark.parametrize("progress", [DISARMED, FIRED], ids=str)
def test_a_rule_that_triggers_otherwise_starts_over_with_its_cooldown(
    store: Bench, progress: Progress, change: dict[str, Any]
) -> None:
    seen(store, CROSSES, progress)
    put_state(store.table, **POSITION)
    after = store.edit("crosses-200", lambda rule: replace(rule, **change))
    assert after.progress == replace(progress, status=Status.ACTIVE, disarmed=None)
    assert (store.find("crosses-200"), after.since) == (after, LAST)
    entries = [(item["pk"], item["sk"]) for item in watch_items(after)]
    assert index_keys(store.table) == sorted(entries)


def test_a_rule_that_has_seen_no_price_is_still_new_with_another_note(store: Bench) -> None:
    store.add(ABOVE)
    before = index_keys(store.table)
    make(store, "edit")
    assert index_keys(store.table) == before


@pytest.mark.parametrize(
    ("added", "keys"),
    [
        (ABOVE, [("WATCH#AAPL#new", "above-200"), ("WATCH#AAPL#price", "2022#above-200")]),
        (
            CROSSES,
            [
                ("WATCH#AAPL#price", "202199#crosses-200"),
                ("WATCH#AAPL#price", "2022#crosses-200"),
                ("WATCH#AAPL#price", "202201#crosses-200"),
            ],
        ),
        (FALLS, [("WATCH#AAPL#fall-1h-percent", "2005#falls"), ("WATCH#AAPL#new", "falls")]),
    ],
)
def test_only_an_active_rule_is_watched(
    store: Bench, added: Rule, keys: list[tuple[str, str]]
) -> None:
    store.add(added)
    assert index_keys(store.table) == keys
    store.pause(added.rule_id)
    assert index_keys(store.table) == []
    store.resume(added.rule_id)
    assert index_keys(store.table) == keys
    assert bare([store.remove(added.rule_id)]) == [added]
    assert index_keys(store.table) == []


@CHANGES
def test_every_change_raises_the_version_and_forgets_the_band(store: Bench, change: str) -> None:
    """It forgets `past` as well: the release before does not see when rules took effect."""
    prepare(store, change)
    put_state(store.table, price=150, band={"price": [None, 200]}, past={"ticks": []})
    make(store, change)
    assert state(store.table) == {**state_key("AAPL"), "schema": 3, "version": 8, "price": 150}


@CHANGES
def test_the_window_of_an_active_rule_is_kept(store: Bench, change: str) -> None:
    prepare(store, change, FALLS)
    put_state(store.table)
    make(store, change, FALLS)
    assert ("fall-1h" in state(store.table)) == (change in {"add", "edit", "resume"})
    put_state(store.table, **{"fall-1h": [[5, 100]]})
    by_day = replace(FALLS, rule_id="by-day", terms=replace(FALLS.terms, window="1d"))
    store.add_all([by_day, replace(FALLS, rule_id="again")], lambda _rules: None)
    assert (state(store.table)["fall-1h"], state(store.table)["fall-1d"]) == ([[5, 100]], [])


HIGH = Progress(Status.ACTIVE, Side.HIGH, 1_000_000, "f-1")
TRAIL = Trail(((LAST, Progress()),), (Announced(LAST, LAST),))


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("resume", FIRED, replace(FIRED, status=Status.ACTIVE)),
        ("resume", replace(HIGH, status=Status.PAUSED), replace(HIGH, disarmed=None)),
        ("resume", replace(FIRED, trail=TRAIL), replace(FIRED, status=Status.ACTIVE)),
        ("pause", HIGH, replace(HIGH, status=Status.PAUSED)),
    ],
)
def test_a_resumed_rule_is_armed_again_and_a_paused_one_is_as_it_was(
    store: Bench, change: str, before: Progress, after: Progress
) -> None:
    store.table.put_item(Item=rule_item(replace(CROSSES, progress=before)))
    changed = getattr(store, change)("crosses-200")
    assert changed == store.find("crosses-200")
    assert changed.progress == after
    assert changed.progress.trail == NO_TRAIL


def test_many_rules_are_added_in_few_transactions(store: Bench) -> None:
    largest = rule("outside 90 110 rearm 1%")
    rules = [replace(largest, rule_id=f"r-{number:02}") for number in range(30)]
    added: list[list[Rule]] = []
    store.add_all([*rules, MICROSOFT], lambda portion: added.append(list(portion)))
    assert [len(portion) for portion in added] == [14, 14, 2, 1]
    assert bare(store.rules()) == [*rules, MICROSOFT] == [each for some in added for each in some]
    assert (state(store.table)["version"], store.naps.seconds) == (3, [])


def test_many_rules_leave_prices_their_turn(store: Bench) -> None:
    before_each_transaction(store.table, lambda: None, lambda: put_state(store.table, version=50))
    rules = [replace(ABOVE, rule_id=f"r-{number:02}") for number in range(30)]
    store.add_all(rules, lambda _rules: None)
    [seconds] = store.naps.seconds
    assert 0.02 <= seconds <= 0.04


# --- when a rule takes effect ------------------------------------------------------------


@pytest.mark.parametrize("change", ["add", "resume"])
@pytest.mark.parametrize("position", [{}, POSITION])
def test_a_rule_takes_effect_after_its_symbols_last_tick(
    store: Bench, change: str, position: dict[str, Any]
) -> None:
    if change == "resume":
        before = replace(ABOVE, since=EARLIER, progress=Progress(Status.PAUSED))
        store.table.put_item(Item=rule_item(before))
    put_state(store.table, **position)
    make(store, change)
    assert store.find("above-200").since == (LAST if position else None)
    assert store.find("above-200").revision == 8
    put_state(store.table, version=8, **POSITION | {"timestamp_microseconds": 6_000_000})
    assert store.pause("above-200").since == (LAST if position else None)


def test_a_late_tick_is_put_in_its_place_after_a_change_of_rules(store: Bench) -> None:
    """It fires the rule that was there, and not the one that was added after it."""
    container = Container(store.table, Clock(), topic := Topic(), None)
    store.add(CROSSES)
    container.process([tick(100, 0), tick(110, 10)])
    before = Store(store.table).load("AAPL").recent
    store.add(replace(CROSSES, rule_id="after"))
    assert Store(store.table).load("AAPL").recent == before is not None
    container.process([tick(210, 5)])
    assert topic.published == [store.find("crosses-200").progress.last_firing_id]
    assert store.find("after").progress == Progress()
    put_state(
        store.table, **POSITION, recent={"ticks": '[[4000000,"=m-4",0,"100"]]'}, recent_version=6
    )
    store.pause("after")  # the release before has counted the version up without them
    assert Store(store.table).load("AAPL").recent is None


# --- ids ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there",
    [
        pytest.param([claim_key("above-200") | {"symbol": "AAPL"}], id="claimed"),
        pytest.param([rule_item(ABOVE)], id="not claimed"),
        pytest.param([former_item(ABOVE)], id="of the release before"),
        pytest.param([rule_key("AAPL", "above-200")], id="set aside"),
    ],
)
def test_an_id_is_used_once(store: Bench, there: list[Any]) -> None:
    for item in there:
        store.table.put_item(Item=item)
    before = list(store.rules())
    for add in (store.add, lambda added: store.add_all([FALLS, added], lambda _: None)):
        with pytest.raises(CliError, match="there is already a rule above-200, for AAPL: choose"):
            add(OTHER)
    assert list(store.rules()) == before


def test_an_id_that_is_freed_meanwhile_can_be_used(
    store: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(MICROSOFT)
    read = store.table.meta.client.batch_get_item

    def remove_first(**request: Any) -> Any:
        monkeypatch.undo()
        store.remove("msft")
        return read(**request)

    monkeypatch.setattr(store.table.meta.client, "batch_get_item", remove_first)
    store.add(replace(CROSSES, rule_id="msft"))
    assert bare(store.rules()) == [replace(CROSSES, rule_id="msft")]


@pytest.mark.parametrize("swept", [[], [rule_key("AAPL", "above-200")], [claim_key("above-200")]])
@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_a_rule_is_kept_for_30_days_after_its_expiry(
    alerts: Table, symbol: str, swept: list[Any]
) -> None:
    """DynamoDB takes its time to sweep it away, item by item."""
    expiring = replace(ABOVE, expires_at_microseconds=NOW)
    Bench(alerts, clock=lambda: NOW - 1).add(expiring)
    store = Bench(alerts, clock=lambda: NOW + 30 * DAY)
    assert bare(store.rules()) == [expiring] == bare([store.find("above-200")])
    with pytest.raises(CliError, match="there is already a rule above-200"):
        store.add(ABOVE)
    for key in swept:
        alerts.delete_item(Key=key)
    store = Bench(alerts, clock=lambda: NOW + 30 * DAY + SECOND)
    assert list(store.rules()) == list(store.rules("AAPL")) == []
    with pytest.raises(CliError, match="there is no rule above-200: alerts list shows all rules"):
        store.find("above-200")
    other = replace(OTHER, symbol=symbol)
    assert store.missing([other]) == [other]
    store.add(other)
    assert bare(store.rules()) == bare([store.find("above-200")]) == [other]


def test_an_id_may_become_free_between_the_attempt_and_the_look(alerts: Table) -> None:
    Bench(alerts, clock=lambda: NOW - 1).add(replace(ABOVE, expires_at_microseconds=NOW))
    seconds = iter([NOW + 30 * DAY, *[NOW + 30 * DAY + SECOND] * 99])
    store = Bench(alerts, clock=lambda: next(seconds))
    store.add(OTHER)
    assert bare(store.rules()) == [OTHER]


def test_an_expiry_that_is_no_number_is_none(store: Bench) -> None:
    store.table.put_item(Item=rule_item(ABOVE) | {"expires_at_epoch": "soon"})
    assert store.find("above-200") == ABOVE


def test_rules_that_are_there_are_not_missing_whatever_their_progress(store: Bench) -> None:
    store.add(replace(ABOVE, expires_at_microseconds=2_000_000_000 * SECOND))
    store.add(replace(CROSSES, progress=HIGH))
    assert store.missing([CROSSES, MICROSOFT, ABOVE, FALLS]) == [MICROSOFT, FALLS]
    for wanted in (replace(ABOVE, symbol="MSFT"), replace(ABOVE, note="other")):
        with pytest.raises(CliError, match="there is already a rule above-200, for AAPL: choose"):
            store.missing([MICROSOFT, wanted])


def test_a_rule_is_found_without_its_claim(store: Bench) -> None:
    """It was added before ids were claimed; the index follows the table a second later."""
    store.add(ABOVE)
    store.table.delete_item(Key=claim_key("above-200"))
    assert bare([store.find("above-200")]) == [ABOVE]
    read = store.table.query

    def query(**request: Any) -> Any:
        answer = read(**request)
        store.table.delete_item(Key=rule_key("AAPL", "above-200"))
        return answer

    store.table.query = query  # type: ignore[method-assign]  # only this table's, for this test
    with pytest.raises(CliError, match="there is no rule above-200"):
        store.find("above-200")


def test_a_claim_without_its_rule_is_no_rule(store: Bench) -> None:
    store.table.put_item(Item=claim_key("above-200") | {"symbol": "AAPL"})
    with pytest.raises(CliError, match="there is no rule above-200"):
        store.find("above-200")


def test_a_rule_of_the_release_before_is_changed_where_it_is(store: Bench) -> None:
    store.table.put_item(Item=former_item(replace(ABOVE, revision=1)))
    assert bare(store.rules()) == bare(store.rules("AAPL")) == [ABOVE]
    assert store.missing([ABOVE]) == []
    assert store.pause("above-200").progress.status is Status.PAUSED
    assert store.resume("above-200").progress == ABOVE.progress
    assert bare([store.remove("above-200")]) == [ABOVE]
    assert [item["sk"] for item in store.table.scan()["Items"]] == ["STATE"]


# --- what happens meanwhile --------------------------------------------------------------


def outbox_of(*rule_ids: str, **more: Any) -> dict[str, Any]:
    """An outbox that concerns these rules."""
    usual = {"version": 7, "firings": [], "changes": {}, "checked_rule_ids": list(rule_ids)}
    return usual | more


@CHANGES
@pytest.mark.parametrize(
    ("outbox", "waits"),
    [
        (outbox_of(changes={"above-200": {"status": "active"}}), 1),
        (outbox_of("above-200"), 1),
        (outbox_of(spent=[["price", "2022#above-200"]]), 1),
        (outbox_of("other"), 0),
    ],
    ids=["fired", "new", "spent", "of another rule"],
)
def test_a_change_waits_for_a_delivery_that_concerns_the_rule(
    store: Bench, outbox: dict[str, Any], waits: int, change: str
) -> None:
    prepare(store, change)
    put_state(store.table, outbox=outbox)
    store.naps.then = lambda: put_state(store.table)
    make(store, change)
    assert (len(store.naps.seconds), "outbox" in state(store.table)) == (waits, not waits)


@pytest.mark.parametrize(
    "busy",
    [
        {"outbox": outbox_of("above-200")},
        {"step": {"before": {}, "line": "price", "after_key": None}},
    ],
)
def test_a_change_gives_up_when_firings_stay_undelivered(
    store: Bench, busy: dict[str, Any]
) -> None:
    store.add(ABOVE)
    put_state(store.table, **busy)
    before = store.table.scan()["Items"]
    with pytest.raises(CliError, match="firings of AAPL wait to be delivered: "):
        store.remove("above-200")
    assert 15 < sum(store.naps.seconds) < 35
    assert store.table.scan()["Items"] == before


@pytest.mark.parametrize(
    "code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
@pytest.mark.parametrize("place", [0, 1], ids=["a rule", "the state"])
def test_a_change_in_the_way_of_others_is_tried_again(store: Bench, code: str, place: int) -> None:
    answers = iter([cancelled(*(["None"] * place), code, *(["None"] * (1 - place)))])
    answer_with(store.table.meta.client, "TransactWriteItems", lambda _: next(answers, None))
    store.add(CROSSES)
    assert (len(store.naps.seconds), bare(store.rules())) == (1, [CROSSES])


@pytest.mark.parametrize("answer", [refusal("ValidationException"), cancelled("ValidationError")])
def test_any_other_error_goes_through(store: Bench, answer: Any) -> None:
    answer_with(store.table.meta.client, "TransactWriteItems", lambda _: answer)
    with pytest.raises(ClientError):
        store.add(ABOVE)


@pytest.mark.parametrize(
    ("change", "answer", "name"),
    [
        ("add", cancelled("None", "ThrottlingError"), "AAPL"),
        ("add", cancelled("None", "ConditionalCheckFailed"), "AAPL"),
        ("pause", cancelled("ConditionalCheckFailed", "None"), "above-200"),
        ("remove", cancelled("ConditionalCheckFailed", "None"), "above-200"),
    ],
)
def test_a_change_that_never_gets_through_is_given_up(
    store: Bench, change: str, answer: Any, name: str
) -> None:
    prepare(store, change)
    answer_with(store.table.meta.client, "TransactWriteItems", lambda _: answer)
    with pytest.raises(CliError, match=f"too many changes of {name} at once: try again in a min"):
        make(store, change)


@pytest.mark.parametrize(
    "before", [{}, {"nonce": "a"}, {"nonce": "a", "version": 6}], ids=["none", "same", "moved"]
)
def test_a_state_that_changes_meanwhile_is_read_at_once(
    store: Bench, before: dict[str, Any]
) -> None:
    """Even one of the same version: the table was set back, and has counted to it again."""
    if before:
        put_state(store.table, **before)
    before_each_transaction(store.table, lambda: put_state(store.table, nonce="b", **POSITION))
    store.add(ABOVE)
    assert (state(store.table)["version"], store.find("above-200").since, store.naps.seconds) == (
        8,
        LAST,
        [],
    )


def test_a_rule_that_fires_meanwhile_is_read_again(store: Bench) -> None:
    store.add(ABOVE)
    store.add(CROSSES)
    put_state(store.table, outbox=outbox_of("above-200", "crosses-200"))

    def deliver(fired: Rule) -> None:
        store.table.put_item(Item=rule_item(fired))
        put_state(store.table)

    store.naps.then = lambda: deliver(replace(ABOVE, progress=FIRED))
    with pytest.raises(RuleError, match="above-200 is triggered, and only an active rule pauses"):
        store.pause("above-200")
    low = Progress(disarmed=Side.LOW)
    for progress in (low, replace(low, disarmed=None, last_fired_at_microseconds=2_000_000)):
        put_state(store.table, outbox=outbox_of("crosses-200"))
        store.table.put_item(Item=rule_item(CROSSES))
        store.naps.then = partial(deliver, replace(CROSSES, progress=progress))
        assert store.pause("crosses-200").progress == replace(progress, status=Status.PAUSED)


@ENDS
@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("above 200", "above 201"),
        ("above 200", "below 200"),
        ("above 200", "crosses 200 rearm 1"),
        ("crosses 200 rearm 1", "crosses 200 rearm 1%"),
        ("above 200", "falls 5% within 1h"),
        ("falls 5% within 1h", "falls 5 within 1h"),
        ("falls 5% within 1h", "falls 5% within 1d"),
    ],
)
def test_a_rule_that_is_replaced_meanwhile_leaves_no_watch_behind(
    store: Bench, first: str, again: str, change: str
) -> None:
    prepare(store, change, rule(first))
    put_state(store.table, outbox=outbox_of("r"))

    def replace_it() -> None:
        store.naps.then = lambda: None
        put_state(store.table)
        store.remove("r")
        store.add(rule(again))

    store.naps.then = replace_it
    make(store, change, rule(first))
    assert index_keys(store.table) == []


def test_a_resumed_rule_has_the_expiry_that_it_got_meanwhile(store: Bench) -> None:
    prepare(store, "resume", replace(ABOVE, expires_at_microseconds=2_000_000_000 * SECOND))
    put_state(store.table, outbox=outbox_of("above-200"))

    def replace_it() -> None:
        store.naps.then = lambda: None
        put_state(store.table)
        store.remove("above-200")
        prepare(store, "resume")

    store.naps.then = replace_it
    make(store, "resume", replace(ABOVE, expires_at_microseconds=2_000_000_000 * SECOND))
    watches = [item for item in store.table.scan()["Items"] if str(item["pk"]).startswith("WATCH#")]
    assert [watch.get("expires_at_epoch") for watch in watches] == [None, None]


@pytest.mark.parametrize("change", ["add", "pause", "remove"])
def test_a_lost_state_is_created_again(store: Bench, change: str) -> None:
    store.table.put_item(Item=rule_item(replace(FALLS, rule_id="other", revision=41)))
    store.table.put_item(Item=rule_item(replace(FALLS, revision=5)))
    make(store, change, replace(FALLS, rule_id="new") if change == "add" else FALLS)
    assert state(store.table) == {**state_key("AAPL"), "schema": 3, "version": 42, "fall-1h": []}
    watched = {key[1].rpartition("#")[2] for key in index_keys(store.table)}
    assert watched == ({"other", "falls", "new"} if change == "add" else {"other"})


# --- what other code wrote ---------------------------------------------------------------


def test_a_state_that_newer_code_wrote_is_left_alone(store: Bench) -> None:
    put_state(store.table, schema=4)
    with pytest.raises(CliError, match="the state of AAPL cannot be changed: it has the format 4"):
        store.add(ABOVE)
    assert list(store.rules()) == []


@ENDS
def test_a_rule_may_be_written_in_another_way(store: Bench, change: str) -> None:
    prepare(store, change)
    as_others_do = {"percent": False, "window": None, "last_firing_id": None}
    store.table.put_item(Item=rule_item(ABOVE) | as_others_do)
    make(store, change)
    assert index_keys(store.table) == []


def set_aside(table: Table, aside: Rule) -> SetAside:
    """Put a rule that cannot be read, with its watches, where a rule was added."""
    for item in (rule_item(aside) | {"status": "resting"}, *watch_items(aside)):
        table.put_item(Item=item)
    return SetAside(aside.rule_id, "AAPL", "it cannot be read (ValueError)")


def test_a_rule_that_cannot_be_read_is_listed_and_does_not_change(store: Bench) -> None:
    for each in (ABOVE, MICROSOFT, FALLS):
        store.add(each)
    aside = set_aside(store.table, FALLS)
    store.table.put_item(Item=rule_item(MICROSOFT) | {"schema": 3})
    newer = SetAside("msft", "MSFT", "it has the format 3, and this code reads up to 2")
    assert bare(store.rules()) == [ABOVE, aside, newer]
    assert store.look_up("falls") == aside
    before = store.table.scan()["Items"]
    changes: list[Any] = [store.find, store.pause, store.resume]
    for change in [*changes, lambda _: store.missing([ABOVE, FALLS])]:
        with pytest.raises(CliError, match=r"^falls is set aside, it cannot be read \(ValueError"):
            change("falls")
    assert store.table.scan()["Items"] == before


@pytest.mark.parametrize("added", [ABOVE, CROSSES, FALLS])
def test_a_rule_that_cannot_be_read_is_removed_with_all_its_watches_and_no_others(
    store: Bench, added: Rule
) -> None:
    """Even from a line that fills several pages."""
    others = [rule("crosses 200 rearm 1", "xfalls"), rule("crosses 200", "falls-2")]
    store.add_all([*others, replace(FALLS, symbol="MSFT", rule_id="m")], lambda _: None)
    for number in range(4):
        watch = {"pk": "WATCH#AAPL#price", "sk": f"2021{number}#other", "padding": "x" * 390_000}
        store.table.put_item(Item=watch)
    before, keys = items_of(store.table, ""), index_keys(store.table)
    store.add(added)
    aside = set_aside(store.table, added)
    put_state(store.table, band={"price": [None, 200]})
    assert store.remove(added.rule_id) == aside
    assert index_keys(store.table) == keys
    assert len(items_of(store.table, "")) == len(before)
    assert state(store.table) == {**state_key("AAPL"), "schema": 3, "version": 8}


def test_a_rule_without_any_attributes_can_be_removed(store: Bench) -> None:
    store.add(ABOVE)
    store.table.put_item(Item=rule_key("AAPL", "above-200"))
    reason = "it cannot be read (KeyError)"
    assert store.remove("above-200") == SetAside("above-200", "AAPL", reason)
    assert [item["sk"] for item in store.table.scan()["Items"]] == ["STATE"]


def test_a_rule_that_can_be_read_again_meanwhile_is_removed_as_one_that_can(store: Bench) -> None:
    store.add(ABOVE)
    set_aside(store.table, ABOVE)
    before_each_transaction(store.table, lambda: store.table.put_item(Item=rule_item(ABOVE)))
    assert store.remove("above-200") == ABOVE
    assert index_keys(store.table) == []
