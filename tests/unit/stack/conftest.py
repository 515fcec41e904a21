"""What the tests of the stack have: it is synthesized once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.stack.stacks import VARIANTS, Stack, synthesize


@pytest.fixture(scope="session")
def stacks(package: Path) -> dict[str, Stack]:
    """Each variant's configuration; whoever changes one works on a copy."""
    return {name: synthesize(settings, package) for name, settings in VARIANTS.items()}
