"""A symbol with many prices a second, several invocations at a time: no price is dropped."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.conftest import (
    USUAL_TIMEOUT_SECONDS,
    Deployed,
    counted,
    eventually,
    reconfigured,
)

PRICES = 100  # none can trail more of them than LATE_TICKS, however long an invocation stalls
LATE_TICKS = 100
PRICES_PER_SECOND = 20
SEVERAL = 50  # messages at once, for which all containers that there may be are started


def send(deployed: Deployed, symbol: str, price: int) -> None:
    tick = {"symbol": symbol, "price": price, "timestamp": time.time()}
    deployed.pipeline.send(json.dumps(tick))


def send_at_pace(deployed: Deployed, symbol: str) -> None:
    """Send prices as a feed does, each at its time."""
    begin = time.monotonic()
    for number in range(PRICES):
        time.sleep(max(0, begin + number / PRICES_PER_SECOND - time.monotonic()))
        send(deployed, symbol, 100 + number % 2)


@pytest.fixture
def warm(deployed: Deployed) -> Iterator[Deployed]:
    """The deployment with the usual time-out, room for all late prices, and warm containers."""
    with reconfigured(deployed, USUAL_TIMEOUT_SECONDS, LATE_TICKS=str(LATE_TICKS)):
        wanted = counted(deployed, "Ticks") + SEVERAL
        for _ in range(SEVERAL):
            send(deployed, f"W{uuid.uuid4().hex[:12].upper()}", 100)
        assert eventually(lambda: counted(deployed, "Ticks") >= wanted)
        yield deployed


def test_a_hot_symbol_loses_no_price(warm: Deployed, symbol: str) -> None:
    names = ("Ticks", "LateTicks", "Conflicts")
    ticks, late, conflicts = (counted(warm, name) for name in names)

    send_at_pace(warm, symbol)

    assert eventually(lambda: counted(warm, "Ticks") >= ticks + PRICES)
    assert counted(warm, "LateTicks") == late
    assert counted(warm, "Conflicts") > conflicts  # it was worked on side by side
