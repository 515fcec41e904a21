from __future__ import annotations

import json
import re

import pytest
import yaml

from lib.cli.output import progress, waiting, write_facts, write_json, write_table

WIDE_ROW = ["x" * 150, "y" * 150]


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_json_is_one_document_that_is_yaml_too(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"note": "50 \N{EURO SIGN} \N{GRINNING FACE}"}
    write_json(document)
    out = capsys.readouterr().out
    assert json.loads(out) == yaml.safe_load(out) == document


@pytest.mark.usefixtures("_no_terminal")
def test_what_goes_into_a_pipe_keeps_a_line_for_each_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_table(["a", "b"], [WIDE_ROW, ["[bold]", ":smile:"]])
    write_facts({"c": "d"})
    words = [line.split() for line in capsys.readouterr().out.splitlines() if "\u2500" not in line]
    assert words == [
        ["a", "b"],
        WIDE_ROW,
        ["[bold]", ":smile:"],
        ["c", "d"],
    ]


@pytest.mark.usefixtures("_terminal")
def test_what_goes_to_a_terminal_fits_into_it(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(["a", "b"], [WIDE_ROW], texts=["a", "b"])
    out = capsys.readouterr().out
    assert (out.count("x"), out.count("y")) == (150, 150)
    assert out.count("\n") >= 4


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize("columns", ["40", "0"])
def test_on_a_narrow_terminal_only_texts_are_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    number, words = "123456789012345678.000000000000000001", "leaves a hundred and comes back"
    write_table(["id", "number", "text"], [["i" * 30, number, words]], texts=["text"])
    write_facts(
        {
            "f" * 20: "a fact that is as long as it needs to be",
            "id": "e" * 32,
        }
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines())) < 90
    for whole in ("i" * 30, number, "f" * 20, "e" * 32):
        assert whole in text
    assert words not in text
    assert all(word in text for word in words.split())


@pytest.mark.usefixtures("_terminal")
def test_progress_is_shown_on_a_terminals_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Counting", 10) as show:
        show(5)
    with waiting("Thinking"):
        pass
    out, err = capsys.readouterr()
    assert out == ""
    assert "Counting" in err
    assert "50%" in err


@pytest.mark.usefixtures("_no_terminal")
def test_progress_is_not_shown_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("Counting", None) as show:
        show(5)
    with waiting("Thinking"):
        pass
    assert capsys.readouterr() == ("", "")
