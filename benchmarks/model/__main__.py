"""``python -m benchmarks.model``: run the model alone, and print its table."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from benchmarks.model.figures import Figures
from benchmarks.model.report import figures_table
from benchmarks.model.run import simulate
from benchmarks.model.scenarios import compared
from benchmarks.model.section import BLOCK, modelled
from benchmarks.pages import docs_with, write_docs
from lib.cli.output import write_table


def main(
    sweep: Annotated[bool, typer.Option(help="Turn everything else, too; some minutes.")] = False,
    write: Annotated[bool, typer.Option(help="The same, and write it into docs/.")] = False,
) -> None:
    """Let prices fall by 20 % in a minute, with 1,000,000 rules and 100,000 ticks a second."""
    if not (sweep or write):
        runs = {name: Figures.of(simulate(scenario)) for name, scenario in compared().items()}
        write_table(*figures_table(runs))
        return
    section = modelled(_report)
    write_table(*section.table)
    if write:
        write_docs(docs_with({BLOCK: section.table}, section.plots))


def _report(what: str) -> None:
    sys.stderr.write(f"{what} ...\n")


if __name__ == "__main__":
    typer.run(main)
