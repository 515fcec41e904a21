from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.rule_store import RuleStore
from price_alerts.adapters.items import rule_key, update_of
from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import Progress, Status
from tests.unit.doubles import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("alerts")


def ids(listed: Any) -> list[str]:
    return [rule["id"] for rule in listed.json]


def fire(table: Table, rule_id: str, progress: Progress) -> None:
    """Write what has come of a rule, as the handler does."""
    rule = RuleStore(table, lambda _: None).find(rule_id)
    attributes: dict[str, Any] = {
        "status": str(progress.status),
        "last_fired_at_microseconds": progress.last_fired_at_microseconds,
        "last_firing_id": progress.last_firing_id,
    }
    if progress.disarmed:
        attributes["disarmed"] = str(progress.disarmed)
    table.update_item(Key=rule_key(rule.symbol, rule_id), **update_of(attributes))


def test_an_added_rule_is_told_in_one_sentence(run: Run) -> None:
    added = run("add", "aapl", "crosses-up", "200.0", "--id", "mine", "--expires", "2027-01-31")
    assert added.text == "added mine: AAPL crosses-up 200, once, until 2027-01-31T00:00:00Z"


def test_a_rule_without_an_id_gets_one_that_is_told(run: Run) -> None:
    added = run("add", "AAPL", "enters", "90", "110").text
    rule_id = added.removeprefix("added ").partition(":")[0]
    assert rule_id.startswith("aapl-")
    assert ids(run("list", "--json")) == [rule_id]


def test_an_added_rule_may_be_told_as_json(run: Run) -> None:
    words = "add AAPL falls 5% --within 1h --trigger every --cooldown 15m --rearm 0.5%"
    options = ["--id", "mine", "--owner", "me", "--note", "sell", "--message", "{symbol}!"]
    assert run(*words.split(), *options, "--expires", "30d", "--json").json == {
        "id": "mine",
        "symbol": "AAPL",
        "condition": "falls",
        "levels": ["5%"],
        "within": "1h",
        "trigger": "every",
        "cooldown": "15m",
        "rearm": "0.5%",
        "expires": "2026-12-22T15:04:05.250000Z",
        "owner": "me",
        "note": "sell",
        "message": "{symbol}!",
        "status": "active",
        "armed": True,
        "last_fired_at": None,
        "last_firing_id": None,
        "unreadable": None,
    }


def test_what_a_rule_does_not_have_is_null(run: Run) -> None:
    rule = run("add", "AAPL", "above", "200", "--id", "mine", "--json").json
    assert (rule["within"], rule["cooldown"], rule["rearm"], rule["expires"]) == (None,) * 4
    assert (rule["trigger"], rule["owner"]) == ("once", "")


def test_an_id_that_is_taken_is_refused(run: Run) -> None:
    run("add", "AAPL", "above", "200", "--id", "mine")
    again = run("add", "IBM", "above", "5", "--id", "mine")
    assert again.exit_code == 1
    assert again.error == "there is already a rule mine, for AAPL: choose another id, or remove it"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("add", "Missing argument 'SYMBOL': see alerts add --help"),
        ("add AAPL", "Missing argument 'CONDITION': see alerts add --help"),
        ("add AAPL above", "Missing argument 'VALUE [VALUE2]': see alerts add --help"),
        ("add AAPL above 5 --cooldown", "Option '--cooldown' requires an argument: see alerts add"),
        ("add AAPL abov 5", "there is no condition 'abov': write above"),
        ("add AAPL above a-lot", "'a-lot' is not a number (0 or between"),
        ("add AAPL enters 110 90", "enters takes the lower level first"),
        ("add AAPL enters 90", "enters takes two levels, the lower one first"),
        ("add AAPL rises 5%", "rises needs a window: within 1m 5m 15m 1h 4h 1d 7d"),
        ("add AAPL above 5 --expires 2020-01-01", "expires 2020-01-01 is in the past"),
        ("add AAPL above 5 --id a/b", "an id is 1 to 64 characters"),
        ("list A\u200bB", "'A\\u200bB': symbol must be 1 to 64 printable characters"),
        ("list --status gone", "Invalid value for '--status'"),
        ("show", "Missing argument 'ID': see alerts show --help"),
    ],
)
def test_what_is_typed_wrongly_is_said_in_one_line_and_nothing_is_done(
    run: Run, words: str, what: str
) -> None:
    ended = run(*words.split())
    assert ended.exit_code == 2
    assert ended.error.startswith(what)
    assert run("list", "--json").json == []


