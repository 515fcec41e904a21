"""The command that sends prices: publish."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lib.cli.errors import CliError, WrongUsage
from lib.cli.output import progress, write_json, write_line, write_table
from lib.cli.prices import Price, PricesFile, price_in
from lib.cli.publishing import Publication, publish
from lib.cli.session import (
    EnvironmentOption,
    JsonOption,
    connected,
    now_microseconds,
    telling_what_is_done,
)
from price_alerts.ticks import format_moment

__all__ = ["publish_prices"]

_ROWS_PER_REPORT = 10_000


def publish_prices(
    prices: Annotated[
        list[str] | None,
        typer.Argument(metavar="SYMBOL=PRICE …", help="Prices of this moment.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Prices instead: the columns symbol, price and maybe timestamp."
        ),
    ] = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send prices to the queue; none, if something is wrong with one of them.

    Where a symbol has prices in several messages, of a hundred each, a later one may overtake an
    earlier one, which then counts as seen.
    """
    if prices and not file:
        wanted, count = _typed(prices)
    elif file and not prices:
        wanted, count = _in_file(file)
    else:
        raise WrongUsage("write either prices, say AAPL=201.5, or --file prices.csv")
    publication = Publication()
    with (
        telling_what_is_done(
            lambda: f"{publication.accepted_ticks} of {count} prices were accepted"
        ),
        connected(environment) as target,
        progress("Sending prices", count) as show,
    ):

        def on_progress(so_far: Publication) -> None:
            nonlocal publication
            publication = so_far
            show(so_far.accepted_ticks)

        publication = publish(target.sqs, target.queue_url, wanted, on_progress)
    _tell(publication, as_json)
    refused = sum(len(refusal.prices) for refusal in publication.refusals)
    if refused:
        raise CliError(f"{refused} of {count} prices were not accepted: publish them again")


def _typed(words: Iterable[str]) -> tuple[Iterable[Price], int]:
    try:
        prices = [price_in(word) for word in words]
    except CliError as reason:
        raise WrongUsage(str(reason)) from None
    return prices, len(prices)


def _in_file(path: Path) -> tuple[Iterable[Price], int]:
    """Check all of a file before anything of it is sent; it is read again then, and not kept."""
    file = PricesFile(path, now_microseconds=now_microseconds())
    with progress("Checking prices", file.size_bytes or None) as show:
        if not path.is_file():  # a pipe, which can be read only once
            prices = list(file)
            return prices, len(prices)
        count = 0
        for count, _ in enumerate(file, start=1):
            if count % _ROWS_PER_REPORT == 0:
                show(file.bytes_read)
    return file, count


def _tell(publication: Publication, as_json: bool) -> None:
    if as_json:
        write_json(
            {
                "accepted": publication.accepted_ticks,
                "messages": publication.accepted_messages,
                "refused": [
                    {
                        "symbol": price.symbol,
                        "price": f"{price.price:f}",
                        "timestamp": _time_of(price),
                        "reason": refusal.reason,
                    }
                    for refusal in publication.refusals
                    for price in refusal.prices
                ],
            }
        )
        return
    prices = "price" if publication.accepted_ticks == 1 else "prices"
    messages = "message" if publication.accepted_messages == 1 else "messages"
    write_line(
        f"accepted: {publication.accepted_ticks} {prices} "
        f"in {publication.accepted_messages} {messages}"
    )
    if publication.refusals:
        write_line("not accepted:")
        write_table(
            ["symbol", "price", "timestamp", "reason"],
            [
                [price.symbol, f"{price.price:f}", _time_of(price) or "now", refusal.reason]
                for refusal in publication.refusals
                for price in refusal.prices
            ],
            texts=["reason"],
        )


def _time_of(price: Price) -> str | None:
    at = price.timestamp_microseconds
    return None if at is None else format_moment(at)
