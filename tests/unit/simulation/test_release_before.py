"""Containers of the release before and of this one, side by side on one table.

`tests/data/release-before.zip` is the function's code of the last release. When a release is
made, it is replaced.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from lib.client import rule_actions
from price_alerts.adapters import items
from tests.histories import shards
from tests.simulation.boundary import printing_nothing
from tests.simulation.cases import KINDS, Case, case_of
from tests.simulation.equipment import ENVIRONMENT, Equipment, begin_cold, equipped
from tests.simulation.judge import Trouble, judged
from tests.simulation.world import play

RELEASE_BEFORE = Path(__file__).parents[2] / "data" / "release-before.zip"
SEEDS = 3  # in a shard


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
    """Equipment of which some containers run the release before, for some time or for good."""

    def __init__(self) -> None:
        super().__init__()
        self.invocations_before_update = 0
        self.is_former: Callable[[int], bool] = lambda _number: True
        self._former: dict[int, ModuleType] = {}

    def container(self, number: int) -> Any:
        if not self.is_former(number):
            return super().container(number)
        if number not in self._former:
            environment = patch.dict(os.environ, ENVIRONMENT)
            with without_this_release(), environment, printing_nothing():
                self._former[number] = importlib.import_module("index")
        begin_cold(self._former[number])
        return Updated(self, self._former[number], super().container(number))


class Updated:
    """A container that runs one release, and after the update another."""

    def __init__(
        self, equipment: MixedEquipment, former: ModuleType, following: ModuleType
    ) -> None:
        self._equipment = equipment
        self._releases = former, following

    def handler(self, event: Any, context: Any) -> Any:
        self._equipment.invocations_before_update -= 1
        release = self._releases[self._equipment.invocations_before_update < 0]
        return release.handler(event, context)

    def build_processor(self) -> None:
        """Forget all, as a container that is made anew."""
        for release in self._releases:
            begin_cold(release)


@pytest.fixture(scope="module")
def mixed() -> Iterator[MixedEquipment]:
    with equipped():
        yield MixedEquipment()


@contextmanager
def former_command_line() -> Iterator[None]:
    """Have rules added where the release before looks for them."""
    with (
        patch.object(items, "rule_key", items.former_rule_key),
        patch.object(rule_actions, "STATE_SCHEMA", items.SCHEMA),
    ):
        yield


def cases(kind: str, shard: int) -> Iterator[Case]:
    for seed in range(shard * SEEDS, (shard + 1) * SEEDS):
        case = replace(case_of(seed, kind), containers=2 + seed % 3)
        prices = {tick.price for sent in case.messages for tick in sent.ticks}
        if all(Decimal("1E-18") <= price < 10**18 for price in prices):
            yield case  # the release before takes no others


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shard", shards(1, 20))
def test_an_update_loses_nothing(mixed: MixedEquipment, kind: str, shard: int) -> None:
    mixed.is_former = lambda _number: True
    for case in cases(kind, shard):
        mixed.invocations_before_update = 1 + case.seed % 5
        with former_command_line():
            found = list(judged(play(case, mixed)))
        assert found == [], case.seed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shard", shards(1, 20))
def test_the_release_before_leaves_symbols_alone_that_this_one_has_moved(
    mixed: MixedEquipment, kind: str, shard: int
) -> None:
    mixed.is_former = lambda number: bool(number % 2)
    for case in cases(kind, shard):
        mixed.invocations_before_update = 10**9
        found = {each.trouble for each in judged(play(case, mixed))}
        # What stays in the dead-letter queue after two redrives has not fired yet; and what was
        # tried again may come too late.
        assert found <= {Trouble.DEAD, Trouble.LOST, Trouble.DROPPED}, case.seed
