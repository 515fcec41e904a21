from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.rule_store import RuleStore
from price_alerts.adapters.items import rule_key
from price_alerts.domain.rules import Rule
from tests.unit.client.doubles import answer_with, refusal
from tests.unit.doubles import NOW, SECOND, create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Run = Callable[..., Any]
Replay = Callable[[str], None]
Write = Callable[..., Path]

RULES = """\
- id: high
  symbol: AAPL
  condition: above
  levels: [200.5]

- id: low
  symbol: AAPL
  condition: falls
  levels: [5%]
  within: 1h
  trigger: every
  cooldown: 15m
  rearm: 1%
  expires: 2027-01-01T00:00:00Z
  owner: me
  note: 'it''s: "cheap"'

- id: gone
  symbol: IBM
  condition: enters
  levels: [90, 110]
"""
FIRST, SECOND_RULE, _ = RULES.split("\n\n")

pytestmark = pytest.mark.usefixtures("alerts")


def test_an_export_is_what_was_imported(run: Run, write: Write) -> None:
    assert run("export").out == "[]\n"
    assert run("import", write(FIRST)).out == "added 1 rule\n"
    assert run("import", write(RULES)).out == "added 2 rules; 1 was already there\n"
    run("pause", "high")  # the status is not exported, and makes no other rule
    assert run("export").out == RULES
    create_table("restored")
    assert run("export", "--table", "restored").out == "[]\n"
    exported = run("export", "--json")
    high = {"id": "high", "symbol": "AAPL", "condition": "above", "levels": ["200.5"]}
    assert exported.json[0] == high
    run("remove", "high")
    counts = {"added": ["high"], "unchanged": 2, "expired": 0}
    assert run("import", write(exported.out), "--json").json == counts
    assert run("export").out == RULES


def test_an_import_counts_what_it_adds_and_skips(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired = write(RULES.replace("2027", "2025"))
    assert run("import", expired).out == "added 2 rules; 1 skipped as expired\n"
    lasting = write(RULES.replace("2027-01-01T00:00:00Z", "30d"))
    assert run("import", lasting).out == "added 1 rule; 2 were already there\n"
    monkeypatch.setattr(time, "time_ns", lambda: (NOW + SECOND) * 1_000)
    assert run("import", lasting).out == "added 0 rules; 3 were already there\n"


def test_rules_that_are_set_aside_are_not_exported(run: Run, write: Write, alerts: Table) -> None:
    run("import", write(RULES))
    for symbol, rule_id in (("AAPL", "low"), ("IBM", "gone")):
        alerts.put_item(Item={**rule_key(symbol, rule_id), "rule_id": rule_id})
    warning = "warning: skipped rules that cannot be read (set aside): low, gone\n"
    exported = run("export")
    assert (exported.exit_code, exported.out, exported.err) == (0, f"{FIRST}\n", warning)
    exported = run("export", "--json")
    assert [rule["id"] for rule in json.loads(exported.out)] == ["high"]
    assert exported.err == warning
    assert run("import", write(RULES)).error.startswith("low is set aside, it cannot be read (Key")


def test_an_import_with_a_fault_adds_nothing(run: Run, replay: Replay, write: Write) -> None:
    write(RULES)
    write(RULES.replace("enters", "enter"), "bad.yaml")
    run("add", "AAPL", "above", "1", "--id", "gone")
    replay("""
        $ import bad.yaml
        error: bad.yaml line 18, rule 3 (gone): there is no condition 'enter': write enters
        ? 1
        $ import rules.yaml
        error: there is already a rule gone, for AAPL: choose another id, or …
        ? 1
        """)
    assert run("import", write(RULES)).error.endswith(", or remove it (0 of 3 rules were added)")
    assert [rule["id"] for rule in run("list", "--json").json] == ["gone"]


def test_an_import_that_fails_says_how_many_were_added(
    run: Run, write: Write, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(
        _: RuleStore, rules: list[Rule], report: Callable[[list[Rule]], object]
    ) -> None:
        report(rules[:1])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RuleStore, "add_all", interrupted)
        ended = run("import", write(RULES))
    assert (ended.exit_code, ended.out) == (130, "")
    assert ended.err == "interrupted: 1 of 3 rules were added\n"
    run("import", write(SECOND_RULE))
    answers = iter([None, refusal("ExpiredTokenException")])
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: next(answers))
    assert run("import", write(RULES)).error == (
        "the AWS credentials have expired: log in again (aws sso login), or set new keys "
        "(1 of 2 rules were added)"
    )


