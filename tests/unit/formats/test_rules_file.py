from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lib.formats.errors import CliError
from lib.formats.rules_file import read_rules, written_rules
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, Trigger
from tests.unit.doubles import NOW, SECOND
from tests.unit.formats.rule_strategies import rules_with_texts

Write = Callable[[str | bytes], Path]

SHORT = "- symbol: AAPL\n  condition: above\n  levels: [200]\n"
RULE = Rule(
    rule_id="aapl-high",
    symbol="AAPL",
    terms=Terms(
        Condition.FALLS,
        (Decimal(5),),
        is_percent=True,
        window="1h",
        rearm=Distance(Decimal(1), is_percent=True),
    ),
    trigger=Trigger.EVERY,
    cooldown_seconds=900,
    expires_at_microseconds=1_798_761_600 * SECOND,
    owner="me",
    note="sell: now",
)
WRITTEN = """\
- id: aapl-high
  symbol: AAPL
  condition: falls
  levels: [5%]
  within: 1h
  trigger: every
  cooldown: 15m
  rearm: 1%
  expires: 2027-01-01T00:00:00Z
  owner: me
  note: 'sell: now'
"""


def test_a_rules_file_is_one_that_a_person_could_have_written(write: Write) -> None:
    assert written_rules([RULE]) == WRITTEN
    assert read_rules(write(WRITTEN), NOW) == [RULE]


def test_a_line_is_left_empty_between_rules(write: Write) -> None:
    other = Rule(rule_id="ibm", symbol="IBM", terms=Terms(Condition.ABOVE, (Decimal("1E+2"),)))
    text = written_rules([RULE, other])
    assert text == (f"{WRITTEN}\n- id: ibm\n  symbol: IBM\n  condition: above\n  levels: [100]\n")
    assert read_rules(write(text), NOW) == [RULE, other]


def test_a_file_may_hold_no_rules(write: Write) -> None:
    assert written_rules([]) == "[]\n"
    assert read_rules(write("[]\n"), NOW) == []


@given(some=st.lists(rules_with_texts, max_size=3, unique_by=lambda rule: rule.rule_id))
def test_all_rules_can_be_written_and_read_again(
    tmp_path_factory: pytest.TempPathFactory, some: list[Rule]
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.yaml"
    path.write_text(written_rules(some), "utf-8")
    assert read_rules(path, NOW) == some


def test_what_has_come_of_a_rule_is_not_written(write: Write) -> None:
    triggered = replace(RULE, progress=Progress(Status.TRIGGERED, None, NOW, "f-1"))
    assert read_rules(write(written_rules([triggered])), NOW) == [RULE]


@pytest.mark.parametrize(
    "text",
    ["null", "~", "yes", "1.50", "2027-01-01", "1:30", "0x10", " ", "it's", "#1", "- x", "{"],
)
def test_a_text_that_yaml_takes_for_something_else_stays_a_text(write: Write, text: str) -> None:
    rule = replace(RULE, owner=text, note=text, message=text.replace("{", "{{"))
    written = written_rules([rule])
    assert read_rules(write(written), NOW) == [rule]
    [entry] = yaml.safe_load(written)
    assert (entry["owner"], entry["note"]) == (text, text)


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("0.1", "0.1"),
        ("200.10", "200.1"),
        ("1e3", "1000"),
        ('"0.30"', "0.3"),
        ("0.10000000000000000555111512312578271", None),
        ("1234567890123456.000000000000000001", "1234567890123456.000000000000000001"),
    ],
)
def test_numbers_are_read_as_they_are_written(
    write: Write, written: str, level: str | None
) -> None:
    path = write(SHORT.replace("200", written))
    if level is None:  # as a float it would be 0.1
        with pytest.raises(CliError, match="at most 34 significant digits"):
            read_rules(path, NOW)
    else:
        [rule] = read_rules(path, NOW)
        assert rule.terms.levels == (Decimal(level),)


@pytest.mark.parametrize("symbol", ["ON", "TRUE", "NO", "Y"])
def test_a_symbol_is_no_truth_value(write: Write, symbol: str) -> None:
    [rule] = read_rules(write(SHORT.replace("AAPL", symbol)), NOW)
    assert rule.symbol == symbol


@pytest.mark.parametrize("nothing", ["null", "~", ""])
def test_null_is_the_same_as_leaving_out(write: Write, nothing: str) -> None:
    [rule] = read_rules(write(f"{SHORT}  expires: {nothing}\n  owner: {nothing}\n"), NOW)
    assert (rule.expires_at_microseconds, rule.owner) == (None, "")


def test_a_rule_without_an_id_gets_one(write: Write) -> None:
    first, second = read_rules(write(SHORT + SHORT), NOW)
    assert re.fullmatch(r"aapl-[a-z2-9]{6}", first.rule_id)
    assert first.rule_id != second.rule_id


def test_json_is_yaml_too(write: Write) -> None:
    path = write('[{"symbol": "AAPL", "condition": "above", "levels": ["200"], "id": null}]')
    assert read_rules(path, NOW)[0].symbol == "AAPL"


def test_a_byte_order_mark_is_passed_over(write: Write) -> None:
    assert len(read_rules(write(b"\xef\xbb\xbf" + SHORT.encode()), NOW)) == 1


def test_an_anchor_may_stand_for_what_is_repeated(write: Write) -> None:
    text = "- &a\n  symbol: AAPL\n  condition: above\n  levels: &l [200]\n- symbol: IBM\n"
    first, second = read_rules(write(f"{text}  condition: below\n  levels: *l\n"), NOW)
    assert first.terms.levels == second.terms.levels
