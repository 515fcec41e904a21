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
from tests.unit.cli.doubles import answer_with, refusal
from tests.unit.conftest import FUNCTION_ENVIRONMENT
from tests.unit.doubles import NOW, SECOND, create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Run = Callable[..., Any]
Write = Callable[[str], Path]

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

pytestmark = pytest.mark.usefixtures("alerts")


def test_what_is_exported_is_what_was_imported(run: Run, write: Write) -> None:
    assert run("import", write(RULES)).text == "added 3 rules"
    assert run("export").out == RULES


def test_the_rules_of_a_restored_table_can_be_exported(run: Run, write: Write) -> None:
    run("import", write(RULES))
    assert run("export", "--table", FUNCTION_ENVIRONMENT["TABLE_NAME"]).out == RULES
    create_table("restored")
    assert run("export", "--table", "restored").out == "[]\n"


def test_what_was_exported_as_json_can_be_imported(run: Run, write: Write) -> None:
    run("import", write(RULES))
    exported = run("export", "--json")
    assert exported.json[0] == {
        "id": "high",
        "symbol": "AAPL",
        "condition": "above",
        "levels": ["200.5"],
    }
    for rule_id in ("high", "low", "gone"):
        run("remove", rule_id)
    assert run("export").out == "[]\n"
    assert run("import", write(exported.out), "--json").json == {
        "added": ["high", "low", "gone"],
        "unchanged": 0,
        "expired": 0,
    }
    assert run("export").out == RULES


def test_the_status_is_not_exported(run: Run, write: Write) -> None:
    run("import", write(RULES))
    run("pause", "high")
    assert run("export").out == RULES


def test_rules_that_are_set_aside_are_not_exported(run: Run, write: Write, alerts: Table) -> None:
    run("import", write(RULES))
    for symbol, rule_id in (("AAPL", "low"), ("IBM", "gone")):
        alerts.put_item(Item={**rule_key(symbol, rule_id), "rule_id": rule_id})
    first, *_ = RULES.split("\n\n")
    warning = "warning: skipped rules that cannot be read (set aside): low, gone\n"
    exported = run("export")
    assert (exported.exit_code, exported.out, exported.err) == (0, f"{first}\n", warning)
    exported = run("export", "--json")
    assert [rule["id"] for rule in json.loads(exported.out)] == ["high"]
    assert exported.err == warning


def test_a_file_with_a_rule_that_is_set_aside_adds_nothing(
    run: Run, write: Write, alerts: Table
) -> None:
    alerts.put_item(Item={**rule_key("AAPL", "low"), "rule_id": "low"})
    ended = run("import", write(RULES))
    assert ended.exit_code == 1
    assert ended.error.startswith("low is set aside, it cannot be read (KeyError): ")
    assert ended.error.endswith("(0 of 3 rules were added)")
    assert [rule["id"] for rule in run("list", "--json").json] == ["low"]


def test_one_rule_is_told_of_as_one(run: Run, write: Write) -> None:
    first, *_ = RULES.split("\n\n")
    assert run("import", write(first)).text == "added 1 rule"
    assert run("import", write("[]")).text == "added 0 rules"


def test_a_file_with_a_fault_adds_nothing(run: Run, write: Write) -> None:
    path = write(RULES.replace("enters", "enter"))
    ended = run("import", path)
    assert ended.exit_code == 1
    assert ended.error == (
        f"{path} line 18, rule 3 (gone): there is no condition 'enter': write enters"
    )
    assert run("list", "--json").json == []


def test_a_file_with_an_id_that_is_taken_adds_nothing(run: Run, write: Write) -> None:
    run("add", "AAPL", "above", "1", "--id", "gone")
    ended = run("import", write(RULES))
    assert ended.exit_code == 1
    assert ended.error == (
        "there is already a rule gone, for AAPL: choose another id, or remove it "
        "(0 of 3 rules were added)"
    )
    assert [rule["id"] for rule in run("list", "--json").json] == ["gone"]


def test_a_rule_that_has_expired_is_left_out(run: Run, write: Write) -> None:
    path = write(RULES.replace("2027", "2025"))
    assert run("import", path).text == "added 2 rules; 1 skipped as expired"
    assert [rule["id"] for rule in run("list", "--json").json] == ["high", "gone"]


def test_an_import_that_came_only_half_way_is_repeated(run: Run, write: Write) -> None:
    first, *_ = RULES.split("\n\n")
    run("import", write(first))
    assert run("import", write(RULES)).text == "added 2 rules; 1 was already there"
    assert run("import", write(RULES)).text == "added 0 rules; 3 were already there"
    assert run("export").out == RULES


def test_an_expiry_that_counts_from_now_makes_no_other_rule(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(RULES.replace("2027-01-01T00:00:00Z", "30d"))
    run("import", path)
    monkeypatch.setattr(time, "time_ns", lambda: (NOW + SECOND) * 1_000)
    assert run("import", path).text == "added 0 rules; 3 were already there"


def test_a_failure_counts_what_was_still_to_be_added(run: Run, write: Write, alerts: Table) -> None:
    first, *_ = RULES.split("\n\n")
    run("import", write(first))
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: refusal("ExpiredToken"))
    assert run("import", write(RULES)).error.endswith("(0 of 2 rules were added)")


def test_what_has_come_of_a_rule_makes_it_no_other(run: Run, write: Write) -> None:
    run("import", write(RULES))
    run("pause", "high")
    assert run("import", write(RULES)).text == "added 0 rules; 3 were already there"
    assert run("list", "--status", "paused", "--json").json[0]["id"] == "high"


def test_a_failure_on_the_way_says_how_many_were_added(
    run: Run, write: Write, alerts: Table
) -> None:
    answers = iter([None, refusal("ExpiredTokenException")])
    answer_with(alerts.meta.client, "TransactWriteItems", lambda _: next(answers))
    ended = run("import", write(RULES))
    assert ended.exit_code == 1
    assert ended.error == (
        "the AWS credentials have expired: log in again (aws sso login), or set new keys "
        "(2 of 3 rules were added)"
    )


def test_an_interruption_says_how_many_were_added(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(
        _: RuleStore, rules: list[Rule], on_progress: Callable[[list[Rule]], object]
    ) -> None:
        on_progress(rules[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(RuleStore, "add_all", interrupted)
    ended = run("import", write(RULES))
    assert (ended.exit_code, ended.out) == (130, "")
    assert ended.err == "interrupted: 1 of 3 rules were added\n"


def test_many_rules_keep_their_numbers(run: Run, write: Write) -> None:
    entries = [
        {"id": f"r-{n:03}", "symbol": "AAPL", "condition": "above", "levels": [f"0.{n:018}"]}
        for n in range(1, 30)
    ]
    run("import", write(json.dumps(entries)))
    assert run("export", "--json").json == [
        entry | {"levels": [entry["levels"][0].rstrip("0")]} for entry in entries
    ]
