"""The command that sends prices: publish."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lib.cli.options import (
    JsonOption,
    PriceColumnOption,
    SymbolOption,
    TimeColumnOption,
    TimeZoneOption,
    hints_from,
    readable,
)
from lib.cli.output import progress, write_json, write_line, write_table
from lib.client.publishing import Publication, publish
from lib.client.session import connected, now_microseconds, reporting
from lib.formats.checked_prices import CheckedPrices, checked
from lib.formats.errors import CliError, WrongUsage
from lib.formats.price_layout import Hints
from lib.formats.prices import BadRow, Price, PricesFile, price_in
from price_alerts.domain.ticks import format_moment

_SHOWN_BAD_ROWS = 20


def publish_prices(  # noqa: PLR0913, PLR0917  # each is an option
    prices: Annotated[
        list[str] | None,
        typer.Argument(metavar="SYMBOL=PRICE …", help="Current prices.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            callback=readable,
            help="Price file instead: columns symbol, price, maybe timestamp, or an export; "
            "- reads standard input.",
        ),
    ] = None,
    skip_invalid: Annotated[
        bool,
        typer.Option("--skip-invalid", help="Skip invalid rows of the file, and send the others."),
    ] = False,
    symbol: SymbolOption = None,
    price_column: PriceColumnOption = None,
    time_column: TimeColumnOption = None,
    time_zone: TimeZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send prices to the queue. If one is invalid, none is sent.

    Prices of a file are sent in the order of time, a hundred per message.
    Messages with prices of the same symbol may still arrive out of order.

    Example: alerts publish AAPL=201.5 BTC-USD=97000
    """
    hints = hints_from(symbol, price_column, time_column, time_zone)
    if prices and not file:
        if skip_invalid or hints != Hints():
            raise WrongUsage("options of --file do not apply to typed prices")
        found = _typed(prices)
    elif file and not prices:
        found = _in_file(file, hints)
        if found.bad_rows and not skip_invalid:
            _reject(file, found)
    else:
        raise WrongUsage("write either prices, say AAPL=201.5, or --file prices.csv")
    count = found.count
    publication = Publication()
    with (
        reporting(lambda: f"{publication.accepted_ticks} of {count} prices were accepted"),
        connected() as target,
        progress("Sending prices", count) as show,
    ):

        def on_progress(so_far: Publication) -> None:
            nonlocal publication
            publication = so_far
            show(so_far.accepted_ticks)

        publication = publish(target.sqs, target.queue_url, found.prices, on_progress)
    _write(publication, found.bad_rows, as_json)
    unsent = sum(len(refusal.prices) for refusal in publication.refusals)
    if unsent:
        raise CliError(f"{unsent} of {count} prices were not accepted: publish them again")


def _typed(words: Sequence[str]) -> CheckedPrices:
    try:
        prices = [price_in(word) for word in words]
    except CliError as reason:
        raise WrongUsage(str(reason)) from None
    return CheckedPrices(prices, len(prices), ())


def _in_file(path: Path, hints: Hints) -> CheckedPrices:
    file = PricesFile(path, hints, now_microseconds=now_microseconds())
    with progress("Checking prices", file.size_bytes or None) as show:
        return checked(file, is_pipe=not path.is_file(), on_progress=lambda: show(file.bytes_read))


def _reject(path: Path, found: CheckedPrices) -> NoReturn:
    bad = len(found.bad_rows)
    sys.stderr.write("".join(f"{line}\n" for line in _bad_lines(found.bad_rows)))
    raise CliError(
        f"{path}: {bad} of {found.count + bad} rows are invalid, so nothing "
        "was sent: correct them, or skip them with --skip-invalid"
    )


def _bad_lines(bad_rows: Sequence[BadRow]) -> list[str]:
    lines = [str(row) for row in bad_rows[:_SHOWN_BAD_ROWS]]
    more = len(bad_rows) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _write(publication: Publication, skipped: Sequence[BadRow], as_json: bool) -> None:
    refused = [
        {
            "symbol": price.symbol,
            "price": f"{price.price:f}",
            "timestamp": _time_of(price),
            "reason": refusal.reason,
        }
        for refusal in publication.refusals
        for price in refusal.prices
    ]
    ticks, messages = publication.accepted_ticks, publication.accepted_messages
    if as_json:
        skipped_rows = [{"line": row.first_line, "reason": row.reason} for row in skipped]
        counts = {"accepted": ticks, "messages": messages}
        write_json(counts | {"refused": refused, "skipped": skipped_rows})
        return
    write_line(f"accepted: {_counted(ticks, 'price')} in {_counted(messages, 'message')}")
    if skipped:
        write_line(f"skipped: {_counted(len(skipped), 'row')}")
        for line in _bad_lines(skipped):
            write_line(line)
    if refused:
        write_line("not accepted:")
        rows = [[value or "now" for value in row.values()] for row in refused]
        write_table(["symbol", "price", "timestamp", "reason"], rows, texts=["reason"])


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _time_of(price: Price) -> str | None:
    at = price.timestamp_microseconds
    return None if at is None else format_moment(at)
