from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a folder like the project's, with the packages that run this test."""
    folder = tmp_path / "the project"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "lib").symlink_to(PROJECT / "lib")
    return Path(shutil.copy(PROJECT / "alerts", folder))


def run(script: Path, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_it_prints_its_help(script: Path) -> None:
    done = run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: alerts [OPTIONS] COMMAND" in done.stdout


def test_wrong_usage_is_one_line_and_exit_code_2(script: Path) -> None:
    done = run(script, "add", "AAPL", "enters", "110", "90")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: enters takes the lower level first\n"


def test_it_runs_from_any_folder_and_through_links(script: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "__init__.py").write_text("raise ImportError('not ours')")
    (folder / "typer.py").write_text("raise ImportError('not ours')")
    (folder / "relative").symlink_to(Path("..") / script.parent.name / script.name)
    (folder / "absolute").symlink_to(folder / "relative")
    done = run(folder / "absolute", "dlq", folder=folder)
    assert done.returncode == 2
    assert done.stderr == "error: Missing command: see alerts dlq --help\n"


def test_without_the_packages_it_says_what_to_do(script: Path) -> None:
    (script.parent / ".venv").unlink()
    done = run(script, "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: run make setup first, in {script.parent}\n"


@pytest.mark.parametrize("words", [["--help"], ["add", "--help"]])
def test_it_ends_quietly_when_nobody_reads_any_more(script: Path, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [script, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=120
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [("backtest --rules rules.yaml --prices prices.csv --json >&-", 0), ("dlq 2>&-", 2)],
)
def test_it_runs_where_nobody_reads_from_the_beginning(
    script: Path, tmp_path: Path, words: str, exit_code: int
) -> None:
    (tmp_path / "rules.yaml").write_text("[]")
    (tmp_path / "prices.csv").write_text("timestamp,symbol,price")
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" {words}', script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (exit_code, "", "")


def test_it_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys, lib.cli.app; "
        "sys.exit(' '.join({'matplotlib', 'numpy', 'pandas', 'cdktf', 'jsii'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'lib' / 'lambda'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stderr.strip() == ""
