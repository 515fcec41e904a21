"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from lib.cli import completing
from lib.formats.errors import WrongUsage
from lib.formats.price_layout import Hints
from price_alerts.domain.conditions import WINDOWS_SECONDS, Condition
from price_alerts.domain.rules import HIGH_PRICE_RULE_ID, PLACEHOLDERS, check_rule_id
from price_alerts.domain.ticks import InvalidMessage, parse_symbol


def readable(path: Path | None) -> Path | None:
    """Return the path of a file that is read; ``-`` is standard input."""
    return Path("/dev/stdin") if path == Path("-") else path


def _option(name: str, metavar: str, help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, metavar=metavar, help=help_text, show_default=False
    )
    return option


JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, with the keys of --json.")]
UtcOption = Annotated[bool, typer.Option("--utc", help="Show exact times, in UTC.")]
# A rule.
RuleId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Id of the rule; alerts list shows it.", autocompletion=completing.ids
    ),
]
CONDITIONS = ", ".join(condition.word for condition in Condition)
WithinOption = Annotated[
    str | None, _option("--within", "W", f"Window of rises and falls: {' '.join(WINDOWS_SECONDS)}.")
]
TriggerOption = Annotated[
    str | None, _option("--trigger", "once|every", "How often the rule fires (default: once).")
]
CooldownOption = Annotated[
    str | None, _option("--cooldown", "15m", "With every: time before it may fire again.")
]
RearmOption = Annotated[
    str | None,
    _option(
        "--rearm", "0.5%", "With every: how far the price must move back before it may fire again."
    ),
]
ExpiresOption = Annotated[
    str | None, _option("--expires", "30d|DATE", "Expiry: a duration or a date.")
]
OfOwnerOption = Annotated[str | None, _option("--owner", "O", "All rules of this owner.")]
OfSymbolOption = Annotated[
    str | None,
    typer.Option(
        metavar="SYMBOL", help="All rules of this symbol.", autocompletion=completing.symbols
    ),
]
OwnerOption = Annotated[str | None, _option("--owner", "O", "Owner of the rule.")]
NoteOption = Annotated[str | None, _option("--note", "T", "Note included in the alert.")]
MessageOption = Annotated[
    str | None,
    _option(
        "--message",
        "T",
        f"Text of the alert instead of the default: {{{'} {'.join(PLACEHOLDERS)}}}",
    ),
]
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


def check_changeable(rule_id: str) -> None:
    """Reject what is no id of a rule, and that of the stack's own, which the settings have.

    Raises
    ------
    RuleError, WrongUsage
        If it is one of these.
    """
    check_rule_id(rule_id)
    if rule_id == HIGH_PRICE_RULE_ID:
        raise WrongUsage(
            f"{rule_id} is the stack's own rule: set high_price_threshold in cdktf.json, and deploy"
        )


def reject_options(command: str, *words: str) -> None:
    """Reject what looks like an option among a command's arguments; -5 and -.5 are numbers.

    Raises
    ------
    WrongUsage
        If there is one.
    """
    for word in words:
        if re.match(r"-(?!\.?[0-9])", word):
            raise WrongUsage(f"No such option: {word}: see alerts {command} --help")


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
