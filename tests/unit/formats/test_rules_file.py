from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.formats import rules_file
from lib.formats.errors import CliError
from lib.formats.rules_file import read_rules, written_rules
from price_alerts.domain.rules import Rule, Trigger
from tests.unit.doubles import NOW, SECOND
from tests.unit.formats.rule_strategies import rules_with_texts
from tests.unit.rule_builders import rule

Write = Callable[[str | bytes], Path]

SHORT = "- symbol: AAPL\n  condition: above\n  levels: [200]\n"
MOVE = rule(
    "falls 5% within 1h rearm 1%",
    "aapl-high",
    cooldown_seconds=900,
    expires_at_microseconds=1_798_761_600 * SECOND,
    owner="me",
    note="sell: now",
)
ONCE = rule("above 1E+2", "ibm", symbol="IBM", trigger=Trigger.ONCE)
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

- id: ibm
  symbol: IBM
  condition: above
  levels: [100]
"""


@pytest.mark.parametrize(("rules", "text"), [([MOVE, ONCE], WRITTEN), ([], "[]\n")])
def test_a_rules_file_reads_as_if_a_person_had_written_it(
    write: Write, rules: list[Rule], text: str
) -> None:
    assert written_rules(rules) == text
    assert read_rules(write(text), NOW) == rules


@given(st.lists(rules_with_texts, max_size=3, unique_by=lambda drawn: drawn.rule_id))
@settings(max_examples=12)
def test_all_rules_can_be_written_and_read_again(
    tmp_path_factory: pytest.TempPathFactory, some: list[Rule]
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.yaml"
    path.write_text(written_rules(some), "utf-8")
    assert read_rules(path, NOW) == some
    entries = yaml.safe_load(written_rules(some))
    assert [entry.get("note", "") for entry in entries] == [each.note for each in some]


@pytest.mark.parametrize(
    "text", ["null", "~", "yes", "1.50", "2027-01-01", "1:30", "0x10", " ", "#1", "- x", "{"]
)
def test_text_that_yaml_takes_for_something_else_stays_text(write: Write, text: str) -> None:
    given_rule = replace(MOVE, owner=text, note=text, message=text.replace("{", "{{"))
    written = written_rules([given_rule])
    assert read_rules(write(written), NOW) == [given_rule]
    assert yaml.safe_load(written)[0]["owner"] == text


@pytest.mark.parametrize(
    "level", ["200.10", "1e3", '"0.30"', "1234567890123456.000000000000000001"]
)
def test_numbers_are_read_as_they_are_written(write: Write, level: str) -> None:
    [read] = read_rules(write(SHORT.replace("200", level)), NOW)
    assert read.terms.levels == (Decimal(level.strip('"')),)


@pytest.mark.parametrize(
    ("content", "symbols"),
    [
        (SHORT.replace("AAPL", "ON"), ["ON"]),
        (SHORT + "  expires: null\n  owner: ~\n  id:\n", ["AAPL"]),
        (b"\xef\xbb\xbf" + SHORT.encode(), ["AAPL"]),
        ('[{"symbol": "AAPL", "condition": "above", "levels": ["200"], "id": null}]', ["AAPL"]),
        (
            "- {symbol: A, condition: above, levels: &l [200]}\n"
            "- {symbol: B, condition: below, levels: *l}\n",
            ["A", "B"],
        ),
    ],
    ids=["a word for true", "null", "byte order mark", "JSON", "an anchor"],
)
def test_a_file_may_be_any_yaml(write: Write, content: str | bytes, symbols: list[str]) -> None:
    read = read_rules(write(content), NOW)
    assert [each.symbol for each in read] == symbols
    assert {each.terms.levels for each in read} == {(Decimal(200),)}
    assert {(each.expires_at_microseconds, each.owner) for each in read} == {(None, "")}


def test_each_rule_without_an_id_gets_its_own(write: Write) -> None:
    first, second = read_rules(write(SHORT + SHORT), NOW)
    assert re.fullmatch(r"aapl-[a-z2-9]{6}", first.rule_id)
    assert first.rule_id != second.rule_id


def reason(path: Path) -> str:
    """Return why this file is rejected, without its folder."""
    with pytest.raises(CliError) as error:
        read_rules(path, NOW)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path.parent}/rules.yaml")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", ": must be a list of rules"),
        ("symbol: AAPL\n", ": must be a list of rules"),
        ("- AAPL\n", " line 1, rule 1: must be a mapping with symbol, condition and"),
        ("- a\n- @b", " line 2: is not YAML: while scanning for the next token found"),
        ("--- []\n--- []\n", " line 2: is not YAML: expected a single document in the"),
        ("- *x\n", " line 1: is not YAML: found undefined alias"),
        ("- \x07\n", ": is not YAML: control characters are not allowed"),
        ("[" * 2_000, " line 1: is not YAML: while increasing flow level exceeded"),
        (b"- note: \xff\n", ": must be text in UTF-8"),
        (SHORT.replace("above", "abov") + "  id: me\n", " line 1, rule 1 (me): there is no condi"),
        (f"{SHORT}  id: me\n" * 2, " line 5, rule 2 (me): an earlier rule has the same id: give"),
        (SHORT.replace("[200]", "[0.10000000000000000555111512312578271]"), " line 1, rule 1: '0."),
    ],
)
def test_a_bad_file_is_rejected_with_the_line(
    write: Write, content: str | bytes, what: str
) -> None:
    assert reason(write(content)).startswith(what)


@pytest.mark.parametrize(
    ("addition", "what"),
    [
        ("levles: [5]", "there is no key 'levles': did you mean levels?"),
        ("qty: 5", "there is no key 'qty': there are id, symbol, condition, levels, within"),
        ("[a]: 5", "bad key: there are id, symbol"),
        ("<<: {a: 1}", "there is no key '<<': there are id"),
        ("symbol: IBM", "symbol is there twice: keep one"),
        ("owner: null\n  owner: me", "owner is there twice: keep one"),
        ("owner: [me]", "owner must be a single value"),
        ("note: &n [*n]", "note must be a single value"),
        ('note: !!python/object/apply:os.system ["exit 1"]', "note must be a single value"),
        ("note: |\n    a\n    b", "note takes up to 256 printable characters on one line"),
    ],
)
def test_a_bad_rule_is_rejected_with_its_number_and_line(
    write: Write, addition: str, what: str
) -> None:
    path = write(f"{SHORT}\n# another\n{SHORT}  {addition}\n")
    assert reason(path).startswith(f" line 6, rule 2: {what}")


@pytest.mark.parametrize(
    ("line", "other", "what"),
    [
        ("levels: [200]", "levels: 200", "levels must be a list, say [200], [90, 110] or [5%]"),
        ("levels: [200]", "levels: [[200]]", "a level must be a single value"),
        ("levels: [200]", "levels: []", "above takes one level"),
        ("levels: [200]", "levels:", "levels is missing"),
        ("condition: above", "", "condition is missing"),
        ("symbol: AAPL", "note: x", "symbol is missing"),
    ],
)
def test_symbol_condition_and_levels_are_needed(
    write: Write, line: str, other: str, what: str
) -> None:
    assert reason(write(SHORT.replace(line, other))) == f" line 1, rule 1: {what}"


def test_a_missing_or_large_file_is_rejected(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(SHORT)
    monkeypatch.setattr(rules_file, "_MAX_BYTES", len(SHORT))
    assert len(read_rules(path, NOW)) == 1
    path.write_text(f"{SHORT}\n")
    assert reason(path) == ": must not be larger than 64 MiB"
    path.unlink()
    assert reason(path) == ": No such file or directory"


def test_without_libyaml_deep_nesting_is_rejected_too(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_file, "_LOADER", yaml.SafeLoader)
    assert len(read_rules(write(SHORT), NOW)) == 1
    assert reason(write("[" * 1_000)) == ": is nested too deeply for a list of rules"
