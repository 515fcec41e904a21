from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.cli.errors import CliError
from lib.cli.rule_store import RuleStore
from price_alerts.items import claim_key, rule_item, rule_key, watch_keys
from price_alerts.rules import Progress, Rule, Status, Trigger
from price_alerts.terms import Condition, Distance, RuleError, Side, Terms
from tests.unit.cli.doubles import answer_with, refusal
from tests.unit.doubles import NOW, SECOND

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
    return table.get_item(Key={"pk": f"SYMBOL#{symbol}", "sk": "STATE"}).get("Item", {})


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
    assert store.find(rule.rule_id) == rule


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
    assert store.remove(rule.rule_id) == rule
    assert index_keys(alerts) == []
    with pytest.raises(CliError, match=rf"there is no rule {rule.rule_id}: alerts list shows them"):
        store.find(rule.rule_id)


def test_the_state_of_a_symbol_begins_with_its_first_rule(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    assert state(alerts) == {"pk": "SYMBOL#AAPL", "sk": "STATE", "version": 1}


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
    assert state(alerts) == {"pk": "SYMBOL#AAPL", "sk": "STATE", "version": 8, "price": 150}


def test_a_paused_rule_is_kept_and_not_watched(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    paused = store.pause("above-200")
    assert (paused.progress.status, store.find("above-200")) == (Status.PAUSED, paused)
    assert index_keys(alerts) == []


def test_a_resumed_rule_is_watched_like_a_new_one(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    before = index_keys(alerts)
    store.pause("above-200")
    assert store.resume("above-200") == ABOVE == store.find("above-200")
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
    with pytest.raises(CliError, match="there is a rule above-200 already, for AAPL: choose"):
        store.add(replace(CROSSES, rule_id="above-200", symbol=symbol))
    assert list(store.rules()) == [ABOVE]
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
    assert list(store.rules()) == [other]


def test_the_rule_itself_is_not_written_over_where_no_id_is_claimed(
    store: RuleStore, alerts: Table
) -> None:
    store.add(ABOVE)
    alerts.delete_item(Key=claim_key("above-200"))
    with pytest.raises(CliError, match="there is a rule above-200 already, for AAPL"):
        store.add(replace(CROSSES, rule_id="above-200"))
    assert list(store.rules()) == [ABOVE]


def test_a_taken_id_among_many_is_told(store: RuleStore) -> None:
    store.add(MICROSOFT)
    with pytest.raises(CliError, match="there is a rule msft already, for MSFT"):
        store.add_all([ABOVE, replace(CROSSES, rule_id="msft")], lambda _rules: None)
    assert list(store.rules()) == [MICROSOFT]


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
    assert list(store.rules()) == [store.find("above-200")] == [other]


def test_a_rule_is_kept_for_a_month_behind_its_expiry(alerts: Table, naps: Naps) -> None:
    expiring = replace(ABOVE, expires_at_microseconds=NOW)
    RuleStore(alerts, naps, lambda: NOW - 1).add(expiring)
    store = RuleStore(alerts, naps, lambda: NOW + 29 * DAY)
    assert list(store.rules()) == [expiring] == [store.find("above-200")]
    with pytest.raises(CliError, match="there is a rule above-200 already"):
        store.add(ABOVE)


def test_an_id_can_be_given_again_once_its_rule_is_removed(store: RuleStore) -> None:
    store.add(MICROSOFT)
    store.remove("msft")
    other = replace(CROSSES, rule_id="msft")
    store.add(other)
    assert store.find("msft") == other


def test_rules_are_listed_by_symbol_and_id(store: RuleStore) -> None:
    for rule in (MICROSOFT, FALLS, ABOVE):
        store.add(rule)
    assert list(store.rules()) == [ABOVE, FALLS, MICROSOFT]
    assert list(store.rules("AAPL")) == [ABOVE, FALLS]


def test_many_rules_of_a_symbol_are_added_at_once(store: RuleStore, alerts: Table) -> None:
    rules = [replace(ABOVE, rule_id=f"r-{number:02}") for number in range(30)]
    added: list[list[Rule]] = []
    store.add_all([*rules, MICROSOFT], lambda portion: added.append(list(portion)))
    assert [len(portion) for portion in added] == [14, 14, 2, 1]
    assert list(store.rules()) == [*rules, MICROSOFT] == [rule for each in added for rule in each]
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
    assert list(store.rules()) == rules


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
    with pytest.raises(CliError, match="there is a rule above-200 already, for AAPL: choose"):
        store.missing([MICROSOFT, wanted])


def test_a_lookup_waits_for_the_index_to_follow(
    store: RuleStore, alerts: Table, naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(ABOVE)
    monkeypatch.setattr(alerts, "query", lambda **_: {"Items": []})
    naps.then = monkeypatch.undo
    assert store.find("above-200") == ABOVE
    assert naps.seconds == [0.25]


def test_an_entry_of_the_index_that_lags_behind_is_no_rule(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    read = alerts.query

    def query(**request: Any) -> Any:
        answer = read(**request)
        alerts.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "RULE#above-200"})
        return answer

    alerts.query = query  # type: ignore[method-assign]  # only this table's, for this test
    with pytest.raises(CliError, match="there is no rule above-200"):
        store.find("above-200")


def test_a_change_waits_until_firings_are_delivered(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    store.add(ABOVE)
    put_state(alerts, outbox={"version": 7})
    naps.then = lambda: put_state(alerts)
    store.remove("above-200")
    assert (len(naps.seconds), state(alerts)["version"]) == (1, 8)
    assert list(store.rules()) == []


def test_a_change_gives_up_when_firings_stay_undelivered(
    store: RuleStore, alerts: Table, naps: Naps
) -> None:
    store.add(ABOVE)
    put_state(alerts, outbox={"version": 7})
    with pytest.raises(CliError, match="firings of AAPL wait to be delivered: "):
        store.remove("above-200")
    assert 15 < sum(naps.seconds) < 35
    assert store.find("above-200") == ABOVE
    assert len(index_keys(alerts)) == 2


def test_no_rule_changes_while_a_tick_is_half_done(store: RuleStore, alerts: Table) -> None:
    store.add(ABOVE)
    put_state(alerts, step={"line": "price"})
    with pytest.raises(CliError, match="firings of AAPL wait to be delivered"):
        store.pause("above-200")
    assert store.find("above-200") == ABOVE


PASSING = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]


@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("is_last", [True, False], ids=["the state", "a rule"])
def test_a_change_that_is_in_the_way_of_others_is_tried_again(
    store: RuleStore, alerts: Table, naps: Naps, code: str, is_last: bool
) -> None:
    answers = iter([cancelled("None", code) if is_last else cancelled(code, "None")])
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: next(answers, None))
    store.add(CROSSES)
    assert (len(naps.seconds), store.find("crosses-200")) == (1, CROSSES)


def test_a_change_that_stays_in_the_way_of_others_is_given_up(
    store: RuleStore, alerts: Table
) -> None:
    answer = cancelled("None", "ThrottlingError")
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: answer)
    with pytest.raises(CliError, match="too much is going on with AAPL at once: try again in a"):
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
    put_state(alerts, outbox={"version": 7})

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
    put_state(alerts, outbox={"version": 7})

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
    put_state(alerts, outbox={"version": 7})

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
    put_state(alerts, outbox={"version": 7})

    def replace_it() -> None:
        naps.then = lambda: None
        put_state(alerts)
        store.remove("above-200")
        store.add(ABOVE)
        store.pause("above-200")

    naps.then = replace_it
    assert store.resume("above-200") == ABOVE
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
    put_state(alerts, outbox={"version": 7})

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
