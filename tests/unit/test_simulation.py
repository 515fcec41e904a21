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
from tests.simulation.runner import reports, verdict_of
from tests.simulation.scenarios import burst, hot_symbol, import_beside_prices
from tests.simulation.strikes import Fault, Plan
from tests.simulation.world import Mistakes, play

PROJECT = Path(__file__).parents[2]
SLICE_SEEDS = 20  # in a shard


@pytest.fixture
def equipment() -> Iterator[Equipment]:
    with equipped() as made:
        yield made


def findings_with(
    equipment: Equipment, mistakes: Mistakes, kind: str, faults: Plan, seeds: int = 30
) -> set[Trouble]:
    """Play seeds with a mistake made on purpose; returns the kinds of what is found."""
    found: set[Trouble] = set()
    for seed in range(seeds):
        case = replace(case_of(seed, kind), faults=faults)
        found |= {finding.trouble for finding in judged(play(case, equipment, mistakes))}
    return found


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shard", shards(1, 10))
def test_nothing_is_lost_or_doubled_in_a_slice_of_histories(
    equipment: Equipment, kind: str, shard: int
) -> None:
    failed = [
        verdict.line
        for seed in range(shard * SLICE_SEEDS, (shard + 1) * SLICE_SEEDS)
        for verdict in [verdict_of(seed, equipment, kind)]
        if verdict.findings
    ]
    assert failed == []


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", [2, 4, 7, 18])
def test_a_seed_is_played_in_the_same_way_each_time(equipment: Equipment, seed: int) -> None:
    first, second = (play(case_of(seed), equipment, is_traced=True) for _ in range(2))
    assert len(first.trace) > 20
    assert first.trace == second.trace
    assert first.items == second.items
    assert first.announced == second.announced


@pytest.mark.no_cover
def test_a_seed_is_played_in_the_same_way_in_another_process(equipment: Equipment) -> None:
    played = play(case_of(18), equipment, is_traced=True)
    shown = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "18", "--trace"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": f".{os.pathsep}lib/lambda", "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = shown.stdout.splitlines()
    assert lines[1 + len(played.case.messages) :][: len(played.trace)] == played.trace


@pytest.mark.no_cover
def test_seeds_are_played_in_different_ways(equipment: Equipment) -> None:
    traces = {tuple(play(case_of(seed), equipment, is_traced=True).trace) for seed in range(4)}
    assert len(traces) == 4


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", ["ordered", "late"])
def test_without_a_mistake_nothing_is_found(equipment: Equipment, kind: str) -> None:
    assert findings_with(equipment, Mistakes(), kind, Plan()) == set()


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("mistakes", "kind", "faults", "wanted"),
    [
        (Mistakes(ignores_conditions_of_updates=True), "late", Plan(), Trouble.LOST),
        (Mistakes(ignores_conditions_of_updates=True), "ordered", Plan(), Trouble.LOST),
        (Mistakes(swallows_announcements=True), "ordered", Plan(), Trouble.UNPUBLISHED),
        (Mistakes(shuffles_announcements=True), "late", Plan(), Trouble.ORDER),
        (
            Mistakes(forgets_failures=True),
            "ordered",
            Plan("single", {12: Fault.SERVER_ERRORS}),
            Trouble.LOST,
        ),
        (
            Mistakes(deletes_killed=True),
            "ordered",
            Plan("single", {15: Fault.KILLED_BEFORE}),
            Trouble.LOST,
        ),
    ],
)
def test_a_mistake_that_is_made_on_purpose_is_noticed(
    equipment: Equipment, mistakes: Mistakes, kind: str, faults: Plan, wanted: Trouble
) -> None:
    assert wanted in findings_with(equipment, mistakes, kind, faults)


@pytest.mark.no_cover
@pytest.mark.parametrize("containers", [2, 5, 10])
def test_no_tick_of_a_hot_symbol_is_dropped(equipment: Equipment, containers: int) -> None:
    played = hot_symbol(equipment, containers, has_rules=False)
    assert (played.ticks, played.dropped, played.findings) == (600, 0, ())


@pytest.mark.no_cover
def test_a_hot_symbol_whose_rules_fire_at_each_price_drops_hardly_a_tick(
    equipment: Equipment,
) -> None:
    played = hot_symbol(equipment, 5, has_rules=True)
    assert played.firings > 600
    assert played.dropped <= 0.01 * played.ticks


@pytest.mark.no_cover
def test_no_tick_is_dropped_beside_an_import_of_rules(equipment: Equipment) -> None:
    played = import_beside_prices(equipment, rules=300, first_level=200)
    assert (played.dropped, played.findings) == (0, ())


@pytest.mark.no_cover
def test_a_message_that_needs_many_invocations_does_not_use_up_its_tries(
    equipment: Equipment,
) -> None:
    played = burst(equipment, 4_000)
    assert played.handed_over >= 1
    assert (played.firings, played.failed_messages, played.dead) == (4_000, 0, 0)
    assert played.findings == ()


@pytest.mark.no_cover
def test_reports_sum_up_what_was_played() -> None:
    *_, last = reports(0, 5, "ordered")
    assert last.histories == 5
    assert last.calls > last.histories


@pytest.mark.no_cover
def test_the_command_names_what_broke_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setattr("tests.simulation.runner.judged", lambda _: [Finding(Trouble.LOST, "r1")])
    assert command.main(["--seed", "3", "--class", "late"]) == 1
    printed = capsys.readouterr().out
    assert "lost: r1" in printed
    assert "--seed 3 --class late" in printed


@pytest.mark.no_cover
def test_the_clock_is_real_outside_of_a_world(equipment: Equipment) -> None:
    began = time.monotonic()
    now = time.time()
    time.sleep(0.02)
    assert time.time() - now >= 0.02
    assert time.monotonic() - began < 10
