from __future__ import annotations

import json
import re

import pytest
import yaml

from lib.cli.output import progress, waiting, write_facts, write_json, write_table

ROW = ["x" * 150, "y" * 150]


def test_json_is_one_document_that_is_yaml_too(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"note": "50 \N{EURO SIGN} \N{GRINNING FACE}"}
    write_json(document)
    out = capsys.readouterr().out
    assert json.loads(out) == yaml.safe_load(out) == document


def test_a_pipe_gets_one_line_per_row_and_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Counting", None) as show, waiting("Thinking"):
        show(5)
    write_table(["a", "b"], [ROW, ["[bold]", ":smile:"]])
    write_facts({"c": "d"})
    out, err = capsys.readouterr()
    words = [line.split() for line in out.splitlines() if "\u2500" not in line]
    assert (words, err) == ([["a", "b"], ROW, ["[bold]", ":smile:"], ["c", "d"]], "")


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")


ID, NUMBER, WORDS = "i" * 30, "12345678901234567.000000000000000001", "leaves 100 and comes back"


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize(
    ("columns", "longest"), [("200", 97), ("85", 85), ("80", 44), ("40", 44), ("0", 44)]
)
def test_a_terminal_folds_only_texts_and_else_makes_lines_of_a_row(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    longest: int,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    write_table(["id", "number", "text"], [[ID, NUMBER, WORDS]] * 2, texts=["text"])
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= longest
    assert (text.count(ID), text.count(NUMBER)) == (2, 2)
    assert all(text.count(word) == 2 for word in WORDS.split())
    assert (lines[0].split() == ["id", "number", "text"]) == (longest > 44)


@pytest.mark.usefixtures("_terminal")
def test_facts_are_folded_but_for_their_names_and_what_is_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    write_facts({"f" * 20: "a fact that is as long as it needs to be", "id": "e" * 32})
    out = capsys.readouterr().out
    assert all(whole in out for whole in ("f" * 20, "e" * 32))
    assert "as long as it needs to be" not in out


@pytest.mark.usefixtures("_terminal")
def test_a_terminal_shows_progress_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Counting", 10) as show:
        show(5)
    with waiting("Thinking"):
        pass
    out, err = capsys.readouterr()
    assert out == ""
    assert "Counting" in err
    assert "50%" in err
