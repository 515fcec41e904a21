"""The benchmark: all of it runs, from the first contest to the pages that it would write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.deep

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "performance.md"
FIGURE = re.compile(r"\d[\d,]*(\.\d+)?")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "lib/lambda")), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def without_figures(text: str) -> str:
    return FIGURE.sub("#", text)


@pytest.mark.usefixtures("toolchain", "ministack")
def test_a_quick_run_finds_a_figure_for_each_target_of_the_page_and_leaves_the_page_alone() -> None:
    page = PAGE.read_text("utf-8")
    done = bench("--quick")
    assert done.returncode == 0, done.stdout
    assert "these figures mean nothing" in done.stdout.splitlines()[-1]
    _, _, rest = page.partition("| what | measured | target | met |")
    rows = rest.partition("<!--")[0].strip().splitlines()[1:]
    for row in rows:
        what, measured, *_ = row.strip("| ").split(" | ")
        found = [
            line
            for line in done.stdout.splitlines()
            if without_figures(line).startswith(without_figures(f"{what}  "))
        ]
        assert found, what
        assert any(
            re.search(rf"\s{FIGURE.pattern} {measured.split()[1]}\s", line) for line in found
        )
    assert PAGE.read_text("utf-8") == page


def test_figures_of_a_quick_run_are_never_written() -> None:
    done = bench("--quick", "--write")
    assert done.returncode == 2
    assert "--write is for real figures: leave out --quick" in done.stdout
