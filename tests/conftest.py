"""What holds for all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest

# pytest-xdist's workers have the width of a terminal; what is printed must not depend on it.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Let no garbage be collected while coverage writes down what it saw.

    A generator that is closed then is traced, which has ended a worker with a segmentation fault.
    """
    try:
        return (yield)
    finally:
        gc.collect()
        gc.disable()
