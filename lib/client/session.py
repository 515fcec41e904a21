"""How commands begin and end: the stack that they manage, and what their errors say."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from lib.client.local_stack import stack_for
from lib.client.target import Target
from lib.formats.errors import CliError


@contextmanager
def connected() -> Iterator[Target]:
    """Connect to the stack of the environment, as variables name it.

    Without credentials that is the stack of ``make local``, if it runs; stderr says so.

    Raises
    ------
    CliError
        For boto3's errors meanwhile: one line that says what to do.
    """
    target = Target()
    target.local = stack_for(target.environment, os.environ)
    if target.local:
        sys.stderr.write(f"no AWS credentials: using make local's stack, {target.local.endpoint}\n")
    try:
        yield target
    except (BotoCoreError, ClientError) as error:
        raise target.explained(error) from None


@contextmanager
def reporting(progress: Callable[[], str]) -> Iterator[None]:
    """Add the progress so far to the error or the interruption that ends the work."""
    try:
        yield
    except CliError as reason:
        raise type(reason)(f"{reason} ({progress()})") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(progress()) from None


def now_microseconds() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1_000
