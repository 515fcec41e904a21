from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.target import Target
from price_alerts.adapters.items import rule_key, state_key
from price_alerts.domain.rules import high_price_rule
from tests.unit.cli.conftest import in_zone
from tests.unit.client.doubles import answer_with, refusal
from tests.unit.doubles import NOW, SECOND

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Run = Callable[..., Any]
Replay = Callable[[str], None]

pytestmark = pytest.mark.usefixtures("alerts")


def put(table: Table, rule_id: str, **attributes: Any) -> None:
    """Change attributes of a rule of AAPL, as the handler does when it fires."""
    item = table.get_item(Key=rule_key("AAPL", rule_id))["Item"]
    table.put_item(Item=item | attributes)


FIRED = {"last_fired_at_microseconds": NOW, "last_firing_id": "f-1"}


def test_rules_are_added_listed_and_changed(replay: Replay, alerts: Table) -> None:
    replay("""
        $ list
        no rules
        $ list AAPL
        no such rules
        $ list --status paused
        no such rules
        $ add IBM falls 5% --within 1h --id b --owner [red]me
        added b: IBM falls 5% within 1h, once
        $ add aapl above 200.0 --trigger every --rearm 2 --cooldown 15m --id a --expires 2027-01-31
        added a: AAPL above 200, every, cooldown 15m, rearm 2, until 2027-01-31T00:00:00Z
        $ add AAPL crosses -5 -6 --id c
        error: crosses takes one level
        ? 2
        $ add AAPL crosses -.5 --id c
        error: '-.5' is not a number …
        ? 2
        $ add AAPL crosses -5 --id c --message up
        added c: AAPL crosses -5, once
        $ add IBM above 5 --id a
        error: there is already a rule a, for AAPL: choose another id, or remove it
        ? 1
        """)
    put(alerts, "a", disarmed="high", **FIRED)
    replay("""
        $ list
        id symbol condition trigger status last fired owner
        a AAPL above 200 every, cooldown 15m, rearm 2 active 0s ago
        c AAPL crosses -5 once active never
        b IBM falls 5% within 1h once active never [red]me
        $ list ibm
        id symbol condition trigger status last fired owner
        b IBM falls 5% within 1h once active never [red]me
        $ show a
        id a
        symbol AAPL
        condition above 200
        trigger every
        cooldown 15m
        rearm 2
        expires 2027-01-31T00:00:00Z
        owner
        note
        message default
        status active
        armed no: it fired on the high side, and the price has not moved back far enough
        last fired 2026-11-22T15:04:05.250000Z, 0s ago
        last firing f-1
        $ show c
        id c
        symbol AAPL
        condition crosses -5
        trigger once
        cooldown none
        rearm none
        expires never
        owner
        note
        message up
        status active
        armed yes
        last fired never
        last firing none
        $ pause c
        paused c: AAPL crosses -5, once
        $ pause c
        error: c is paused, and only an active rule pauses
        ? 1
        $ resume c
        resumed c: AAPL crosses -5, once
        $ resume c
        error: c is active already
        ? 1
        $ remove c
        removed c: AAPL crosses -5, once
        $ remove c
        error: there is no rule c: alerts list shows all rules
        ? 1
        """)


def test_a_rule_is_edited_in_the_words_of_add(replay: Replay) -> None:
    replay("""
        $ add AAPL above 200 --id a --trigger every --cooldown 15m --owner me --expires 30d
        added a: AAPL above 200, every, cooldown 15m, until 2026-12-22T15:04:05.250000Z
        $ edit a 210.50
        changed a: AAPL above 210.5, every, cooldown 15m, until 2026-12-22T15:04:05.250000Z
        $ edit a below -5 --rearm 1 --cooldown "" --expires ""
        changed a: AAPL below -5, every, rearm 1
        $ edit a --note "sell half" --owner "" --message "{symbol}!"
        changed a: AAPL below -5, every, rearm 1
        $ edit a falls 5% --within 1h --rearm "" --trigger once
        changed a: AAPL falls 5% within 1h, once
        $ edit a above 200
        error: above takes a price, no percentage and no window
        ? 2
        $ edit a above 200 --within ""
        changed a: AAPL above 200, once
        $ edit a
        error: nothing is to be changed: see alerts edit --help
        ? 2
        $ edit a abov 5
        error: 'abov' is not a number …
        ? 2
        $ edit a --nota x
        error: No such option: --nota: see alerts edit --help
        ? 2
        $ edit b --note x
        error: there is no rule b: alerts list shows all rules
        ? 1
        $ show a
        id a
        symbol AAPL
        condition above 200
        trigger once
        cooldown none
        rearm none
        expires never
        owner
        note sell half
        message {symbol}!
        status active
        armed yes
        last fired never
        last firing none
        """)


