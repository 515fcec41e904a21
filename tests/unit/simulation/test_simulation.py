"""A slice of the simulated histories; ``python -m tests.simulation`` plays many more."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.histories import shards
from tests.simulation import __main__ as command
from tests.simulation.cases import KINDS, case_of
from tests.simulation.equipment import Equipment, equipped
from tests.simulation.judge import Finding, Trouble, judged
from tests.simulation.runner import verdicts
from tests.simulation.scenarios import burst, hot_symbol, import_beside_prices
from tests.simulation.strikes import Fault, Plan
from tests.simulation.world import Mistakes, play

PROJECT = Path(__file__).parents[3]
SLICE_SEEDS = 5  # in a shard
pytestmark = pytest.mark.no_cover


@pytest.fixture
def equipment() -> Iterator[Equipment]:
    with equipped() as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shard", shards(1, 40))
def test_nothing_is_lost_or_doubled_in_a_slice_of_histories(kind: str, shard: int) -> None:
    played = list(verdicts(shard * SLICE_SEEDS, SLICE_SEEDS, kind))
    assert [verdict.line for verdict in played if verdict.findings] == []
    assert len(played) == SLICE_SEEDS


def test_a_seed_is_played_in_the_same_way_each_time_and_everywhere(equipment: Equipment) -> None:
    first, second = (play(case_of(18), equipment, is_traced=True) for _ in range(2))
    assert len(first.trace) > 20
    assert (first.trace, first.items) == (second.trace, second.items)
    assert first.announced == second.announced
    assert first.trace != play(case_of(4), equipment, is_traced=True).trace
    shown = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "18", "--trace"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": f".{os.pathsep}lib/lambda", "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = shown.stdout.splitlines()
    assert lines[1 + len(first.case.messages) :][: len(first.trace)] == first.trace


FAILING = Plan("single", {12: Fault.SERVER_ERRORS})
KILLED = Plan("single", {15: Fault.KILLED_BEFORE})


@pytest.mark.parametrize(
    ("mistakes", "kind", "faults", "wanted"),
    [
        (Mistakes(ignores_conditions_of_updates=True), "late", Plan(), Trouble.LOST),
        (Mistakes(ignores_conditions_of_updates=True), "ordered", Plan(), Trouble.LOST),
        (Mistakes(swallows_announcements=True), "ordered", Plan(), Trouble.UNPUBLISHED),
        (Mistakes(shuffles_announcements=True), "late", Plan(), Trouble.ORDER),
        (Mistakes(forgets_failures=True), "ordered", FAILING, Trouble.LOST),
        (Mistakes(deletes_killed=True), "ordered", KILLED, Trouble.LOST),
    ],
)
def test_a_mistake_that_is_made_on_purpose_is_noticed(
    equipment: Equipment, mistakes: Mistakes, kind: str, faults: Plan, wanted: Trouble
) -> None:
    cases = (replace(case_of(seed, kind), faults=faults) for seed in range(30))
    assert any(
        wanted in {finding.trouble for finding in judged(play(case, equipment, mistakes))}
        for case in cases
    )


@pytest.mark.parametrize(
    ("containers", "has_rules", "prices"),
    [
        (5, False, 100),
        *(pytest.param(count, False, 600, marks=pytest.mark.deep) for count in (2, 5, 10)),
        pytest.param(5, True, 600, marks=pytest.mark.deep),
    ],
)
def test_hardly_a_tick_of_a_hot_symbol_is_dropped(
    equipment: Equipment, containers: int, has_rules: bool, prices: int
) -> None:
    played = hot_symbol(equipment, containers, has_rules=has_rules, prices=prices)
    assert played.ticks == prices
    assert played.dropped <= 0.01 * prices * has_rules
    assert (played.findings == ()) or has_rules
    assert (played.firings > prices) == has_rules


@pytest.mark.deep
def test_no_tick_is_dropped_beside_an_import_of_rules(equipment: Equipment) -> None:
    played = import_beside_prices(equipment, rules=300, first_level=200)
    assert (played.dropped, played.findings) == (0, ())


@pytest.mark.deep
def test_a_message_that_needs_many_invocations_does_not_use_up_its_tries(
    equipment: Equipment,
) -> None:
    played = burst(equipment, 4_000)
    assert played.handed_over >= 1
    assert (played.firings, played.failed_messages, played.dead) == (4_000, 0, 0)
    assert played.findings == ()


def test_the_command_names_what_broke_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setattr("tests.simulation.runner.judged", lambda _: [Finding(Trouble.LOST, "r1")])
    assert command.main(["--seed", "3", "--class", "late"]) == 1
    printed = capsys.readouterr().out
    assert "lost: r1" in printed
    assert "--seed 3 --class late" in printed


def test_the_clock_is_real_outside_of_a_world(equipment: Equipment) -> None:
    began, now = time.monotonic(), time.time()
    time.sleep(0.02)
    assert time.time() - now >= 0.02
    assert time.monotonic() - began < 10
