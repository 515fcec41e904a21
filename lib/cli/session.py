"""What the commands share: their common options, the stack that they speak to, the present."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from lib.cli.errors import CliError
from lib.cli.target import Target

__all__ = [
    "EnvironmentOption",
    "JsonOption",
    "connected",
    "now_microseconds",
    "telling_what_is_done",
]

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


@contextmanager
def connected(environment: str | None) -> Iterator[Target]:
    """Speak to a stack.

    Parameters
    ----------
    environment
        The environment's name, or ``None`` for the usual one.

    Raises
    ------
    CliError
        What boto3 raises meanwhile, in one line that says what to do.
    """
    target = Target(environment)
    try:
        yield target
    except (BotoCoreError, ClientError) as error:
        raise target.explained(error) from None


@contextmanager
def telling_what_is_done(what: Callable[[], str]) -> Iterator[None]:
    """Add to the reason why work ends early how far it has come.

    Parameters
    ----------
    what
        Says what has been done by then.

    Raises
    ------
    CliError, KeyboardInterrupt
        The one that has ended the work, with more words.
    """
    try:
        yield
    except CliError as reason:
        raise type(reason)(f"{reason} ({what()})") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what()) from None


def now_microseconds() -> int:
    """Tell the time, in microseconds since 1970."""
    return time.time_ns() // 1_000
