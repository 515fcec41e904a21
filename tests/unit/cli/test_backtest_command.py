from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.cli.commands import backtest

Run = Callable[..., Any]
Replay = Callable[[str], None]

RULES = """\
- {id: up, symbol: AAPL, condition: crosses-up, levels: [100], trigger: every}
- {id: dip, symbol: AAPL, condition: falls, levels: [5%], within: 1d, expires: 2026-01-01}
- {id: other, symbol: IBM, condition: above, levels: [100]}
"""
PRICES = """\
timestamp,symbol,price
2010-03-01,AAPL,99.50
2010-03-02,AAPL,100
2010-03-02,AAPL,90
2010-03-03,AAPL,101
2010-03-03,MSFT,101
"""
HEADER, *ROWS = PRICES.splitlines(keepends=True)
NEWEST_FIRST = "".join([HEADER, *ROWS[::-1]])


@pytest.fixture
def files(tmp_path: Path) -> list[Any]:
    """The options that name the rules and the prices."""
    rules, prices = tmp_path / "rules.yaml", tmp_path / "prices.csv"
    rules.write_text(RULES)
    prices.write_text(PRICES)
    return ["--rules", rules, "--prices", prices]


FIRED = """
    price of symbol condition before price rule
    2010-03-02T00:00:00Z AAPL crosses-up 100 99.5 100 up
    2010-03-02T00:00:00Z AAPL falls 5% within 1d 100 90 dip
    2010-03-03T00:00:00Z AAPL crosses-up 100 90 101 up
    rule symbol condition fired
    up AAPL crosses-up 100 2
    dip AAPL falls 5% within 1d 1
    other IBM above 100 0
    prices 5
    symbols 2
    in order {}
    of symbols without a rule 1
    fired 3
    """


def test_firings_are_listed_and_counted(replay: Replay, run: Run, files: list[Any]) -> None:
    replay("$ backtest --rules rules.yaml --prices prices.csv" + FIRED.format("yes"))
    fired = run("backtest", *files, "--json").json
    assert (len(fired), fired[0]) == (
        3,
        {
            "rule_id": "up",
            "symbol": "AAPL",
            "condition": "crosses-up",
            "timestamp": "2010-03-02T00:00:00.000000Z",
            "previous_price": "99.5",
            "price": "100",
        },
    )
    files[3].write_text("timestamp,symbol,price\n2010-03-01,IBM,101\n")
    assert "IBM above 100 none 101 other" in " ".join(run("backtest", *files).out.split())
    files[3].write_text("timestamp,symbol,price\n2010-03-01,IBM,99\n")
    assert run("backtest", *files).out.split()[:4] == ["rule", "symbol", "condition", "fired"]


@pytest.mark.parametrize(
    ("is_pipe", "content", "picture", "magic"),
    [
        (False, NEWEST_FIRST, "out.png", b"\x89PNG"),
        (True, NEWEST_FIRST, None, b""),
        (True, PRICES, "out.svg", b"<?xml"),
    ],
)
def test_a_file_may_be_out_of_order_or_a_pipe_and_be_drawn(  # noqa: PLR0917  # fixtures
    run: Run,
    tmp_path: Path,
    files: list[Any],
    is_pipe: bool,
    content: str,
    picture: str | None,
    magic: bytes,
) -> None:
    expected = run("backtest", *files).out
    path = tmp_path / "other.csv"
    if is_pipe:
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=(content,)).start()
    else:
        path.write_text(content)
    plot = ["--plot", tmp_path / picture] if picture else []
    found = run("backtest", *files[:2], "--prices", path, *plot).out
    if content != PRICES:
        found = found.replace("no: sorted first", "yes")
    if picture:
        assert (tmp_path / picture).read_bytes().startswith(magic)
        found = found.replace(f"wrote {tmp_path / picture}\n", "")
    assert found.split() == expected.split()


def test_of_very_many_firings_the_last_are_listed(
    run: Run, files: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest, "_SHOWN_FIRINGS", 2)
    _head, _, first, second, more, *_ = run("backtest", *files).out.strip().splitlines()
    assert (first.split()[-1], second.split()[-1]) == ("dip", "up")
    assert more == "the last 2 of 3; --json prints all"


def test_an_export_is_read_with_options_for_what_it_does_not_say(
    run: Run, files: list[Any]
) -> None:
    files[3].write_text("when;open;last\n2010-03-01 09:30;1;99\n2010-03-01 09:31;1;1,100.5\n")
    words = ["--symbol", "aapl", "--price-column", "last", "--time-column", "when"]
    (firing,) = run("backtest", *files, *words, "--time-zone", "America/New_York", "--json").json
    assert (firing["timestamp"], firing["price"]) == ("2010-03-01T14:31:00.000000Z", "1100.5")


def test_what_is_wrong_is_one_line(replay: Replay, files: list[Any]) -> None:
    replay("""
        $ backtest --rules rules.yaml --prices rules.yaml --plot none/out.png
        error: none/out.png: there is no folder none; make it first
        ? 2
        $ backtest --rules rules.yaml --prices rules.yaml --plot out.pdf
        error: out.pdf: a picture is written as .png or .svg
        ? 2
        $ backtest --rules rules.yaml --prices rules.yaml
        error: rules.yaml line …
        ? 1
        $ backtest --rules rules.yaml
        error: Missing option '--prices': see alerts backtest --help
        ? 2
        $ backtest --prices prices.csv
        error: Missing option '--rules': see alerts backtest --help
        ? 2
        """)
    files[3].write_text("symbol,price\nAAPL,1\n")
    replay("""
        $ backtest --rules rules.yaml --prices prices.csv
        error: prices.csv line 1: no column is known to be the time, among symbol, price: name it …
        ? 1
        """)
