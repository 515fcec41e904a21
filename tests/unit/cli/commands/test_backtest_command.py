from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.cli import backtest_command

Run = Callable[..., Any]

RULES = """\
- {id: up, symbol: AAPL, condition: crosses-up, levels: [100], trigger: every}
- {id: dip, symbol: AAPL, condition: falls, levels: [5%], within: 1d, expires: 2026-01-01}
- {id: other, symbol: IBM, condition: above, levels: [100]}
"""
PRICES = """\
timestamp,symbol,price
2010-03-01,AAPL,99.50
2010-03-02,AAPL,100
2010-03-02T12:00:00Z,AAPL,90
2010-03-03,AAPL,101
2010-03-03,MSFT,101
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The options that name the rules and the prices."""
    rules, prices = tmp_path / "rules.yaml", tmp_path / "prices.csv"
    rules.write_text(RULES)
    prices.write_text(PRICES)
    return ["--rules", str(rules), "--prices", str(prices)]


def test_what_would_have_fired_is_told_with_how_often(run: Run, files: list[str]) -> None:
    lines = [line for line in run("backtest", *files).text.splitlines() if "\u2500" not in line]
    assert lines == [
        "price of symbol condition before price rule",
        "2010-03-02T00:00:00Z AAPL crosses-up 100 99.5 100 up",
        "2010-03-02T12:00:00Z AAPL falls 5% within 1d 100 90 dip",
        "2010-03-03T00:00:00Z AAPL crosses-up 100 90 101 up",
        "",
        "rule symbol condition fired",
        "up AAPL crosses-up 100 2",
        "dip AAPL falls 5% within 1d 1",
        "other IBM above 100 0",
        "",
        "prices 5",
        "symbols 2",
        "in order yes",
        "of symbols without a rule 1",
        "fired 3",
    ]


def test_what_would_have_fired_may_be_told_as_json(run: Run, files: list[str]) -> None:
    told = run("backtest", *files, "--json").json
    assert len(told) == 3
    assert told[0] == {
        "rule_id": "up",
        "symbol": "AAPL",
        "condition": "crosses-up",
        "timestamp": "2010-03-02T00:00:00.000000Z",
        "previous_price": "99.5",
        "price": "100",
    }


def test_a_first_price_has_none_before_and_nothing_may_fire(run: Run, files: list[str]) -> None:
    Path(files[3]).write_text("timestamp,symbol,price\n2010-03-01,IBM,101\n")
    assert "2010-03-01T00:00:00Z IBM above 100 none 101 other" in run("backtest", *files).text
    Path(files[3]).write_text("timestamp,symbol,price\n2010-03-01,IBM,99\n")
    assert run("backtest", *files).text.startswith("rule symbol condition fired")


def test_a_late_row_is_put_in_its_place_as_the_handler_does(run: Run, files: list[str]) -> None:
    Path(files[1]).write_text("- {symbol: BTCUSDT, condition: crosses-up, levels: [42500]}")
    Path(files[3]).write_text(
        "timestamp,symbol,price\n"
        "1704067200873,BTCUSDT,42400\n1704067200875,BTCUSDT,42450\n"
        "1704067200874,BTCUSDT,42600\n1704067200876,BTCUSDT,42450\n"
    )
    (firing,) = run("backtest", *files, "--json").json
    assert firing["timestamp"] == "2024-01-01T00:00:00.874000Z"
    assert (firing["previous_price"], firing["price"]) == ("42400", "42600")
    assert "in order no: sorted first" in run("backtest", *files).text


@pytest.mark.parametrize("is_drawn", [False, True])
@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_file_with_the_newest_first_gives_what_its_reverse_gives(
    run: Run, files: list[str], tmp_path: Path, is_pipe: bool, is_drawn: bool
) -> None:
    header, *rows = PRICES.replace("2010-03-02T12:00:00Z", "2010-03-02").splitlines(True)
    Path(files[3]).write_text("".join([header, *rows]))
    expected = run("backtest", *files, "--json").json
    newest_first = "".join([header, *rows[::-1]])
    Path(files[3]).write_text(newest_first)
    words = [*files, "--json"]
    if is_drawn:
        words += ["--plot", str(tmp_path / "out.png")]
    if is_pipe:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_text, args=(newest_first,)).start()
        words[3] = str(pipe)

    assert run("backtest", *words).json == expected
    assert len(expected) == 3


