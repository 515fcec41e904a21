"""What the README says of the project is checked against the project."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from lib.settings import Settings, load_settings

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in README.splitlines()
    if line.startswith("| `")
]


def as_written(value: Any) -> str:
    """Write a setting as cdktf.json would have it, strings without their quotes."""
    return value if isinstance(value, str) else json.dumps(value, default=int)


def test_the_readme_has_a_row_for_every_setting_and_for_nothing_else() -> None:
    settings = {field.name for field in fields(Settings)} - {"environment"}

    assert {row[0].strip("`") for row in ROWS} == settings
    assert len(ROWS) == len(settings)


@pytest.mark.parametrize(("environment", "column"), [("dev", 2), ("prod", 3)])
def test_the_readme_gives_each_setting_as_it_is_set(environment: str, column: int) -> None:
    settings = load_settings(PROJECT / "cdktf.json", environment)

    written = {row[0].strip("`"): row[column] for row in ROWS}
    set_to = {name: as_written(getattr(settings, name)) for name in written}
    assert written == set_to


def test_the_readme_names_only_targets_and_files_that_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    files = re.findall(r"^    (\S+(?:\.py|\.json|/))  ", README, re.MULTILINE)

    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets
    assert files
    assert [file for file in files if not (PROJECT / file).exists()] == []
