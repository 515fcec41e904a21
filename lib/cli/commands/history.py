"""The command that shows what fired: history."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lib.cli.options import CsvOption, JsonOption, UtcOption
from lib.cli.output import waiting, write_csv, write_json, write_line, write_table
from lib.client.history import KEYS, firings_of_all, firings_of_symbol
from lib.client.session import connected, now_microseconds
from lib.formats.quantities import local_moment, since_of
from lib.formats.words import symbol_of
from price_alerts.domain.ticks import format_moment, parse_timestamp

_LAST_DAY = "24h"
_NOTHING_LATELY = f"nothing has fired in the last {_LAST_DAY}: --since 30d looks further back"


def history(  # noqa: PLR0913, PLR0917  # each is an argument or an option
    symbol: Annotated[
        str | None, typer.Argument(metavar="SYMBOL", help="Only firings of this symbol.")
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
    utc: UtcOption = False,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what fired, newest last."""
    now = now_microseconds()
    wanted = None if symbol is None else symbol_of(symbol)
    with connected() as target, waiting("Reading the history"):
        if wanted is None:
            firings = firings_of_all(target.table, since_of(since or _LAST_DAY, now), now)
        else:
            first = 0 if since is None else since_of(since, now)
            firings = firings_of_symbol(target.table, wanted, first)
    firings = firings[-limit:] if limit else firings
    if as_json:
        write_json(firings)
    elif as_csv:
        write_csv(KEYS, firings)
    elif firings:
        write_table(
            ["price of", "symbol", "condition", "before", "price", "rule", "published"],
            [_firing_row(firing, is_exact=utc) for firing in firings],
            texts=["condition"],
        )
    elif since:
        write_line(f"nothing has fired since {since}")
    else:
        write_line("nothing has fired" if symbol else _NOTHING_LATELY)


def _firing_row(firing: dict[str, Any], *, is_exact: bool) -> list[str]:
    window = f" within {firing['window']}" if firing["window"] else ""
    at = parse_timestamp(firing["timestamp"])
    return [
        format_moment(at) if is_exact else local_moment(at),
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
