"""The model's section of docs/performance.md: all scenarios, run, in a table and two plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.model.figures import Figures
from benchmarks.model.report import figures_table, lags_drawn, utilisations_drawn
from benchmarks.model.run import simulate
from benchmarks.model.scenarios import (
    AFTER_TURNED,
    BEFORE_TURNED,
    QUICK_LOAD,
    compared,
    swept,
)

BLOCK = "model"


@dataclass(frozen=True, slots=True)
class Section:
    """A table's names and rows, and the plots by file name."""

    table: tuple[list[str], list[list[str]]]
    plots: dict[str, str]


def modelled(report: Callable[[str], None], *, is_quick: bool = False) -> Section:
    """Run every scenario, and report the name of each as it starts; quickly with a small load."""
    figures, announced = {}, {}
    for name, scenario in (compared() | swept()).items():
        report(f"modelling: {name}")
        run = simulate(replace(scenario, load=QUICK_LOAD) if is_quick else scenario)
        figures[name] = Figures.of(run)
        if name in (BEFORE_TURNED, AFTER_TURNED):
            announced[name] = run.world.results.announced
    shown = {name: figures[name] for name in announced}
    return Section(
        table=figures_table(figures),
        plots={
            "model-lags.svg": lags_drawn(announced, compared()[BEFORE_TURNED].load.fall_seconds),
            "model-limits.svg": utilisations_drawn(shown),
        },
    )
