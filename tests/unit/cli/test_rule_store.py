from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.client.rule_store import RuleStore
from lib.formats.errors import CliError
from lib.formats.words import SetAside
from price_alerts.adapters.items import (
    claim_key,
    rule_item,
    rule_key,
    state_key,
    watch_items,
    watch_keys,
)
from price_alerts.adapters.store import Store
from price_alerts.domain.conditions import Condition, Distance, RuleError, Side, Terms
from price_alerts.domain.progress import NO_TRAIL, Announced, Progress, Status, Trail
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.ticks import Position
from tests.unit.cli.doubles import answer_with, refusal
from tests.unit.doubles import NOW, SECOND, Clock, Container, Topic, former_item, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ABOVE = Rule(rule_id="above-200", symbol="AAPL", terms=Terms(Condition.ABOVE, (Decimal(200),)))
CROSSES = Rule(
    rule_id="crosses-200",
    symbol="AAPL",
    terms=Terms(Condition.CROSSES, (Decimal(200),), rearm=Distance(Decimal(1))),
    trigger=Trigger.EVERY,
)
FALLS = Rule(
    rule_id="falls",
    symbol="AAPL",
    terms=Terms(Condition.FALLS, (Decimal(5),), is_percent=True, window="1h"),
)
MICROSOFT = replace(ABOVE, rule_id="msft", symbol="MSFT")
DAY = 86_400 * SECOND
FIRED = Progress(Status.TRIGGERED, None, 1_000_000, "f-1")


class Naps:
    """Sleeps by doing what a test asks for, and remembers for how long it would have slept."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.then: Callable[[], object] = lambda: None

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.then()


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def store(alerts: Table, naps: Naps) -> RuleStore:
    return RuleStore(alerts, naps)


def state(table: Table, symbol: str = "AAPL") -> dict[str, Any]:
    """A symbol's state, without what is different each time, and what lists each of them."""
    item = table.get_item(Key={"pk": f"SYMBOL#{symbol}", "sk": "STATE"}).get("Item", {})
    return {name: value for name, value in item.items() if name not in ("nonce", "rule_id")}


def bare(rules: Iterable[Rule | SetAside]) -> list[Rule | SetAside]:
    """Rules without when they took effect."""
    return [
        replace(rule, since=None, revision=0) if isinstance(rule, Rule) else rule for rule in rules
    ]


def named(store: RuleStore, rule_id: str) -> Rule | SetAside:
    """A rule by its id, without when it took effect."""
    [rule] = bare([store.find(rule_id)])
    return rule


def outbox_of(*rule_ids: str, **more: Any) -> dict[str, Any]:
    """An outbox that concerns these rules."""
    usual = {"version": 7, "firings": [], "changes": {}, "checked_rule_ids": list(rule_ids)}
    return usual | more


def before_each_transaction(table: Table, *happenings: Callable[[], object]) -> None:
    """Have something happen between the reading and the writing of a change, once each."""
    left = iter(happenings)

    def happen(_request: Any) -> None:
        next(left, lambda: None)()

    answer_with(table.meta.client, "TransactWriteItems", happen)


def index_keys(table: Table) -> list[tuple[Any, Any]]:
    items = table.scan()["Items"]
    return sorted((i["pk"], i["sk"]) for i in items if str(i["pk"]).startswith("WATCH#"))


