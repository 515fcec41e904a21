"""What the commands print: tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Cell = str | Text

_WIDE = 1_000  # without a terminal: one line per row
_GAP_CHARACTERS = 2  # between two columns
_MIN_TEXT_CHARACTERS = 12
_MIN_FACT_CHARACTERS = 32  # an id of a firing


def write_json(document: Any) -> None:
    """Print a document as JSON."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_csv(names: Sequence[str], documents: Iterable[Mapping[str, Any]]) -> None:
    """Print documents as CSV (RFC 4180): lists with blanks between, what is missing as nothing."""
    writer = csv.DictWriter(sys.stdout, names)
    writer.writeheader()
    for document in documents:
        writer.writerow({name: _csv_value(document[name]) for name in names})


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, list | tuple) else value


def write_line(text: str) -> None:
    """Print a line as it is."""
    sys.stdout.write(f"{text}\n")


def write_table(
    names: Sequence[str], rows: Iterable[Sequence[Cell]], texts: Container[str] = ()
) -> None:
    """Print a table without cutting anything off.

    On a narrow terminal the columns in ``texts`` are folded; all others stay whole, to be copied.
    Where that does not suffice, each row becomes lines of names and values.
    """
    table, rows = _table(show_header=True), list(rows)
    needed_characters = 0
    for place, name in enumerate(names):
        is_text = name in texts
        least = max(map(cell_len, [name, *(str(row[place]) for row in rows)]))
        if is_text:
            least = min(least, _MIN_TEXT_CHARACTERS)
        table.add_column(name, overflow="fold", no_wrap=not is_text, min_width=least)
        needed_characters += least + _GAP_CHARACTERS
    console = _console()
    if needed_characters > console.width:
        for number, row in enumerate(rows):
            if number:
                console.print()
            cells = {name: cell for name, cell in zip(names, row, strict=True) if str(cell)}
            write_facts(cells, texts)
        return
    for row in rows:
        table.add_row(*row)
    console.print(table)


def write_facts(facts: Mapping[str, Cell], texts: Container[str] | None = None) -> None:
    """Print names and values, one per line; those not in ``texts``, if it is given, stay whole."""
    least = 0
    for name, fact in facts.items():
        is_text = texts is None or name in texts
        least = max(least, min(cell_len(str(fact)), _MIN_FACT_CHARACTERS if is_text else _WIDE))
    table = _table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", min_width=least)
    for name, fact in facts.items():
        table.add_row(name, fact)
    console = _console()
    console.width = max(console.width, max(map(cell_len, facts)) + _GAP_CHARACTERS + least)
    console.print(table)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr, if that is a terminal; yields what sets how much is done."""
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
    """Show what the command waits for on stderr, if that is a terminal."""
    return Console(stderr=True).status(what)


def _table(*, show_header: bool) -> Table:
    return Table(
        show_header=show_header,
        box=box.SIMPLE_HEAD if show_header else box.SIMPLE,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def _console() -> Console:
    # Anyone may have written what is printed: it is not markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console
