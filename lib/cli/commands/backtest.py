"""The command that tries rules on past prices: backtest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lib.backtest.backtest import Backtest, described, run
from lib.backtest.columns import Chunk
from lib.backtest.price_columns import FileChunks
from lib.backtest.walk import OutOfOrder
from lib.cli.options import (
    JsonOption,
    PriceColumnOption,
    SymbolOption,
    TimeColumnOption,
    TimeZoneOption,
    hints_from,
    readable,
)
from lib.cli.output import progress, write_facts, write_json, write_line, write_table
from lib.formats.errors import CliError, WrongUsage
from lib.formats.prices import PricesFile
from lib.formats.rules_file import read_rules
from lib.formats.words import condition_in_words
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import format_moment

_SHOWN_FIRINGS = 1_000

Draw = Callable[[Iterable[Chunk], Sequence[Firing], Callable[[int], object]], None]


def backtest(  # noqa: PLR0913, PLR0917  # each is an option
    rules_path: Annotated[
        Path,
        typer.Option(
            "--rules", metavar="FILE", callback=readable, help="Rules file, as for import."
        ),
    ],
    prices_path: Annotated[
        Path,
        typer.Option(
            "--prices",
            metavar="CSV",
            callback=readable,
            help="Price file: columns timestamp, symbol and price, or an export; - reads standard "
            "input.",
        ),
    ],
    picture: Annotated[
        Path | None,
        typer.Option("--plot", metavar="OUT.png", help="Also draw a plot, as .png or .svg."),
    ] = None,
    symbol: SymbolOption = None,
    price_column: PriceColumnOption = None,
    time_column: TimeColumnOption = None,
    time_zone: TimeZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report when rules would have fired on past prices.

    No stack is needed. Prices count in the order of time, as they do for deployed rules: a file out
    of order is sorted first, and no row is skipped.

    Example: alerts backtest --rules rules.yaml --prices prices.csv --plot fired.png
    """
    rules = read_rules(rules_path, time.time_ns() // 1_000)
    draw = None if picture is None else _drawing(rules, picture)
    hints = hints_from(symbol, price_column, time_column, time_zone)
    file = PricesFile(prices_path, hints, needs_timestamps=True)
    size_bytes = file.size_bytes or None
    portions: Iterable[Chunk] = FileChunks(file)
    is_sorted = True
    with progress("Reading prices", size_bytes) as show:

        def on_progress(_rows: int) -> None:
            show(file.bytes_read)

        if not prices_path.is_file():  # a pipe can be read only once
            portions = list(portions)
        try:
            found = run(rules, portions, on_progress)
        except OutOfOrder:
            is_sorted = False
            portions = [Chunk.joined(list(portions)).in_time_order()]
            found = run(rules, portions, on_progress)
    if draw:
        with progress("Drawing", size_bytes) as show:
            draw(portions, found.firings, lambda _rows: show(file.bytes_read))
    if as_json:
        write_json([described(firing) for firing in found.firings])
    else:
        _write(rules, found, is_sorted)
        if picture:
            write_line(f"wrote {picture}")


def _drawing(rules: Sequence[Rule], picture: Path) -> Draw:
    """Return what draws; an invalid target is reported before the prices are read."""
    from lib.backtest.plot import check_target, plot  # noqa: PLC0415  # matplotlib is slow to import

    try:
        check_target(picture)
    except CliError as reason:
        raise WrongUsage(str(reason)) from None
    return lambda portions, firings, on_progress: plot(
        rules, portions, firings, picture, on_progress
    )


def _write(rules: Iterable[Rule], found: Backtest, is_sorted: bool) -> None:
    if found.firings:
        write_table(
            ["price of", "symbol", "condition", "before", "price", "rule"],
            map(_firing_row, found.firings[-_SHOWN_FIRINGS:]),
            texts=["condition"],
        )
        if len(found.firings) > _SHOWN_FIRINGS:
            write_line(f"the last {_SHOWN_FIRINGS} of {len(found.firings)}; --json prints all")
        write_line("")
    write_table(
        ["rule", "symbol", "condition", "fired"],
        [
            [
                rule.rule_id,
                rule.symbol,
                condition_in_words(rule.terms),
                str(found.firings_by_rule[rule.rule_id]),
            ]
            for rule in rules
        ],
        texts=["condition"],
    )
    write_line("")
    write_facts(
        {
            "prices": str(found.rows),
            "symbols": str(found.symbols),
            "in order": "yes" if is_sorted else "no: sorted first",
            "of symbols without a rule": str(found.rows_without_rules),
            "fired": str(len(found.firings)),
        }
    )


def _firing_row(firing: Firing) -> list[str]:
    previous = firing.previous_price
    return [
        format_moment(firing.timestamp_microseconds),
        firing.symbol,
        condition_in_words(firing.terms),
        "none" if previous is None else f"{previous:f}",
        f"{firing.price:f}",
        firing.rule_id,
    ]
