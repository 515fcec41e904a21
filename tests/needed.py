"""What a test needs and a machine may not have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lib.formats.errors import LocalError


@contextmanager
def needed() -> Iterator[None]:
    """Skip what needs something that cannot be had here."""
    missing = ""
    try:
        yield
    except LocalError as reason:
        missing = str(reason)
    # On a developer's machine that is a pity; in CI it would hide all that is tested here.
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"cannot be skipped in CI: {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)
