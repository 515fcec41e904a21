from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lib.formats import rules_file
from lib.formats.errors import CliError
from lib.formats.rules_file import read_rules
from tests.unit.doubles import NOW

Write = Callable[[str | bytes], Path]

SHORT = "- symbol: AAPL\n  condition: above\n  levels: [200]\n"


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
