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


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize("columns", ["80", "40", "0"])
def test_a_terminal_folds_only_texts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    number, words = "123456789012345678.000000000000000001", "leaves a hundred and comes back"
    write_table(["id", "number", "text"], [["i" * 30, number, words]], texts=["text"])
    write_facts({"f" * 20: "a fact that is as long as it needs to be", "id": "e" * 32})
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines())) < 90
    assert all(whole in text for whole in ("i" * 30, number, "f" * 20, "e" * 32))
    assert words not in text
    assert all(word in text for word in words.split())
    write_table(["a", "b"], [ROW], texts=["a", "b"])
    out = capsys.readouterr().out
    assert (out.count("x"), out.count("y")) == (150, 150)


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
