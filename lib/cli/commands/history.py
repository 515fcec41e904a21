"""The command that shows what fired: history."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from lib.cli import completing
from lib.cli.options import CsvOption, JsonOption, UtcOption
from lib.cli.output import waiting, write_csv, write_json, write_line, write_table
from lib.client.history import KEYS, firings_of, followed
from lib.client.session import connected, now_microseconds
from lib.formats.errors import WrongUsage
from lib.formats.quantities import shown_moment, since_of
from lib.formats.words import symbol_of
from price_alerts.domain.ticks import parse_timestamp

_LAST_DAY = "24h"
_NOTHING_LATELY = f"nothing has fired in the last {_LAST_DAY}: --since 30d looks further back"


def history(  # noqa: PLR0913, PLR0917  # each is an argument or an option
    symbol: Annotated[
        str | None,
        typer.Argument(
            metavar="SYMBOL",
            help="Only firings of this symbol.",
            autocompletion=completing.symbols,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="24h|DATE",
            help="Start: a duration back from now, or a date. With SYMBOL by the time of prices "
            "(default: all), without by the time of firing (default: 24h).",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the newest N.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, a line for each firing.")
    ] = False,
    utc: UtcOption = False,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what fired, newest last.

    Example: alerts history AAPL --since 7d
    """
    now = now_microseconds()
    wanted = None if symbol is None else symbol_of(symbol)
    first = since_of(since or _LAST_DAY, now) if since or not wanted else 0
    if follow and as_csv:
        raise WrongUsage("--follow prints lines, or with --json an object a line: leave out --csv")
    with connected() as target:
        coming = followed(target.table, wanted, first, limit)
        while follow:
            firing = next(coming)
            write_line(json.dumps(firing) if as_json else _line_of(firing, utc))
            sys.stdout.flush()
        with waiting("Reading the history"):
            firings = firings_of(target.table, wanted, first, now)
    firings = firings[-limit:] if limit else firings
    if as_json:
        write_json(firings)
    elif as_csv:
        write_csv(KEYS, firings)
    elif firings:
        write_table(
            ["price of", "symbol", "condition", "before", "price", "rule", "published"],
            [_firing_row(firing, is_utc=utc) for firing in firings],
            texts=["condition"],
        )
    elif since:
        write_line(f"nothing has fired since {since}")
    else:
        write_line("nothing has fired" if symbol else _NOTHING_LATELY)


def _line_of(firing: dict[str, Any], is_utc: bool) -> str:
    at, symbol, condition, before, price, rule_id, _ = _firing_row(firing, is_utc=is_utc)
    return f"{at}  {symbol} {condition}: {price}, {before} before  ({rule_id})"


def _firing_row(firing: dict[str, Any], *, is_utc: bool) -> list[str]:
    window = f" within {firing['window']}" if firing["window"] else ""
    return [
        shown_moment(parse_timestamp(firing["timestamp"]), is_utc=is_utc),
        firing["symbol"],
        " ".join([firing["condition"], *firing["levels"]]) + window,
        firing["previous_price"] or "none",
        firing["price"],
        firing["rule_id"],
        _published(firing),
    ]


def _published(firing: dict[str, Any]) -> str:
    if firing["undeliverable"]:
        return f"no: {firing['undeliverable']}"
    return "yes" if firing["sent"] else "not yet"
