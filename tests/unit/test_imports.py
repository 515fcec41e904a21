"""The import rules of pyproject.toml, which ``make lint`` checks, find what breaks them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
DOMAIN = PROJECT / "lib" / "lambda" / "price_alerts" / "domain"


def broken_contracts(folder: Path) -> list[str]:
    """Return the contracts that import-linter finds broken in a project."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'lib' / 'lambda'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return [line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("lib", "tools"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("lambda/price_alerts/domain/ticks.py", "import boto3", "the domain is pure"),
        (
            "lambda/price_alerts/domain/windows.py",
            "import price_alerts.domain.engine",
            "the domain",
        ),
        (
            "lambda/price_alerts/adapters/items.py",
            "from price_alerts.adapters import store",
            "the adapters",
        ),
        ("cli/output.py", "import cdktf", "cdktf is imported by stacks alone"),
        ("config/names.py", "def f():\n    from lib.backend import block", "the rooms of lib"),
        ("drawer.py", "", "the rooms of lib"),
    ],
)
def test_what_breaks_a_rule_is_found(project: Path, path: str, line: str, contract: str) -> None:
    with (project / "lib" / path).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    assert contract in broken_contracts(project)


@pytest.mark.parametrize("path", sorted(DOMAIN.glob("*.py")), ids=lambda path: path.stem)
def test_the_domain_never_asks_what_time_it_is(path: Path) -> None:
    names = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert names & {"now", "today", "utcnow"} == set()
