"""The benchmark of calls: it runs, and shows each stage of both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.mark.deep
@pytest.mark.loopback
def test_each_stage_of_a_call_takes_time_and_ours_are_fewer_than_ten_a_batch() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.calls", "3", "1"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "lib/lambda")), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"^(.+?) {2,}([\d,]+) +([\d,]+) *$", done.stdout, re.MULTILINE)
    figures = {name: [int(figure.replace(",", "")) for figure in both] for name, *both in rows}
    assert len(figures) == 10
    assert all(figure > 0 for both in figures.values() for figure in both)
    ours, seed_like = (
        whole / one
        for one, whole in zip(figures["a call"], figures["a batch's calls"], strict=True)
    )
    assert (round(ours) < 10, round(seed_like)) == (True, 10)
    assert "seed_like's batch over ours: " in done.stdout
