"""Containers of the release before and of this one, side by side on one table.

`tests/data/release-before.zip` is the function's code of the last release. When a release is
made, it is replaced.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from tests.simulation.boundary import printing_nothing
from tests.simulation.cases import Case, case_of
from tests.simulation.equipment import ENVIRONMENT, Equipment, begin_cold, equipped
from tests.simulation.judge import Finding, Trouble, judged
from tests.simulation.world import play

RELEASE_BEFORE = Path(__file__).parents[1] / "data" / "release-before.zip"
SEEDS = 60


def is_of_the_function(name: str) -> bool:
    return name.partition(".")[0] in ("price_alerts", "index")


@contextmanager
def without_this_release() -> Iterator[None]:
    """Let the function's modules be imported from the release before."""
    mine = {name: sys.modules.pop(name) for name in list(sys.modules) if is_of_the_function(name)}
    sys.path.insert(0, str(RELEASE_BEFORE))
    try:
        yield
    finally:
        sys.path.remove(str(RELEASE_BEFORE))
        for name in list(filter(is_of_the_function, sys.modules)):
            del sys.modules[name]
        sys.modules.update(mine)


class MixedEquipment(Equipment):
    """Equipment of which some containers run the release before."""

    def __init__(self) -> None:
        super().__init__()
        self.are_former: dict[int, bool] = {}
        self._former: dict[int, ModuleType] = {}

    def container(self, number: int) -> ModuleType:
        if not self.are_former.get(number):
            handler: Any = super().container(number)
            # The release before does not know a message that was sent again.
            handler.config = handler.config._replace(queue_url="")
            return handler  # type: ignore[no-any-return]  # a module
        if number not in self._former:
            environment = patch.dict(os.environ, ENVIRONMENT)
            with without_this_release(), environment, printing_nothing():
                self._former[number] = importlib.import_module("index")
        module = self._former[number]
        begin_cold(module)
        return module


@pytest.fixture(scope="module")
def mixed() -> Iterator[MixedEquipment]:
    with equipped():
        yield MixedEquipment()


def played(mixed: MixedEquipment, case: Case, *, first_is_former: bool) -> list[Finding]:
    mixed.are_former = {
        number: number % 2 == (0 if first_is_former else 1) for number in range(case.containers)
    }
    outcome = play(case, mixed)
    # What one release recorded and the other repeats is under the keys of both.
    items = {_name_of(item): item for item in outcome.items}
    return list(judged(replace(outcome, items=list(items.values()))))


def _name_of(item: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("firing_id",) if "firing_id" in item else ("pk", "sk")
    return tuple(item[name]["S"] for name in names)


# What the release before gets wrong when SNS rejects a firing, or in an outage, stays wrong.
KNOWN_KINDS = ("none", "single", "pair", "slow", "rate")


def cases(kind: str) -> Iterator[Case]:
    """Write cases of which two releases together make as much as one."""
    for seed in range(SEEDS):
        case = replace(case_of(seed, kind), containers=2 + seed % 3, can_move=False)
        if case.faults.kind in KNOWN_KINDS:
            yield case


@pytest.mark.parametrize("first_is_former", [True, False])
def test_containers_of_two_releases_fire_what_one_fires(
    mixed: MixedEquipment, first_is_former: bool
) -> None:
    for case in cases("ordered"):
        found = {each.trouble for each in played(mixed, case, first_is_former=first_is_former)}
        assert found <= {Trouble.EXTRA, Trouble.DROPPED}, case.seed


@pytest.mark.parametrize("first_is_former", [True, False])
def test_ticks_that_two_releases_get_out_of_order_fire_nothing_twice(
    mixed: MixedEquipment, first_is_former: bool
) -> None:
    for case in cases("late"):
        found = {each.trouble for each in played(mixed, case, first_is_former=first_is_former)}
        # Late ticks that the release before drops are dropped with it.
        assert found <= {Trouble.LOST, Trouble.WRONG, Trouble.DROPPED, Trouble.EXTRA}, case.seed
