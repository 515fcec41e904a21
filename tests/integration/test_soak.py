"""A short soak; ``make soak`` runs 100,000 ticks."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.local.emulator import running_emulator
from tests.soak import Plan, soak

pytestmark = pytest.mark.deep


@pytest.mark.no_cover
def test_while_invocations_are_killed_nothing_is_lost_and_nothing_doubled(ministack: Path) -> None:
    plan = Plan(ticks=4_000, symbols=8, rules=160, workers=2, killed_percent=20)
    with running_emulator(ministack, "us-east-1") as emulator:
        outcome = soak(emulator, plan)
    assert outcome.killed > 2
    assert outcome.firings > 300
    assert (outcome.lost, outcome.doubled, outcome.unannounced) == (0, 0, 0)
    assert (outcome.dead, outcome.left) == (0, 0)
    assert outcome.extra_announcements <= 10 * outcome.killed
