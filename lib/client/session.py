"""What commands share: the stack that they speak to, and the present."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from lib.client.target import Target
from lib.formats.errors import CliError


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
