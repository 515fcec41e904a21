"""libFuzzer finds no body that the parser cannot deal with, and would find one."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from lib.local.virtual_environment import virtual_environment
from tests.needed import needed

TARGET = Path(__file__).parents[1] / "fuzz_body.py"
SEEDS = (
    '{"symbol": "AAPL", "price": 200.0, "timestamp": "2026-11-22T15:04:05.250Z"}',
    '[{"symbol": "AAPL", "price": "1e3"}, {"symbol": "BTC/USD", "price": 1, "timestamp": 1}]',
    '{"symbol": "x", "price": NaN, "more": [{}, "\\ud800"]}',
)


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python with the fuzzer."""
    with needed():
        return virtual_environment("fuzzer") / "python"


def fuzz(python: Path, folder: Path, seconds: int, **environment: str) -> tuple[int, str]:
    """Fuzz for some seconds; returns the exit code and what was printed."""
    for number, seed in enumerate(SEEDS):
        (folder / str(number)).write_text(seed)
    options = (f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-seed=1")
    done = subprocess.run(
        [python, TARGET, *options, f"-artifact_prefix={folder}/", folder],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_no_body_is_more_than_refused(python: Path, tmp_path: Path) -> None:
    code, printed = fuzz(python, tmp_path, 15)
    assert code == 0, printed[-2_000:]
    (runs,) = re.findall(r"^Done (\d+) runs", printed, re.MULTILINE)
    assert int(runs) > 1_000


def test_a_planted_mistake_is_found(python: Path, tmp_path: Path) -> None:
    code, printed = fuzz(python, tmp_path, 60, FUZZ_PLANTED="}}")
    assert code != 0
    assert "ArithmeticError" in printed
