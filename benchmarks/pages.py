"""Writes the figures and plots of a run into docs/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.tables import Table
from lib.cli.output import write_line
from tools.docs.pages import markdown, with_block

_DOCS = Path(__file__).parents[1] / "docs"
_PAGE = _DOCS / "performance.md"


def docs_with(tables: Mapping[str, Table], plots: Mapping[str, str]) -> dict[str, str]:
    """Return the files of docs/ with tables in their blocks, and with plots by file name.

    Raises
    ------
    ValueError
        If docs/performance.md lacks a block.
    """
    page = _PAGE.read_text("utf-8")
    for name, (names, rows) in tables.items():
        page = with_block(page, name, markdown(names, rows, "---:"), "make bench")
    return {_PAGE.name: page, **plots}


def write_docs(files: Mapping[str, str]) -> None:
    """Write files of docs/, and print their names."""
    for name, content in files.items():
        _DOCS.joinpath(name).write_text(content, "utf-8")
    write_line(f"written into {_DOCS.name}/: {', '.join(files)}")