def test_a_rule_is_printed_as_json(run: Run, alerts: Table) -> None:
    words = "add AAPL falls 5% --within 1h --trigger every --cooldown 15m --rearm 0.5% --id mine"
    texts = ["--owner", "me", "--note", "sell", "--message", "{symbol}!", "--expires", "30d"]
    rule = {
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
    assert run(*words.split(), *texts, "--json").json == rule
    assert run("pause", "mine", "--json").json == rule | {"status": "paused"}
    assert run("resume", "mine", "--json").json == rule
    put(alerts, "mine", disarmed="high", **FIRED)
    rule |= {"armed": False, "last_fired_at": "2026-11-22T15:04:05.250000Z"}
    rule |= {"last_firing_id": "f-1"}
    assert run("show", "mine", "--json").json == rule
    assert run("list", "--json").json == [rule | {"last_price": None}]
    assert run("remove", "mine", "--json").json == rule
    assert run("list", "--json").json == []
    bare = run("add", "AAPL", "enters", "90", "110", "--json").json
    assert bare["id"].startswith("aapl-")
    assert (bare["within"], bare["cooldown"], bare["rearm"], bare["expires"]) == (None,) * 4
    assert (bare["trigger"], bare["owner"]) == ("once", "")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("add", "Missing argument 'SYMBOL': see alerts add --help"),
        ("add AAPL above", "Missing argument 'VALUE [VALUE2]': see alerts add --help"),
        ("add AAPL above 5 --cooldown", "Option '--cooldown' requires an argument: see alerts add"),
        ("add AAPL abov 5", "there is no condition 'abov': write above"),
        ("add AAPL enters 110 90", "enters takes the lower level first"),
        ("add AAPL above 5 --expires 2020-01-01", "expires 2020-01-01 is in the past"),
        ("add A above --idd x", "No such option: --idd: see alerts add --help"),
        ("add A above 5 -x", "No such option: -x: see alerts add --help"),
        ("add A rises -5% --within 1h", "rises takes an amount or a percentage greater than 0"),
        ("list A\u200bB", "'A\\u200bB': symbol must be 1 to 64 printable characters"),
        ("list --status x", "Invalid value for '--status': 'x' is not one of 'active', 'paused'"),
        ("show", "Missing argument 'ID': see alerts show --help"),
        *[(f"{each} a/b", "an id is 1 to 64 characters of A-Z") for each in ("show", "remove")],
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(run: Run, words: str, what: str) -> None:
    ended = run(*words.split())
    assert ended.exit_code == 2
    assert ended.error.startswith(what)
    assert run("list", "--json").json == []


def test_rules_are_listed_by_their_status(
    run: Run, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("active", "paused", "triggered"):
        run("add", "AAPL", "above", "200", "--id", name, "--force")
    run("add", "AAPL", "above", "201", "--id", "expired", "--expires", "1h")
    run("pause", "paused")
    put(alerts, "triggered", status="triggered")
    monkeypatch.setattr("time.time_ns", lambda: (NOW + 3_600_000_000) * 1_000)
    for name in ("active", "paused", "triggered", "expired"):
        assert [rule["id"] for rule in run("list", "--status", name, "--json").json] == [name]


def test_several_rules_are_changed_and_one_that_cannot_be_does_not_hold_up_the_others(
    run: Run, replay: Replay
) -> None:
    for name in "abc":
        run("add", "AAPL", "above", "200", "--id", name, "--force")
    run("pause", "b")
    replay("""
        $ pause a b none c a
        paused a: AAPL above 200, once
        paused c: AAPL above 200, once
        error: b is paused, and only an active rule pauses; there is no rule none: alerts list …
        ? 1
        """)
    assert [rule["status"] for rule in run("resume", "a", "b", "--json").json] == ["active"] * 2
    ended = run("remove", "none", "a", "b", "--json")
    assert (ended.exit_code, [rule["id"] for rule in json.loads(ended.out)]) == (1, ["a", "b"])
    ended = run("remove", "none", "--json")
    assert (ended.exit_code, ended.out) == (1, "")


@pytest.mark.parametrize("words", ["pause a", "resume a b", "remove --owner me"])
def test_json_does_not_hide_why_nothing_was_changed(run: Run, alerts: Table, words: str) -> None:
    for operation in ("BatchGetItem", "Query", "Scan"):
        answer_with(alerts.meta.client, operation, lambda _: refusal("AccessDeniedException"))
    ended = run(*words.split(), "--json")
    assert ended.exit_code == 1
    assert ended.error.startswith("the AWS credentials do not allow ")


def test_rules_are_chosen_by_symbol_and_owner(run: Run, replay: Replay) -> None:
    for symbol, name, owner in (("AAPL", "a", "me"), ("AAPL", "b", ""), ("IBM", "c", "me")):
        run("add", symbol, "above", "200", "--id", name, "--owner", owner)
    replay("""
        $ list --owner me
        id symbol condition trigger status last fired owner
        a AAPL above 200 once active never me
        c IBM above 200 once active never me
        $ pause --symbol aapl
        paused a: AAPL above 200, once
        paused b: AAPL above 200, once
        $ pause --owner me
        paused c: IBM above 200, once
        $ pause --owner me
        no such rules
        $ resume --symbol AAPL --owner me
        resumed a: AAPL above 200, once
        $ remove
        error: name rules by their ids, or by --symbol and --owner
        ? 2
        $ remove a --owner me
        error: name rules by their ids, or by --symbol and --owner
        ? 2
        $ remove --symbol AAPL
        removed a: AAPL above 200, once
        removed b: AAPL above 200, once
        """)
    assert [rule["id"] for rule in run("remove", "--owner", "me", "--json").json] == ["c"]
    assert run("remove", "--owner", "me", "--json").json == []


def test_a_list_has_the_last_price_and_how_far_away_the_nearest_level_is(
    run: Run, replay: Replay, alerts: Table
) -> None:
    for words in ("crosses-up 210 --id up", "enters 190 220 --id range", "above 1 --id paused"):
        run("add", "AAPL", *words.split())
    run("add", "AAPL", "falls", "5%", "--within", "1h", "--id", "fall")
    run("add", "IBM", "above", "5", "--id", "new")
    run("add", "OIL", "above", "5", "--id", "oil")
    run("add", "SET", "above", "5", "--id", "set")
    run("pause", "paused")
    seen = {"version": 9, "timestamp_microseconds": NOW, "message_id": "m", "message_ordinal": 0}
    for symbol, price, schema in (("AAPL", "200", 3), ("OIL", "-37.63", 3), ("SET", "1", 99)):
        item: dict[str, Any] = {**state_key(symbol), **seen, "schema": schema}
        alerts.put_item(Item=item | {"price": Decimal(price)})
    replay("""
        $ list
        id symbol condition last price trigger status last fired
        fall AAPL falls 5% within 1h 200 once active never
        paused AAPL above 1 200 once paused never
        range AAPL enters 190 220 200 · 5.0% away once active never
        up AAPL crosses-up 210 200 · 5.0% away once active never
        new IBM above 5 once active never
        oil OIL above 5 -37.63 once active never
        set SET above 5 once active never
        """)
    assert [rule["last_price"] for rule in run("list", "--json").json][-3:] == [
        None,
        "-37.63",
        None,
    ]


def test_a_rule_that_says_what_another_one_says_is_added_only_by_force(
    run: Run, replay: Replay, alerts: Table
) -> None:
    run("add", "AAPL", "above", "210", "--id", "broken")
    put(alerts, "broken", trigger="often")
    replay("""
        $ add aapl above 200.0 --id a --expires 1d
        added a: AAPL above 200, once, until 2026-11-23T15:04:05.250000Z
        $ add AAPL above 200 --id b
        error: a says the same already: --force adds another
        ? 1
        $ add AAPL above 200 --id c --note more
        added c: AAPL above 200, once
        $ add AAPL above 200 --id b --force
        added b: AAPL above 200, once
        $ remove b
        removed b: AAPL above 200, once
        """)
    put(alerts, "a", expires_at_microseconds=NOW)
    assert run("add", "AAPL", "above", "200", "--id", "b").exit_code == 0  # a has expired
    put(alerts, "b", status="triggered")
    assert run("add", "AAPL", "above", "200", "--id", "d").exit_code == 0


def test_the_stacks_own_rule_is_shown_like_others_and_not_changed(
    run: Run, replay: Replay, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "high_price_rule", high_price_rule(Decimal(150)))
    run("add", "AAPL", "above", "200", "--id", "a")
    replay("""
        $ list
        id symbol condition trigger status last fired owner
        high-price-threshold ANY above 150 every active never stack
        a AAPL above 200 once active never
        $ list --owner me
        no such rules
        $ pause high-price-threshold
        error: high-price-threshold is the stack's own rule: set high_price_threshold in cdktf…
        ? 2
        $ edit high-price-threshold 160
        error: high-price-threshold is the stack's own rule: set high_price_threshold in cdktf…
        ? 2
        """)
    assert [rule["id"] for rule in run("list", "AAPL", "--json").json] == ["a"]
    shown = run("show", "high-price-threshold", "--json").json
    assert (shown["levels"], shown["owner"]) == (["150"], "stack")


def test_a_list_can_be_csv(run: Run) -> None:
    run("add", "AAPL", "enters", "190", "220", "--id", "a", "--note", 'sell, "all"')
    [rule] = csv.DictReader(io.StringIO(run("list", "--csv").out))
    [document] = run("list", "--json").json
    given = {"levels": "190 220", "armed": "true"}
    assert rule == {name: value or "" for name, value in (document | given).items()}
    run("remove", "a")
    assert run("list", "--csv").out.splitlines() == [",".join(document)]


def test_times_are_those_of_this_machine_or_exact(
    run: Run, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("add", "AAPL", "above", "200", "--id", "a", "--expires", "2027-01-31")
    put(alerts, "a", last_fired_at_microseconds=NOW - 200 * 60 * SECOND)
    with in_zone("America/New_York"):
        shown, exact = run("show", "a").out, run("show", "a", "--utc").out
        listed = run("list").out
    assert "2027-01-30T19:00:00-05:00" in shown
    assert "2026-11-22T06:44:05.250000-05:00, 3h ago" in shown
    assert "3h ago" in listed
    assert ("2027-01-31T00:00:00Z" in exact, "2026-11-22T11:44:05.250000Z" in exact) == (True, True)
    assert "2026-11-22T11:44:05.250000Z" in run("list", "--utc").out


def test_a_narrow_terminal_leaves_an_id_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    run("add", "AAPL", "above", "200", "--id", "x" * 64)
    assert "x" * 64 in run("list").out


def test_a_rule_that_is_set_aside_is_shown_with_the_reason(
    run: Run, replay: Replay, alerts: Table
) -> None:
    run("add", "AAPL", "above", "200", "--id", "fine")
    run("add", "AAPL", "above", "201", "--id", "aside")
    put(alerts, "aside", trigger="often")
    names = "condition levels within trigger cooldown rearm expires owner note message armed"
    aside = dict.fromkeys([*names.split(), "last_fired_at", "last_firing_id"])
    aside |= {"id": "aside", "symbol": "AAPL", "status": "set aside"}
    aside |= {"unreadable": "it cannot be read (ValueError)"}
    assert run("show", "aside", "--json").json == aside
    listed = run("list", "--status", "set aside", "--json").json
    assert listed == [aside | {"last_price": None}]
    replay("""
        $ list
        id symbol condition trigger status last fired
        aside AAPL it cannot be read (ValueError) set aside
        fine AAPL above 200 once active never
        $ show aside
        id aside
        symbol AAPL
        status set aside
        reason it cannot be read (ValueError)
        $ pause aside
        error: aside is set aside, it cannot be read (ValueError): ./alerts remove aside…
        ? 1
        $ remove aside
        removed aside: AAPL, set aside: it cannot be read (ValueError)
        """)
