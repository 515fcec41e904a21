"""What the tests of the stacks share: every stack, synthesized once, and a second opinion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.iam.simulator import Simulator, running_simulator
from tests.needed import needed
from tests.unit.stacks.snapshots import ACCOUNT_ID, BOUNDARY, Stack, synthesize_all


@pytest.fixture(scope="session")
def stacks(package: Path) -> dict[str, Stack]:
    return synthesize_all(package)


@pytest.fixture(scope="session")
def deployed(stacks: dict[str, Stack]) -> dict[str, Stack]:
    """The stacks, in an account whose number is known."""
    text = json.dumps(stacks)
    for token, value in (
        ("data.aws_caller_identity.caller.account_id", ACCOUNT_ID),
        ("data.aws_partition.partition.partition", "aws"),
        *(
            (f"aws_iam_policy.boundary-{name}.arn", BOUNDARY.format(name))
            for name in ("dev", "prod")
        ),
    ):
        text = text.replace(f"${{{token}}}", value)
    found: dict[str, Stack] = json.loads(text)
    return found


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with needed(), running_simulator() as simulator:
        yield simulator
