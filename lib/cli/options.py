"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from lib.formats.errors import WrongUsage
from lib.formats.price_layout import Hints
from price_alerts.domain.ticks import InvalidMessage, parse_symbol


def _option(name: str, metavar: str, help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, metavar=metavar, help=help_text, show_default=False
    )
    return option


EnvironmentOption = Annotated[
    str | None,
    _option("--environment", "NAME", "Environment (default: $TAP_ENVIRONMENT or dev)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
# What a price file does not say itself.
SymbolOption = Annotated[
    str | None,
    _option("--symbol", "SYMBOL", "Symbol of all prices in the file, whatever its column says."),
]
PriceColumnOption = Annotated[
    str | None,
    _option("--price-column", "NAME", "Column of prices, unless it is called price or close."),
]
TimeColumnOption = Annotated[
    str | None,
    _option(
        "--time-column",
        "NAME",
        "Column of times, unless it is called timestamp, time, date, unix or the like.",
    ),
]
TimeZoneOption = Annotated[
    str | None,
    _option(
        "--time-zone",
        "ZONE",
        "IANA zone of times without one, such as America/New_York (default for dates: UTC).",
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
        symbol = None if symbol is None else parse_symbol(symbol)
        zone = None if time_zone is None else ZoneInfo(time_zone)
    except InvalidMessage as reason:
        raise WrongUsage(f"--symbol: {reason}") from None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is not a zone
        raise WrongUsage(
            f"--time-zone: there is no zone {time_zone}: write, say, UTC or America/New_York"
        ) from None
    return Hints(symbol, price_column, time_column, zone)
