"""What the pages say of the project is checked against the project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.console_blocks import commands_in

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text("utf-8")
CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").glob("*.md")]
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_targets_that_exist(page: Path) -> None:
    code = re.findall(r"(?:`|\$ (?:\w+=\S+ )?)make ([a-z-]+)", page.read_text("utf-8"))
    assert set(code) <= TARGETS


def test_only_files_that_exist_are_listed() -> None:
    listed = re.findall(r"^    (\S+(?:\.py|\.json|/))  ", CONTRIBUTING, re.MULTILINE)
    assert len(listed) > 20
    assert [file for file in listed if not (PROJECT / file).exists()] == []


def test_the_numbers_that_make_test_prints_go_together() -> None:
    """It cannot be run from within itself."""
    [shown] = [command.shown for command in commands_in(README) if command.text == "make test"]
    text = "\n".join(shown)
    end = re.search(
        r"^=+ \d+ passed, \d+ skipped in (\d+)\.\d\ds \((\d+):([0-5]\d):([0-5]\d)\) =+$",
        shown[-1],
    )
    assert end
    seconds, *clock = map(int, end.groups())
    hours, minutes, rest = clock
    assert 3_600 * hours + 60 * minutes + rest == seconds
    assert re.search(r"^TOTAL +\d+ +0 +\d+ +0 +100%$", text, re.MULTILINE)
    assert "Required test coverage of 100.0% reached. Total coverage: 100.00%" in shown


def test_it_takes_ten_minutes_to_read_the_readme() -> None:
    prose = re.sub(r"<!-- settings.*end of settings -->", "", README, flags=re.DOTALL)
    assert len(prose.splitlines()) < 300