def test_a_file_is_applied_after_its_difference_is_shown(replay: Replay, write: Write) -> None:
    write(RULES.replace("200.5", "200"), "before.yaml")
    write(f"{FIRST}\n{SECOND_RULE.replace('owner: me', 'owner: you')}", "after.yaml")
    write(RULES[: RULES.index("- id: gone")] + "- {symbol: TSLA, condition: above, levels: [1]}")
    replay(
        """
        $ apply before.yaml
        + high: AAPL above 200, once
        + low: AAPL falls 5% within 1h, every, cooldown 15m, rearm 1%, until 2027-01-01T00:00:00Z
        + gone: IBM enters 90 110, once
        3 added
        $ pause high
        paused high: AAPL above 200, once
        $ apply after.yaml --prune --dry-run
        ~ high: levels 200 → 200.5
        ~ low: owner me → you
        - gone: IBM enters 90 110, once
        2 to change, 1 to remove
        $ apply after.yaml
        ~ high: levels 200 → 200.5
        ~ low: owner me → you
        2 changed
        $ apply after.yaml --prune
        - gone: IBM enters 90 110, once
        1 removed, 2 unchanged
        $ list --status paused
        id symbol condition trigger status last fired
        high AAPL above 200.5 once paused never
        $ apply rules.yaml
        error: rules.yaml line 18, rule 3: id is missing: without one, no rule can be found again
        ? 1
        """
    )


def test_a_rule_that_is_applied_with_another_symbol_starts_over(run: Run, write: Write) -> None:
    run("apply", write(FIRST))
    told = run("apply", write(FIRST.replace("AAPL", "MSFT").replace("200.5", "90")), "--json")
    assert told.json == {"added": [], "changed": ["high"], "removed": [], "unchanged": 0}
    shown = run("show", "high", "--json").json
    assert (shown["symbol"], shown["levels"], shown["status"]) == ("MSFT", ["90"], "active")


def test_an_expiry_that_is_applied_as_a_duration_counts_from_when_a_rule_is_added(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting = write(FIRST + "\n  expires: 30d\n", "lasting.yaml")
    run("apply", lasting)
    expires = run("show", "high", "--json").json["expires"]
    monkeypatch.setattr(time, "time_ns", lambda: (NOW + SECOND) * 1_000)
    assert run("apply", lasting).out == "1 unchanged\n"
    assert run("show", "high", "--json").json["expires"] == expires
    run("apply", write(FIRST + "\n  expires: 2027-03-01\n"))
    assert run("show", "high", "--json").json["expires"] == "2027-03-01T00:00:00Z"
    expired = SECOND_RULE.replace("2027", "2025")
    assert run("apply", write(expired), "--dry-run").out == "no rules\n"


def test_a_rule_that_is_set_aside_is_not_applied(run: Run, write: Write, alerts: Table) -> None:
    run("apply", write(FIRST))
    key = rule_key("AAPL", "high")
    alerts.update_item(
        Key=key,
        UpdateExpression="SET #c = :c",
        ExpressionAttributeNames={"#c": "condition"},
        ExpressionAttributeValues={":c": "newer"},
    )
    error = run("apply", write(FIRST)).error
    assert error == "high cannot be read (set aside): remove it first (no changes were made)"


def test_what_was_applied_before_an_error_is_said(run: Run, write: Write, alerts: Table) -> None:
    denied = refusal("AccessDeniedException")
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: denied)
    ended = run("apply", write(FIRST))
    assert ended.exit_code == 1
    assert ended.err.rstrip().endswith("(no changes were made)")