def test_rules_are_listed_by_symbol_and_id(run: Run) -> None:
    run("add", "IBM", "above", "5", "--id", "a")
    run("add", "AAPL", "above", "5", "--id", "c")
    run("add", "AAPL", "rises", "5", "--within", "1h", "--id", "b")
    assert ids(run("list", "--json")) == ["b", "c", "a"]
    assert ids(run("list", "aapl", "--json")) == ["b", "c"]


def test_a_list_is_a_table(run: Run, alerts: Table) -> None:
    run("add", "IBM", "falls", "5%", "--within", "1h", "--id", "b", "--owner", "[red]me")
    run("add", "AAPL", "above", "200", "--trigger", "every", "--cooldown", "15m", "--id", "a")
    fire(alerts, "a", Progress(Status.ACTIVE, None, NOW, "f-1"))
    head, _, first, second = run("list").text.splitlines()
    assert head == "id symbol condition trigger status last fired owner"
    assert first == "a AAPL above 200 every, cooldown 15m active 2026-11-22T15:04:05Z"
    assert second == "b IBM falls 5% within 1h once active never [red]me"


def test_a_narrow_terminal_leaves_an_id_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rule_id = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    run("add", "AAPL", "above", "200", "--id", rule_id)
    assert rule_id in run("list").out


def test_without_rules_a_list_says_so(run: Run) -> None:
    assert run("list").text == "no rules"
    assert run("list", "AAPL").text == "no such rules"
    assert run("list", "--status", "paused").text == "no such rules"
    assert run("list", "--json").json == []


