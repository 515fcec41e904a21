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

from lib.formats import rules_file
from lib.formats.errors import CliError
from lib.formats.rules_file import read_rules, written_rules
from price_alerts.domain.conditions import Condition, Distance, Terms
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
    entries = yaml.safe_load(written_rules(some))
    assert [entry.get("note", "") for entry in entries] == [rule.note for rule in some]


def test_a_text_that_yaml_takes_for_something_else_stays_a_text(write: Write) -> None:
    for text in ("null", "~", "yes", "1.50", "2027-01-01", "1:30", "0x10", " ", "#1", "- x", "{"):
        rule = replace(RULE, owner=text, note=text, message=text.replace("{", "{{"))
        written = written_rules([rule])
        assert read_rules(write(written), NOW) == [rule]
        [entry] = yaml.safe_load(written)
        assert (entry["owner"], entry["note"]) == (text, text)


@pytest.mark.parametrize(
    ("level", "exact"),
    [
        ("200.10", "200.1"),
        ("1e3", "1000"),
        ('"0.30"', "0.3"),
        ("1234567890123456.000000000000000001", "1234567890123456.000000000000000001"),
    ],
)
def test_numbers_are_read_as_they_are_written(write: Write, level: str, exact: str) -> None:
    [rule] = read_rules(write(SHORT.replace("200", level)), NOW)
    assert rule.terms.levels == (Decimal(exact),)


def test_a_number_is_not_rounded_to_one_that_could_be_a_price(write: Write) -> None:
    path = write(SHORT.replace("200", "0.10000000000000000555111512312578271"))
    assert "with at most 34 significant digits" in reason(path)


@pytest.mark.parametrize("symbol", ["ON", "Y"])
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


def reason(path: Path) -> str:
    """Return why this file is refused, without its folder."""
    with pytest.raises(CliError) as refusal:
        read_rules(path, NOW)
    said = str(refusal.value)
    assert "\n" not in said
    return said.removeprefix(f"{path.parent}/")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "rules.yaml: must be a list of rules"),
        ("symbol: AAPL\n", "rules.yaml: must be a list of rules"),
        ("- AAPL\n", "rules.yaml line 1, rule 1: must be a mapping with symbol, condition and"),
        ("- a\n- @b", "rules.yaml line 2: is not YAML: while scanning for the next token found"),
        ("--- []\n--- []\n", "rules.yaml line 2: is not YAML: expected a single document in the"),
        ("- *x\n", "rules.yaml line 1: is not YAML: found undefined alias"),
        ("- \x07\n", "rules.yaml: is not YAML: control characters are not allowed"),
        ("[" * 2_000, "rules.yaml line 1: is not YAML: while increasing flow level exceeded"),
        (b"- note: \xff\n", "rules.yaml: must be text in UTF-8"),
    ],
)
def test_what_is_no_rules_file_is_refused(write: Write, content: str | bytes, what: str) -> None:
    assert reason(write(content)).startswith(what)


@pytest.mark.parametrize(
    ("addition", "what"),
    [
        ("  levles: [5]\n", "there is no key 'levles': did you mean levels?"),
        ("  qty: 5\n", "there is no key 'qty': there are id, symbol, condition, levels, within"),
        ("  [a]: 5\n", "bad key: there are id, symbol"),
        ("  <<: {a: 1}\n", "there is no key '<<': there are id"),
        ("  symbol: IBM\n", "symbol is there twice: keep one"),
        ("  owner: null\n  owner: me\n", "owner is there twice: keep one"),
        ("  owner: [me]\n", "owner must be a single value"),
        ("  note: &n [*n]\n", "note must be a single value"),
        ("  within: 1h\n", "above takes a price, no percentage and no window"),
        ("  note: |\n    a\n    b\n", "note takes up to 256 printable characters on one line"),
        ("  cooldown: 15\n", "'15' is not a duration"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_number_and_line(
    write: Write, addition: str, what: str
) -> None:
    path = write(f"{SHORT}\n# another\n{SHORT}{addition}")
    assert reason(path).startswith(f"rules.yaml line 6, rule 2: {what}")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("  levels: 200\n", "levels must be a list, say [200], [90, 110] or [5%]"),
        ("  levels: [[200]]\n", "a level must be a single value"),
        ("  levels: []\n", "above takes one level"),
        ("  levels:\n", "levels is missing"),
    ],
)
def test_wrong_levels_are_refused(write: Write, line: str, what: str) -> None:
    path = write(SHORT.replace("  levels: [200]\n", line))
    assert reason(path) == f"rules.yaml line 1, rule 1: {what}"


@pytest.mark.parametrize("key", ["symbol", "condition", "levels"])
def test_what_is_needed_must_be_there(write: Write, key: str) -> None:
    entry = {"symbol": "AAPL", "condition": "above", "levels": ["200"]}
    del entry[key]
    assert reason(write(yaml.safe_dump([entry]))) == f"rules.yaml line 1, rule 1: {key} is missing"


def test_a_rule_with_an_id_is_named_by_it(write: Write) -> None:
    path = write(SHORT.replace("above", "abov") + "  id: mine\n")
    assert reason(path) == (
        "rules.yaml line 1, rule 1 (mine): there is no condition 'abov': write above"
    )


def test_two_rules_of_one_id_are_refused(write: Write) -> None:
    entry = f"{SHORT}  id: mine\n"
    assert reason(write(entry + entry)) == (
        "rules.yaml line 5, rule 2 (mine): an earlier rule has the same id: give each its own"
    )


def test_a_file_that_is_not_there_is_missed_by_its_name(tmp_path: Path) -> None:
    assert reason(tmp_path / "none.yaml") == "none.yaml: No such file or directory"


def test_a_file_must_not_be_too_large(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_file, "_MAX_BYTES", len(SHORT))
    assert len(read_rules(write(SHORT), NOW)) == 1
    assert reason(write(f"{SHORT}\n")) == "rules.yaml: must not be larger than 64 MiB"


def test_without_libyaml_what_is_nested_too_deeply_is_refused_too(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_file, "_LOADER", yaml.SafeLoader)
    assert len(read_rules(write(SHORT), NOW)) == 1
    assert reason(write("[" * 2_000)) == "rules.yaml: is nested too deeply for a list of rules"


def test_a_tag_builds_nothing(write: Write) -> None:
    path = write(f'{SHORT}  note: !!python/object/apply:os.system ["exit 1"]\n')
    assert reason(path).endswith("note must be a single value")
