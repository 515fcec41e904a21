"""Options that several commands share."""

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
        help="Environment (default: $TAP_ENVIRONMENT or dev).",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
# What a price file does not say itself.
SymbolOption = Annotated[
    str | None,
    typer.Option(
        "--symbol",
        metavar="SYMBOL",
        help="Symbol of all prices in the file, whatever its column says.",
        show_default=False,
    ),
]
PriceColumnOption = Annotated[
    str | None,
    typer.Option(
        "--price-column",
        metavar="NAME",
        help="Column of prices, unless it is called price or close.",
        show_default=False,
    ),
]
TimeColumnOption = Annotated[
    str | None,
    typer.Option(
        "--time-column",
        metavar="NAME",
        help="Column of times, unless it is called timestamp, time, date, unix or the like.",
        show_default=False,
    ),
]
TimeZoneOption = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        metavar="ZONE",
        help="IANA zone of times without one, such as America/New_York (default for dates: UTC).",
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
        If the symbol is invalid, or the zone unknown.
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
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is not a zone
        raise WrongUsage(
            f"--time-zone: there is no zone {time_zone}: write, say, UTC or America/New_York"
        ) from None
