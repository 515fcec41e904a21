"""The options that several commands have."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from lib.formats.errors import WrongUsage
from lib.formats.price_layout import Hints
from price_alerts.domain.ticks import InvalidMessage, parse_symbol

EnvironmentOption = Annotated[
    str | None,
    typer.Option(
        "--environment",
        metavar="NAME",
        help="Whose stack: dev, prod, …; if left out TAP_ENVIRONMENT, else dev.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
# What a file of prices does not say itself.
SymbolOption = Annotated[
    str | None,
    typer.Option(
        "--symbol",
        metavar="SYMBOL",
        help="The symbol of all prices in the file, whatever a column of symbols calls it.",
        show_default=False,
    ),
]
PriceColumnOption = Annotated[
    str | None,
    typer.Option(
        "--price-column",
        metavar="NAME",
        help="The column of prices, if it is not called price or close.",
        show_default=False,
    ),
]
TimeColumnOption = Annotated[
    str | None,
    typer.Option(
        "--time-column",
        metavar="NAME",
        help="The column of times, if it is not called timestamp, time, date, unix or the like.",
        show_default=False,
    ),
]
TimeZoneOption = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        metavar="ZONE",
        help="The IANA zone of times that name none, say America/New_York; else dates are UTC.",
        show_default=False,
    ),
]


def hints_from(
    symbol: str | None, price_column: str | None, time_column: str | None, time_zone: str | None
) -> Hints:
    """Read the options.

    Raises
    ------
    WrongUsage
        If the symbol is none, or the zone is not known.
    """
    try:
        return Hints(
            None if symbol is None else parse_symbol(symbol),
            price_column,
            time_column,
            None if time_zone is None else ZoneInfo(time_zone),
        )
    except InvalidMessage as reason:
        raise WrongUsage(f"--symbol: {reason}") from None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is none
        raise WrongUsage(
            f"--time-zone: no zone is called {time_zone}; write, say, UTC or America/New_York"
        ) from None
