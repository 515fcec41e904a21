from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from tools.docs import truth_table

PAGE = truth_table.render()
# With a dash that an editor's user can type.
TYPED = PAGE.replace("\N{EN DASH}", "-")


def table_of(title: str) -> list[str]:
    """Return a table's rows, without its head, as they stand on the page."""
    return TYPED.split(f"\n`{title}`\n\n")[1].split("\n\n")[0].splitlines()[2:]


def test_the_page_is_what_the_code_does() -> None:
    assert truth_table.PAGE.read_text("utf-8") == PAGE


def test_the_page_is_written_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["truth_table", str(tmp_path / "page.md")])

    runpy.run_path(truth_table.__file__, run_name="__main__")

    assert (tmp_path / "page.md").read_text("utf-8") == PAGE


@pytest.mark.parametrize(
    ("title", "rows"),
    [
        (
            "crosses-up 100",
            [
                "| none | - | - | - |",
                "| 99, below | - | fires | fires |",
                "| 100, on the level | - | - | - |",
                "| 101, above | - | - | - |",
            ],
        ),
        (
            "below 100",
            [
                "| unknown | fires | - | - |",
                "| 99, below | - | - | - |",
                "| 100, on the level | fires | - | - |",
                "| 101, above | fires | - | - |",
            ],
        ),
        (
            "exits 90 110",
            [
                "| none | - | - | - | - | - |",
                "| 89, below | - | - | - | - | - |",
                "| 90, on LO | fires | - | - | - | fires |",
                "| 100, between | fires | - | - | - | fires |",
                "| 110, on HI | fires | - | - | - | fires |",
                "| 111, above | - | - | - | - | - |",
            ],
        ),
        (
            "falls 5% --within 1h",
            [
                "| unknown | - | - | fires | fires |",
                "| 0%, none at all | - | - | fires | fires |",
                "| 4.99%, less | - | - | fires | fires |",
                "| 5%, exactly | - | - | - | - |",
                "| 6%, more | - | - | - | - |",
            ],
        ),
    ],
)
def test_a_condition_has_a_table_of_its_own(title: str, rows: list[str]) -> None:
    assert table_of(title) == rows


@pytest.mark.parametrize(
    "row",
    [
        "| `crosses-up 100 --rearm 2` | armed | armed | - | - | - | - | - |",
        "| `below 100 --rearm 2` | - | - | - | - | - | armed | armed |",
        "| `crosses 100 --rearm 2`, fired downwards | - | - | - | - | - | armed | armed |",
        "| `inside 90 110 --rearm 2` | armed | armed | - | - | - | - | - | - | - | armed | armed |",
        "| `outside 90 110 --rearm 2`, fired below LO | - | - | - | - "
        "| armed | armed | armed | armed | armed | armed | armed |",
        "| `rises 5% --within 1h --rearm 2%` | armed | armed | - | - | - |",
    ],
)
def test_a_condition_re_arms_as_the_page_says(row: str) -> None:
    assert row in TYPED.splitlines()