def test_rules_are_listed_by_their_status(
    run: Run, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("active", "paused", "triggered"):
        run("add", "AAPL", "above", "200", "--id", name)
    run("add", "AAPL", "above", "200", "--id", "expired", "--expires", "1h")
    run("pause", "paused")
    fire(alerts, "triggered", Progress(Status.TRIGGERED, None, NOW, "f-1"))
    monkeypatch.setattr("time.time_ns", lambda: (NOW + 3_600_000_000) * 1_000)
    for name in ("active", "paused", "triggered", "expired"):
        assert ids(run("list", "--status", name, "--json")) == [name]


def test_all_of_a_rule_is_shown(run: Run, alerts: Table) -> None:
    run("add", "AAPL", "above", "200", "--id", "mine", "--trigger", "every", "--rearm", "2")
    fire(alerts, "mine", Progress(Status.ACTIVE, Side.HIGH, NOW, "f-1"))
    assert run("show", "mine").text.strip().splitlines() == [
        "id mine",
        "symbol AAPL",
        "condition above 200",
        "trigger every",
        "cooldown none",
        "rearm 2",
        "expires never",
        "owner",
        "note",
        "message default",
        "status active",
        "armed no: it fired on the high side, and the price has not moved back far enough",
        "last fired 2026-11-22T15:04:05.250000Z",
        "last firing f-1",
    ]


def test_a_rule_is_shown_as_json(run: Run, alerts: Table) -> None:
    run("add", "AAPL", "above", "200", "--id", "mine", "--trigger", "every", "--rearm", "2")
    fire(alerts, "mine", Progress(Status.ACTIVE, Side.HIGH, NOW, "f-1"))
    rule = run("show", "mine", "--json").json
    assert rule == run("list", "--json").json[0]
    assert (rule["armed"], rule["last_firing_id"]) == (False, "f-1")
    assert rule["last_fired_at"] == "2026-11-22T15:04:05.250000Z"


def test_a_rule_that_has_never_fired_is_shown_so(run: Run) -> None:
    run("add", "AAPL", "above", "200", "--id", "mine", "--expires", "30d", "--message", "up")
    lines = run("show", "mine").text.strip().splitlines()
    assert lines[6] == "expires 2026-12-22T15:04:05.250000Z"
    assert lines[9:] == [
        "message up",
        "status active",
        "armed yes",
        "last fired never",
        "last firing none",
    ]


@pytest.fixture
def _aside(run: Run, alerts: Table) -> None:
    """A rule that can be read, and one that cannot."""
    run("add", "AAPL", "above", "200", "--id", "fine")
    run("add", "AAPL", "above", "200", "--id", "aside")
    alerts.update_item(Key=rule_key("AAPL", "aside"), **update_of({"trigger": "often"}))


REASON = "it cannot be read (ValueError)"
ASIDE = {
    **dict.fromkeys(("condition", "levels", "within", "trigger", "cooldown", "rearm", "expires")),
    **dict.fromkeys(("owner", "note", "message", "armed", "last_fired_at", "last_firing_id")),
    "id": "aside",
    "symbol": "AAPL",
    "status": "set aside",
    "unreadable": REASON,
}


@pytest.mark.usefixtures("_aside")
def test_a_rule_that_is_set_aside_is_listed_with_the_reason(run: Run) -> None:
    *_, first, second = run("list").text.splitlines()
    assert first == f"aside AAPL {REASON} set aside"
    assert second == "fine AAPL above 200 once active never"
    assert run("list", "--json").json[0] == ASIDE
    assert ids(run("list", "--status", "set aside", "--json")) == ["aside"]
    assert ids(run("list", "--status", "active", "--json")) == ["fine"]


@pytest.mark.usefixtures("_aside")
def test_a_rule_that_is_set_aside_is_shown_with_the_reason(run: Run) -> None:
    assert run("show", "aside").text.strip().splitlines() == [
        "id aside",
        "symbol AAPL",
        "status set aside",
        f"reason {REASON}",
    ]
    assert run("show", "aside", "--json").json == ASIDE


@pytest.mark.usefixtures("_aside")
@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_rule_that_is_set_aside_does_not_change(run: Run, command: str) -> None:
    ended = run(command, "aside")
    assert ended.exit_code == 1
    assert ended.error.startswith(f"aside is set aside, {REASON}: ./alerts remove aside")


@pytest.mark.usefixtures("_aside")
def test_a_rule_that_is_set_aside_is_removed(run: Run) -> None:
    assert run("remove", "aside").text == f"removed aside: AAPL, set aside: {REASON}"
    assert ids(run("list", "--json")) == ["fine"]


@pytest.mark.usefixtures("_aside")
def test_the_removal_of_a_rule_that_is_set_aside_may_be_told_as_json(run: Run) -> None:
    assert run("remove", "aside", "--json").json == ASIDE


@pytest.mark.parametrize("command", ["show", "pause", "resume", "remove"])
def test_a_rule_that_is_not_there_is_missed(run: Run, command: str) -> None:
    ended = run(command, "none")
    assert ended.exit_code == 1
    assert ended.error == "there is no rule none: alerts list shows all rules"


@pytest.mark.parametrize("command", ["show", "pause", "resume", "remove"])
@pytest.mark.parametrize("rule_id", ["", "a b"])
def test_what_is_no_id_is_refused(run: Run, command: str, rule_id: str) -> None:
    ended = run(command, rule_id)
    assert ended.exit_code == 2
    assert ended.error == "an id is 1 to 64 characters of A-Z a-z 0-9 . _ -"


def test_a_rule_is_paused_resumed_and_removed(run: Run) -> None:
    run("add", "AAPL", "above", "200", "--id", "mine")
    assert run("pause", "mine").text == "paused mine: AAPL above 200, once"
    assert run("show", "mine", "--json").json["status"] == "paused"
    assert run("resume", "mine").text == "resumed mine: AAPL above 200, once"
    assert run("pause", "mine", "--json").json["status"] == "paused"
    assert run("resume", "mine", "--json").json["status"] == "active"
    assert run("remove", "mine", "--json").json["id"] == "mine"
    assert run("list", "--json").json == []


def test_what_a_rules_status_does_not_allow_has_failed(run: Run) -> None:
    run("add", "AAPL", "above", "200", "--id", "mine")
    resumed = run("resume", "mine")
    assert (resumed.exit_code, resumed.error) == (1, "mine is active already")
    run("pause", "mine")
    paused = run("pause", "mine")
    assert paused.exit_code == 1
    assert paused.error == "mine is paused, and only an active rule pauses"