def test_of_very_many_firings_the_last_are_told(
    run: Run, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_command, "_SHOWN_FIRINGS", 2)
    _head, _, first, second, more, *_ = run("backtest", *files).text.splitlines()
    assert (first.split()[-1], second.split()[-1]) == ("dip", "up")
    assert more == "the last 2 of 3; --json prints all"


def test_it_may_be_drawn(run: Run, files: list[str], tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    assert len(run("backtest", *files, "--plot", str(picture), "--json").json) == 3
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_was_written_is_named(run: Run, files: list[str], tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    assert run("backtest", *files, "--plot", picture).text.splitlines()[-1] == f"wrote {picture}"


def test_a_picture_of_the_year_9999_may_be_drawn(
    run: Run, files: list[str], tmp_path: Path
) -> None:
    Path(files[3]).write_text("timestamp,symbol,price\n2024-01-01,AAPL,99\n9999-12-31,AAPL,101\n")
    picture = tmp_path / "out.png"
    assert run("backtest", *files, "--plot", picture).text.endswith(f"wrote {picture}")


def test_a_folder_for_the_picture_is_missed_before_the_prices_are_read(
    run: Run, files: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "none"
    Path(files[3]).write_text("no prices")
    ended = run("backtest", *files, "--plot", folder / "out.png")
    assert ended.exit_code == 2
    assert ended.error == f"{folder / 'out.png'}: there is no folder {folder}; make it first"


def test_prices_from_a_pipe_may_be_drawn_too(run: Run, files: list[str], tmp_path: Path) -> None:
    pipe, picture = tmp_path / "pipe", tmp_path / "out.svg"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(PRICES,))
    writer.start()
    done = run("backtest", *files[:2], "--prices", str(pipe), "--plot", str(picture), "--json")
    writer.join()
    assert len(done.json) == 3
    assert b"<svg" in picture.read_bytes()


def test_a_picture_of_another_kind_is_refused_at_once(
    run: Run, files: list[str], tmp_path: Path
) -> None:
    ended = run("backtest", *files, "--plot", str(tmp_path / "out.pdf"))
    assert ended.exit_code == 2
    assert ended.error.endswith("out.pdf: a picture is written as .png or .svg")


def test_a_price_without_a_timestamp_is_refused(run: Run, files: list[str]) -> None:
    Path(files[3]).write_text("symbol,price\nAAPL,1\n")
    ended = run("backtest", *files)
    assert ended.exit_code == 1
    assert ended.error.endswith(
        "prices.csv line 1: no column is known to be the time, among symbol, price: "
        "name it with --time-column"
    )


def test_an_export_is_read_with_options_that_say_what_it_does_not(
    run: Run, files: list[str]
) -> None:
    Path(files[3]).write_text("when;open;last\n2010-03-01 09:30;1;99\n2010-03-01 09:31;1;1,100.5\n")
    words = ["--symbol", "aapl", "--price-column", "last", "--time-column", "when"]
    (firing,) = run("backtest", *files, *words, "--time-zone", "America/New_York", "--json").json
    assert (firing["timestamp"], firing["price"]) == ("2010-03-01T14:31:00.000000Z", "1100.5")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--time-zone", "Mars"], "--time-zone: there is no zone Mars: write, say, UTC or"),
        (["--time-zone", "America"], "--time-zone: there is no zone America: write, say, UTC or"),
        (["--time-zone", "/etc"], "--time-zone: there is no zone /etc: write, say, UTC or"),
        (["--symbol", " A"], "--symbol: symbol must be 1 to 64 printable characters"),
    ],
)
def test_a_wrong_option_is_wrong_usage(
    run: Run, files: list[str], words: list[str], reason: str
) -> None:
    ended = run("backtest", *files, *words)
    assert ended.exit_code == 2
    assert ended.error.startswith(reason)


@pytest.mark.parametrize("option", ["--rules", "--prices"])
def test_both_files_must_be_named(run: Run, files: list[str], option: str) -> None:
    at = files.index(option)
    ended = run("backtest", *files[:at], *files[at + 2 :])
    assert ended.exit_code == 2
    assert ended.error == f"Missing option '{option}': see alerts backtest --help"