def cancelled(*codes: str) -> dict[str, Any]:
    """The answer to a transaction that was cancelled for these reasons, one for each action."""
    return {
        **refusal("TransactionCanceledException"),
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def put_state(table: Table, **attributes: object) -> None:
    item: dict[str, Any] = {"pk": "SYMBOL#AAPL", "sk": "STATE", "version": 7, **attributes}
    table.put_item(Item=item)


@pytest.mark.parametrize("rule", [ABOVE, CROSSES, FALLS], ids=lambda rule: rule.rule_id)
def test_a_rule_is_found_as_it_was_added(store: RuleStore, rule: Rule) -> None:
    store.add(rule)
    assert named(store, rule.rule_id) == rule


@pytest.mark.parametrize(
    ("rule", "keys"),
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
    ids=lambda value: value.rule_id if isinstance(value, Rule) else "",
)
def test_a_rule_is_watched_from_its_adding_to_its_removal(
    store: RuleStore, alerts: Table, rule: Rule, keys: list[tuple[str, str]]
) -> None:
    store.add(rule)
    assert index_keys(alerts) == keys
    assert bare([store.remove(rule.rule_id)]) == [rule]
    assert index_keys(alerts) == []
    with pytest.raises(CliError, match=rf"there is no rule {rule.rule_id}: alerts list shows all"):
        store.find(rule.rule_id)


def test_the_state_of_a_symbol_begins_with_its_first_rule(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    assert state(alerts) == {**state_key("AAPL"), "schema": 3, "version": 1}


def test_a_rule_has_its_window_kept_from_now_on(store: RuleStore, alerts: Table) -> None:
    store.add(FALLS)
    assert state(alerts)["fall-1h"] == []


def test_a_window_that_is_kept_already_stays(store: RuleStore, alerts: Table) -> None:
    put_state(alerts, **{"fall-1h": [[5, 100]]})
    store.add(FALLS)
    assert state(alerts)["fall-1h"] == [[5, 100]]


@pytest.mark.parametrize("change", ["add", "pause", "resume", "remove"])
def test_every_change_raises_the_version_and_forgets_the_band(
    store: RuleStore, alerts: Table, change: str
) -> None:
    if change != "add":
        store.add(ABOVE)
    if change == "resume":
        store.pause("above-200")
    put_state(alerts, price=150, band={"price": [None, 200]})
    if change == "add":
        store.add(ABOVE)
    else:
        getattr(store, change)("above-200")
    assert state(alerts) == {**state_key("AAPL"), "schema": 3, "version": 8, "price": 150}


def test_a_paused_rule_is_kept_and_not_watched(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    paused = store.pause("above-200")
    assert (paused.progress.status, store.find("above-200")) == (Status.PAUSED, paused)
    assert index_keys(alerts) == []


def test_a_resumed_rule_is_watched_like_a_new_one(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    before = index_keys(alerts)
    store.pause("above-200")
    assert store.resume("above-200") == store.find("above-200") == replace(ABOVE, revision=3)
    assert index_keys(alerts) == before


def test_a_triggered_rule_can_be_resumed_and_keeps_its_last_firing(
    store: RuleStore, alerts: Table
) -> None:
    alerts.put_item(Item=rule_item(replace(ABOVE, progress=FIRED)))
    resumed = store.resume("above-200")
    assert resumed.progress == Progress(Status.ACTIVE, None, 1_000_000, "f-1")
    assert len(index_keys(alerts)) == 2


def test_a_resumed_rule_is_armed(store: RuleStore, alerts: Table) -> None:
    progress = Progress(Status.PAUSED, Side.HIGH, 1_000_000, "f-1")
    alerts.put_item(Item=rule_item(replace(CROSSES, progress=progress)))
    store.resume("crosses-200")
    assert store.find("crosses-200").progress == Progress(Status.ACTIVE, None, 1_000_000, "f-1")


def test_a_paused_rule_stays_disarmed(store: RuleStore, alerts: Table) -> None:
    progress = Progress(Status.ACTIVE, Side.HIGH, 1_000_000, "f-1")
    alerts.put_item(Item=rule_item(replace(CROSSES, progress=progress)))
    store.pause("crosses-200")
    assert store.find("crosses-200").progress == replace(progress, status=Status.PAUSED)


def test_only_an_active_rule_pauses(store: RuleStore) -> None:
    store.add(ABOVE)
    store.pause("above-200")
    with pytest.raises(RuleError, match="above-200 is paused, and only an active rule pauses"):
        store.pause("above-200")


def test_an_active_rule_is_not_resumed(store: RuleStore) -> None:
    store.add(ABOVE)
    with pytest.raises(RuleError, match="above-200 is active already"):
        store.resume("above-200")


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_an_id_is_given_once(store: RuleStore, alerts: Table, symbol: str) -> None:
    store.add(ABOVE)
    with pytest.raises(CliError, match="there is already a rule above-200, for AAPL: choose"):
        store.add(replace(CROSSES, rule_id="above-200", symbol=symbol))
    assert bare(store.rules()) == [ABOVE]
    assert state(alerts, "MSFT") == {}


def test_an_id_that_is_removed_meanwhile_is_free(
    store: RuleStore, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(MICROSOFT)
    read = alerts.meta.client.batch_get_item

    def remove_first(**request: Any) -> Any:
        monkeypatch.undo()
        store.remove("msft")
        return read(**request)

    monkeypatch.setattr(alerts.meta.client, "batch_get_item", remove_first)
    other = replace(CROSSES, rule_id="msft")
    store.add(other)
    assert bare(store.rules()) == [other]


def test_the_rule_itself_is_not_written_over_where_no_id_is_claimed(
    store: RuleStore, alerts: Table
) -> None:
    store.add(ABOVE)
    alerts.delete_item(Key=claim_key("above-200"))
    with pytest.raises(CliError, match="there is already a rule above-200, for AAPL"):
        store.add(replace(CROSSES, rule_id="above-200"))
    assert bare(store.rules()) == [ABOVE]


def test_a_taken_id_among_many_is_told(store: RuleStore) -> None:
    store.add(MICROSOFT)
    with pytest.raises(CliError, match="there is already a rule msft, for MSFT"):
        store.add_all([ABOVE, replace(CROSSES, rule_id="msft")], lambda _rules: None)
    assert bare(store.rules()) == [MICROSOFT]


@pytest.mark.parametrize("swept", ["neither", "the rule", "the claim"])
@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_what_the_table_is_to_sweep_away_is_gone_already(
    alerts: Table, naps: Naps, symbol: str, swept: str
) -> None:
    """DynamoDB takes its time, and sweeps item by item."""
    expiring = replace(ABOVE, expires_at_microseconds=NOW)
    RuleStore(alerts, naps, lambda: NOW - 1).add(expiring)
    if swept == "the rule":
        alerts.delete_item(Key=rule_key("AAPL", "above-200"))
    if swept == "the claim":
        alerts.delete_item(Key=claim_key("above-200"))
    store = RuleStore(alerts, naps, lambda: NOW + 31 * DAY)
    assert list(store.rules()) == []
    with pytest.raises(CliError, match="there is no rule above-200"):
        store.find("above-200")
    other = replace(CROSSES, rule_id="above-200", symbol=symbol)
    assert store.missing([other]) == [other]
    store.add(other)
    assert bare(store.rules()) == bare([store.find("above-200")]) == [other]


def test_a_rule_is_kept_for_a_month_behind_its_expiry(alerts: Table, naps: Naps) -> None:
    expiring = replace(ABOVE, expires_at_microseconds=NOW)
    RuleStore(alerts, naps, lambda: NOW - 1).add(expiring)
    store = RuleStore(alerts, naps, lambda: NOW + 29 * DAY)
    assert bare(store.rules()) == [expiring] == bare([store.find("above-200")])
    with pytest.raises(CliError, match="there is already a rule above-200"):
        store.add(ABOVE)


def test_an_id_can_be_given_again_once_its_rule_is_removed(store: RuleStore) -> None:
    store.add(MICROSOFT)
    store.remove("msft")
    other = replace(CROSSES, rule_id="msft")
    store.add(other)
    assert named(store, "msft") == other


def test_rules_are_listed_by_symbol_and_id(store: RuleStore) -> None:
    for rule in (MICROSOFT, FALLS, ABOVE):
        store.add(rule)
    assert bare(store.rules()) == [ABOVE, FALLS, MICROSOFT]
    assert bare(store.rules("AAPL")) == [ABOVE, FALLS]


def test_many_rules_of_a_symbol_are_added_at_once(store: RuleStore, alerts: Table) -> None:
    rules = [replace(ABOVE, rule_id=f"r-{number:02}") for number in range(30)]
    added: list[list[Rule]] = []
    store.add_all([*rules, MICROSOFT], lambda portion: added.append(list(portion)))
    assert [len(portion) for portion in added] == [14, 14, 2, 1]
    assert bare(store.rules()) == [*rules, MICROSOFT] == [rule for each in added for rule in each]
    assert (state(alerts)["version"], len(index_keys(alerts))) == (3, 62)


def test_the_windows_of_all_rules_that_are_added_at_once_are_kept(
    store: RuleStore, alerts: Table
) -> None:
    by_day = replace(FALLS, rule_id="by-day", terms=replace(FALLS.terms, window="1d"))
    store.add_all([FALLS, by_day, replace(FALLS, rule_id="again")], lambda _rules: None)
    assert {"fall-1h", "fall-1d"} < state(alerts).keys()


def test_the_largest_rules_fit_into_one_transaction(store: RuleStore) -> None:
    terms = Terms(
        Condition.OUTSIDE, (Decimal(90), Decimal(110)), rearm=Distance(Decimal(1), is_percent=True)
    )
    largest = replace(CROSSES, terms=terms)
    rules = [replace(largest, rule_id=f"r-{number:02}") for number in range(14)]
    store.add_all(rules, lambda _rules: None)
    assert bare(store.rules()) == rules


def test_rules_that_are_there_are_not_missing_whatever_has_come_of_them(
    store: RuleStore, alerts: Table
) -> None:
    store.add(ABOVE)
    store.add(replace(CROSSES, progress=Progress(Status.ACTIVE, Side.HIGH, 1_000_000, "f-1")))
    assert store.missing([CROSSES, MICROSOFT, ABOVE, FALLS]) == [MICROSOFT, FALLS]


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(replace(ABOVE, symbol="MSFT"), id="of another symbol"),
        pytest.param(replace(ABOVE, note="other"), id="of the same symbol"),
    ],
)
def test_a_missing_rule_must_not_have_the_id_of_another(store: RuleStore, wanted: Rule) -> None:
    store.add(ABOVE)
    with pytest.raises(CliError, match="there is already a rule above-200, for AAPL: choose"):
        store.missing([MICROSOFT, wanted])


def test_a_rule_whose_id_is_not_claimed_is_found(store: RuleStore, alerts: Table) -> None:
    """It was added before ids were claimed."""
    store.add(ABOVE)
    alerts.delete_item(Key=claim_key("above-200"))
    assert named(store, "above-200") == ABOVE


def test_an_id_whose_rule_is_gone_is_no_rules(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    alerts.delete_item(Key=rule_key("AAPL", "above-200"))
    with pytest.raises(CliError, match="there is no rule above-200"):
        store.find("above-200")


def test_an_entry_of_the_index_that_lags_behind_is_no_rule(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    alerts.delete_item(Key=claim_key("above-200"))
    read = alerts.query

    def query(**request: Any) -> Any:
        answer = read(**request)
        alerts.delete_item(Key=rule_key("AAPL", "above-200"))
        return answer

    alerts.query = query  # type: ignore[method-assign]  # only this table's, for this test
    with pytest.raises(CliError, match="there is no rule above-200"):
        store.find("above-200")


@pytest.fixture
def former(store: RuleStore, alerts: Table) -> Rule:
    """A rule that the release before has added, and whose id nobody has claimed."""
    store.add(ABOVE)
    alerts.delete_item(Key=claim_key("above-200"))
    alerts.delete_item(Key=rule_key("AAPL", "above-200"))
    alerts.put_item(Item=former_item(replace(ABOVE, revision=1)))
    return ABOVE


def test_a_former_rule_is_found(store: RuleStore, former: Rule) -> None:
    assert named(store, "above-200") == former
    assert bare(store.rules()) == bare(store.rules("AAPL")) == [former]
    assert store.missing([former]) == []


def test_a_former_rule_is_changed_where_it_is(
    store: RuleStore, alerts: Table, former: Rule
) -> None:
    assert store.pause("above-200").progress.status is Status.PAUSED
    assert store.resume("above-200").progress == former.progress
    assert bare([store.remove("above-200")]) == [former]
    assert [item["sk"] for item in alerts.scan()["Items"]] == ["STATE"]


def test_the_id_of_a_former_rule_is_taken(store: RuleStore, former: Rule) -> None:
    with pytest.raises(CliError, match="there is already a rule above-200, for AAPL"):
        store.add(replace(CROSSES, rule_id="above-200"))
    assert bare(store.rules()) == [former]


def test_a_change_waits_until_firings_are_delivered(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    store.add(ABOVE)
    put_state(alerts, outbox=outbox_of("above-200"))
    naps.then = lambda: put_state(alerts)
    store.remove("above-200")
    assert (len(naps.seconds), state(alerts)["version"]) == (1, 8)
    assert list(store.rules()) == []


def test_a_change_gives_up_when_firings_stay_undelivered(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    store.add(ABOVE)
    put_state(alerts, outbox=outbox_of("above-200"))
    with pytest.raises(CliError, match="firings of AAPL wait to be delivered: "):
        store.remove("above-200")
    assert 15 < sum(naps.seconds) < 35
    assert named(store, "above-200") == ABOVE
    assert len(index_keys(alerts)) == 2


def test_no_rule_changes_while_a_tick_is_half_done(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    put_state(alerts, step={"before": {}, "line": "price", "after_key": None})
    with pytest.raises(CliError, match="firings of AAPL wait to be delivered"):
        store.pause("above-200")
    assert named(store, "above-200") == ABOVE


PASSING = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("is_last", [True, False], ids=["the state", "a rule"])
def test_a_change_that_is_in_the_way_of_others_is_tried_again(
    store: RuleStore, alerts: Table, naps: Naps, code: str, is_last: bool
) -> None:
    answers = iter([cancelled("None", code) if is_last else cancelled(code, "None")])
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: next(answers, None))
    store.add(CROSSES)
    assert (len(naps.seconds), named(store, "crosses-200")) == (1, CROSSES)


def test_a_change_that_stays_in_the_way_of_others_is_given_up(
    store: RuleStore, alerts: Table
) -> None:
    answer = cancelled("None", "ThrottlingError")
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: answer)
    with pytest.raises(CliError, match="too many changes of AAPL at once: try again in a"):
        store.add(CROSSES)


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ValidationException"),
        cancelled("None", "ValidationError"),
    ],
    ids=["refused", "cancelled"],
)
def test_any_other_error_goes_through(
    store: RuleStore, alerts: Table, answer: dict[str, Any]
) -> None:
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: answer)
    with pytest.raises(ClientError):
        store.add(ABOVE)


def test_a_rule_that_fires_while_it_is_paused_is_read_again(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    """The state's version went up with the firing, and the rule was triggered by it."""
    store.add(ABOVE)
    put_state(alerts, outbox=outbox_of("above-200"))

    def deliver() -> None:
        alerts.put_item(Item=rule_item(replace(ABOVE, progress=FIRED)))
        for key in watch_keys(ABOVE):
            alerts.delete_item(Key=key)
        put_state(alerts)

    naps.then = deliver
    with pytest.raises(RuleError, match="above-200 is triggered, and only an active rule pauses"):
        store.pause("above-200")
    assert store.find("above-200").progress == FIRED


AGAIN = {
    "level": replace(ABOVE, terms=Terms(Condition.ABOVE, (Decimal(201),))),
    "condition": replace(ABOVE, terms=Terms(Condition.BELOW, (Decimal(200),))),
    "expiry": replace(ABOVE, expires_at_microseconds=2_000_000_000 * SECOND),
    "move": replace(FALLS, rule_id="above-200"),
    "rearm": replace(CROSSES, rule_id="above-200"),
}


@pytest.mark.parametrize("change", ["pause", "remove"])
@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_a_rule_that_was_removed_and_added_again_is_read_again(
    store: RuleStore, alerts: Table, naps: Naps, again: Rule, change: str
) -> None:
    """The watches of the one that is there now must not stay behind."""
    store.add(ABOVE)
    put_state(alerts, outbox=outbox_of("above-200"))

    def replace_it() -> None:
        naps.then = lambda: None
        put_state(alerts)
        store.remove("above-200")
        store.add(again)

    naps.then = replace_it
    getattr(store, change)("above-200")
    assert index_keys(alerts) == []


MOVES = {
    "amount": replace(FALLS, terms=replace(FALLS.terms, is_percent=False)),
    "window": replace(FALLS, terms=replace(FALLS.terms, window="1d")),
}


@pytest.mark.parametrize("again", MOVES.values(), ids=MOVES)
def test_a_move_that_was_removed_and_added_again_is_read_again(
    store: RuleStore, alerts: Table, naps: Naps, again: Rule
) -> None:
    store.add(FALLS)
    put_state(alerts, outbox=outbox_of("falls"))

    def replace_it() -> None:
        naps.then = lambda: None
        put_state(alerts)
        store.remove("falls")
        store.add(again)

    naps.then = replace_it
    store.remove("falls")
    assert index_keys(alerts) == []


def test_a_rule_that_is_resumed_stays_what_it_has_become_meanwhile(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    """Its watches would be swept away with the expiry of the one before."""
    expiring = replace(ABOVE, expires_at_microseconds=2_000_000_000 * SECOND)
    store.add(expiring)
    store.pause("above-200")
    put_state(alerts, outbox=outbox_of("above-200"))

    def replace_it() -> None:
        naps.then = lambda: None
        put_state(alerts)
        store.remove("above-200")
        store.add(ABOVE)
        store.pause("above-200")

    naps.then = replace_it
    assert bare([store.resume("above-200")]) == [ABOVE]
    watches = [item for item in alerts.scan()["Items"] if str(item["pk"]).startswith("WATCH#")]
    assert [watch.get("expires_at_epoch") for watch in watches] == [None, None]


@pytest.mark.parametrize(
    "fired",
    [
        replace(CROSSES.progress, last_fired_at_microseconds=2_000_000, last_firing_id="f-2"),
        replace(CROSSES.progress, disarmed=Side.LOW),
    ],
    ids=["fired", "disarmed"],
)
def test_what_a_delivery_does_to_a_rule_meanwhile_is_seen(
    store: RuleStore, alerts: Table, naps: Naps, fired: Progress
) -> None:
    store.add(CROSSES)
    put_state(alerts, outbox=outbox_of("crosses-200"))

    def deliver() -> None:
        alerts.put_item(Item=rule_item(replace(CROSSES, progress=fired)))
        put_state(alerts)

    naps.then = deliver
    assert store.pause("crosses-200").progress == replace(fired, status=Status.PAUSED)


def test_a_rule_that_fired_before_is_removed(store: RuleStore, alerts: Table) -> None:
    fired = replace(CROSSES, progress=Progress(Status.ACTIVE, None, 1_000_000, "f-1"))
    alerts.put_item(Item=rule_item(fired))
    assert store.remove("crosses-200") == fired
    assert list(store.rules()) == []


POSITION = {
    "price": 150,
    "timestamp_microseconds": 5_000_000,
    "message_id": "m-5",
    "message_ordinal": 0,
}
LAST = Position(5_000_000, 0, 0, "m-5", 0)
EARLIER = Position(4_000_000, 0, 0, "m-4", 0)


@pytest.mark.parametrize("change", ["add", "resume"])
def test_a_rule_takes_effect_after_its_symbols_last_tick(
    store: RuleStore, alerts: Table, change: str
) -> None:
    if change == "resume":
        store.add(ABOVE)
        store.pause("above-200")
    put_state(alerts, **POSITION)
    if change == "resume":
        store.resume("above-200")
    else:
        store.add(ABOVE)
    assert store.find("above-200").since == LAST


def test_a_rule_of_a_symbol_without_ticks_takes_effect_at_once(
    store: RuleStore, alerts: Table
) -> None:
    alerts.put_item(Item=rule_item(replace(ABOVE, since=LAST, progress=FIRED)))
    assert store.resume("above-200").since is None
    assert store.find("above-200").since is None


def test_a_pause_does_not_change_when_a_rule_took_effect(store: RuleStore, alerts: Table) -> None:
    alerts.put_item(Item=rule_item(replace(ABOVE, since=EARLIER)))
    put_state(alerts, **POSITION)
    assert store.pause("above-200").since == EARLIER


def test_a_rule_knows_the_version_that_changed_it_last(store: RuleStore, alerts: Table) -> None:
    put_state(alerts)
    store.add(ABOVE)
    revisions = [store.find("above-200").revision]
    revisions += [change("above-200").revision for change in (store.pause, store.resume)]
    assert revisions == [8, 9, 10]
    assert store.find("above-200").revision == state(alerts)["version"] == 10


def test_a_resumed_rule_forgets_what_recent_ticks_did_to_it(
    store: RuleStore, alerts: Table
) -> None:
    trail = Trail(((LAST, Progress()),), (Announced(LAST, LAST),))
    alerts.put_item(Item=rule_item(replace(ABOVE, progress=replace(FIRED, trail=trail))))
    store.resume("above-200")
    assert store.find("above-200").progress.trail == NO_TRAIL


@pytest.mark.parametrize("change", ["add", "pause", "resume", "remove"])
def test_recent_ticks_outlive_a_change_of_rules(
    store: RuleStore, alerts: Table, change: str
) -> None:
    if change != "add":
        store.add(ABOVE)
    if change == "resume":
        store.pause("above-200")
    container = Container(alerts, Clock(), Topic())
    container.process([tick(100, 0), tick(110, 10)])
    before = Store(alerts).load("AAPL").recent
    if change == "add":
        store.add(ABOVE)
    else:
        getattr(store, change)("above-200")
    assert Store(alerts).load("AAPL").recent == before is not None


def test_a_late_tick_is_put_in_its_place_after_a_change_of_rules(
    store: RuleStore, alerts: Table
) -> None:
    """It fires the rule that was there, and not the one that was added after it."""
    topic = Topic()
    container = Container(alerts, Clock(), topic, None)
    store.add(CROSSES)
    container.process([tick(100, 0), tick(110, 10)])
    store.add(replace(CROSSES, rule_id="after"))
    container.process([tick(210, 5)])
    assert topic.published == [store.find("crosses-200").progress.last_firing_id]
    assert store.find("after").progress == Progress()


def test_recent_ticks_that_other_code_did_not_see_do_not_come_back(
    store: RuleStore, alerts: Table
) -> None:
    """The release before counts the version up without them."""
    put_state(alerts, **POSITION, recent={"ticks": '[[4000000,"=m-4",0,"100"]]'}, recent_version=6)
    store.add(ABOVE)
    assert Store(alerts).load("AAPL").recent is None


def test_a_change_removes_what_the_release_before_remembers(
    store: RuleStore, alerts: Table
) -> None:
    """It does not see when rules took effect."""
    put_state(alerts, **POSITION, past={"ticks": []})
    store.add(ABOVE)
    assert "past" not in state(alerts)


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_a_rule_that_is_no_longer_watched_needs_no_window(
    store: RuleStore, alerts: Table, change: str
) -> None:
    store.add(FALLS)
    put_state(alerts)
    getattr(store, change)("falls")
    assert "fall-1h" not in state(alerts)


@pytest.mark.parametrize("change", ["add", "pause", "remove"])
def test_a_state_that_was_lost_is_begun_again(store: RuleStore, alerts: Table, change: str) -> None:
    alerts.put_item(Item=rule_item(replace(FALLS, rule_id="other", revision=41)))
    alerts.put_item(Item=rule_item(replace(FALLS, revision=5)))
    if change == "add":
        store.add(replace(FALLS, rule_id="new"))
    else:
        getattr(store, change)("falls")
    assert state(alerts) == {**state_key("AAPL"), "schema": 3, "version": 42, "fall-1h": []}
    watched = {key[1].rpartition("#")[2] for key in index_keys(alerts)}
    assert watched == ({"other", "falls", "new"} if change == "add" else {"other"})


def test_a_state_that_is_begun_by_somebody_else_meanwhile_is_read(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    before_each_transaction(alerts, lambda: put_state(alerts))
    store.add(ABOVE)
    assert (state(alerts)["version"], naps.seconds) == (8, [])


def test_a_state_that_has_moved_meanwhile_is_read_at_once(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    put_state(alerts, nonce="a")
    before_each_transaction(alerts, lambda: put_state(alerts, version=9, nonce="b", **POSITION))
    store.add(ABOVE)
    assert (state(alerts)["version"], store.find("above-200").since) == (10, LAST)
    assert naps.seconds == []


def test_a_state_of_the_same_version_may_be_another(store: RuleStore, alerts: Table) -> None:
    """The table was set back, and has counted to the same version again."""
    put_state(alerts, nonce="a")
    before_each_transaction(alerts, lambda: put_state(alerts, nonce="b", **POSITION))
    store.add(ABOVE)
    assert store.find("above-200").since == LAST


def test_a_change_of_a_symbol_that_never_rests_is_given_up(store: RuleStore, alerts: Table) -> None:
    versions = iter(range(7, 999))
    moves = [lambda: put_state(alerts, version=next(versions))] * 999
    before_each_transaction(alerts, *moves)
    with pytest.raises(CliError, match="too many changes of AAPL at once: try again"):
        store.add(ABOVE)


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_a_change_of_a_rule_that_never_rests_is_given_up(
    store: RuleStore, alerts: Table, change: str
) -> None:
    store.add(ABOVE)
    answer = cancelled("ConditionalCheckFailed", "None")
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: answer)
    with pytest.raises(CliError, match="too many changes of above-200 at once: try again"):
        getattr(store, change)("above-200")


CONCERNING = {
    "fired": {"changes": {"above-200": {"status": "active"}}},
    "new": {"checked_rule_ids": ["above-200"]},
    "spent": {"spent": [["price", "2022#above-200"]]},
}


@pytest.mark.parametrize("change", ["add", "pause", "remove"])
@pytest.mark.parametrize("concerning", CONCERNING.values(), ids=CONCERNING)
def test_a_change_waits_for_a_delivery_that_concerns_the_rule(
    store: RuleStore, alerts: Table, naps: Naps, concerning: dict[str, Any], change: str
) -> None:
    if change != "add":
        store.add(ABOVE)
    put_state(alerts, outbox=outbox_of(**concerning))
    naps.then = lambda: put_state(alerts)
    if change == "add":
        store.add(ABOVE)
    else:
        getattr(store, change)("above-200")
    assert len(naps.seconds) == 1


@pytest.mark.parametrize("change", ["add", "pause", "remove"])
def test_a_change_does_not_wait_for_the_delivery_of_other_rules(
    store: RuleStore, alerts: Table, naps: Naps, change: str
) -> None:
    if change != "add":
        store.add(ABOVE)
    put_state(alerts, outbox=outbox_of("other"))
    if change == "add":
        store.add(ABOVE)
    else:
        getattr(store, change)("above-200")
    assert (naps.seconds, state(alerts)["outbox"]) == ([], outbox_of("other"))


@pytest.mark.parametrize(("moves", "turns"), [(0, 0), (1, 1)])
def test_many_rules_leave_prices_their_turn(
    store: RuleStore, alerts: Table, naps: Naps, moves: int, turns: int
) -> None:
    def move() -> None:
        put_state(alerts, version=50)

    before_each_transaction(alerts, lambda: None, *[move] * moves)
    rules = [replace(ABOVE, rule_id=f"r-{number:02}") for number in range(30)]
    store.add_all(rules, lambda _rules: None)
    assert len(naps.seconds) == turns
    assert all(0.02 <= seconds <= 0.04 for seconds in naps.seconds)


def test_a_state_that_newer_code_wrote_is_left_alone(store: RuleStore, alerts: Table) -> None:
    put_state(alerts, schema=4)
    with pytest.raises(CliError, match="the state of AAPL cannot be changed: it has the format 4"):
        store.add(ABOVE)
    assert list(store.rules()) == []


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_a_rule_may_be_written_in_another_way(store: RuleStore, alerts: Table, change: str) -> None:
    store.add(ABOVE)
    as_others_do = {"percent": False, "window": None, "last_firing_id": None}
    alerts.put_item(Item=rule_item(ABOVE) | as_others_do)
    getattr(store, change)("above-200")
    assert index_keys(alerts) == []


def test_an_expiry_that_is_no_number_is_none(store: RuleStore, alerts: Table) -> None:
    """DynamoDB sweeps away nothing for it."""
    alerts.put_item(Item=rule_item(ABOVE) | {"expires_at_epoch": "soon"})
    assert named(store, "above-200") == ABOVE


def test_an_id_is_free_as_soon_as_its_rule_is_to_be_swept_away(alerts: Table, naps: Naps) -> None:
    """Its last second passes between the attempt to add another and the look at the first."""
    RuleStore(alerts, naps, lambda: NOW - 1).add(replace(ABOVE, expires_at_microseconds=NOW))
    last = NOW + 30 * DAY
    seconds = iter([last, *[last + SECOND] * 99])
    store = RuleStore(alerts, naps, lambda: next(seconds))
    other = replace(CROSSES, rule_id="above-200")
    store.add(other)
    assert bare(store.rules()) == [other]


def set_aside(table: Table, rule: Rule, **attributes: object) -> None:
    """Put a rule that cannot be read, with its watches, where a rule was added."""
    item: dict[str, Any] = {**rule_item(rule), "status": "resting", **attributes}
    table.put_item(Item=item)
    for watch in watch_items(rule):
        table.put_item(Item=watch)


ASIDE = SetAside("falls", "AAPL", "it cannot be read (ValueError)")


def test_a_rule_that_cannot_be_read_is_listed_as_set_aside(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    store.add(MICROSOFT)
    store.add(FALLS)
    set_aside(alerts, FALLS)
    assert bare(store.rules()) == [ABOVE, ASIDE, MICROSOFT]
    assert bare(store.rules("AAPL")) == [ABOVE, ASIDE]
    assert store.look_up("falls") == ASIDE


def test_a_rule_of_a_newer_format_is_set_aside(store: RuleStore, alerts: Table) -> None:
    alerts.put_item(Item=rule_item(ABOVE) | {"schema": 3})
    reason = "it has the format 3, and this code reads up to 2"
    assert list(store.rules()) == [SetAside("above-200", "AAPL", reason)]


@pytest.mark.parametrize("change", ["find", "pause", "resume"])
def test_a_rule_that_is_set_aside_does_not_change(
    store: RuleStore, alerts: Table, change: str
) -> None:
    store.add(FALLS)
    set_aside(alerts, FALLS)
    before = alerts.scan()["Items"]
    with pytest.raises(CliError, match=r"^falls is set aside, it cannot be read \(ValueError\): "):
        getattr(store, change)("falls")
    assert alerts.scan()["Items"] == before


def test_a_rule_that_is_set_aside_is_not_missing(store: RuleStore, alerts: Table) -> None:
    store.add(FALLS)
    set_aside(alerts, FALLS)
    with pytest.raises(CliError, match="falls is set aside"):
        store.missing([ABOVE, FALLS])


@pytest.mark.parametrize("rule", [ABOVE, CROSSES, FALLS], ids=lambda rule: rule.rule_id)
def test_a_rule_that_is_set_aside_is_removed_with_all_that_it_had(
    store: RuleStore, alerts: Table, rule: Rule
) -> None:
    store.add(rule)
    set_aside(alerts, rule)
    put_state(alerts, band={"price": [None, 200]})
    removed = store.remove(rule.rule_id)
    assert removed == replace(ASIDE, rule_id=rule.rule_id)
    assert [item["sk"] for item in alerts.scan()["Items"]] == ["STATE"]
    assert state(alerts) == {**state_key("AAPL"), "schema": 3, "version": 8}


def test_the_watches_of_other_rules_stay_when_one_that_is_set_aside_is_removed(
    store: RuleStore, alerts: Table
) -> None:
    others = [
        *(replace(FALLS, rule_id="falls-2"), replace(FALLS, symbol="MSFT", rule_id="msft-falls")),
        replace(CROSSES, rule_id="xfalls"),
    ]
    for rule in others:
        store.add(rule)
    before = index_keys(alerts)
    store.add(FALLS)
    set_aside(alerts, FALLS)
    store.remove("falls")
    assert index_keys(alerts) == before


def test_more_watches_than_fit_into_a_page_are_looked_through(
    store: RuleStore, alerts: Table
) -> None:
    store.add(CROSSES)
    set_aside(alerts, CROSSES)
    padding = {"padding": "x" * 390_000}
    for number in range(4):
        watch = {"pk": "WATCH#AAPL#price", "sk": f"2021{number}#other", **padding}
        alerts.put_item(Item=watch)
    store.remove("crosses-200")
    assert {key[1].partition("#")[2] for key in index_keys(alerts)} == {"other"}


def test_a_rule_without_any_attributes_can_be_removed(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    alerts.put_item(Item=rule_key("AAPL", "above-200"))
    assert store.remove("above-200") == SetAside(
        "above-200", "AAPL", "it cannot be read (KeyError)"
    )
    assert [item["sk"] for item in alerts.scan()["Items"]] == ["STATE"]


def test_a_rule_that_can_be_read_again_meanwhile_is_removed_as_one_that_can(
    store: RuleStore, alerts: Table
) -> None:
    store.add(ABOVE)
    set_aside(alerts, ABOVE)
    before_each_transaction(alerts, lambda: alerts.put_item(Item=rule_item(ABOVE)))
    assert store.remove("above-200") == ABOVE
    assert index_keys(alerts) == []


def test_an_id_of_a_rule_that_is_set_aside_is_taken(store: RuleStore, alerts: Table) -> None:
    alerts.put_item(Item=rule_key("AAPL", "above-200"))
    with pytest.raises(CliError, match="there is already a rule above-200, for AAPL"):
        store.add(ABOVE)
