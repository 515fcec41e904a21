"""What the commands print: tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

__all__ = ["progress", "waiting", "write_facts", "write_json", "write_line", "write_table"]

Cell = str | Text

_WIDE = 1_000  # for what no terminal shows: a line of its own for every row


def write_json(document: Any) -> None:
    """Print a document as JSON."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_line(text: str) -> None:
    """Print a line as it is."""
    sys.stdout.write(f"{text}\n")


def write_table(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table; on a narrow terminal its cells are folded, and nothing is cut off."""
    table = _table(show_header=True)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    _write(table)


def write_facts(facts: dict[str, Cell]) -> None:
    """Print names and what they stand for, one below the other."""
    table = _table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, fact)
    _write(table)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr while something is done, if that is a terminal.

    Parameters
    ----------
    what
        What is done.
    total
        How much there is to do, ``None`` if nobody knows.

    Yields
    ------
    Callable
        To be told how much has been done so far.
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def waiting(what: str) -> AbstractContextManager[object]:
    """Show on stderr what is waited for, if that is a terminal."""
    return Console(stderr=True).status(what)


def _table(*, show_header: bool) -> Table:
    return Table(
        show_header=show_header,
        box=box.SIMPLE_HEAD if show_header else box.SIMPLE,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def _write(table: Table) -> None:
    # What stands in the table was written by anybody: it is no markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    console.print(table)
