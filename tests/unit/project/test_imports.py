"""The import rules of pyproject.toml, which ``make lint`` checks, find what breaks them."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
DOMAIN = PROJECT / "lib" / "lambda" / "price_alerts" / "domain"
# A line for a file, and the contract that it breaks.
MISTAKES = [
    ("lambda/price_alerts/domain/ticks.py", "import boto3", "the domain is pure"),
    ("lambda/price_alerts/domain/windows.py", "import price_alerts.domain.engine", "the domain"),
    (
        "lambda/price_alerts/adapters/items.py",
        "from price_alerts.adapters import store",
        "the adapters",
    ),
    ("cli/output.py", "import cdktf", "cdktf is imported by stacks alone"),
    ("config/names.py", "def f():\n    from lib.backend import block", "the rooms of lib"),
    ("drawer.py", "", "the rooms of lib"),
]


def test_what_breaks_a_rule_is_found(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("lib", "tools"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for path, line, _ in MISTAKES:
        with (tmp_path / "lib" / path).open("a", encoding="utf-8") as source:
            source.write(f"\n{line}\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{tmp_path / 'lib' / 'lambda'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = {*re.findall("^(.+) BROKEN$", done.stdout, re.MULTILINE)}
    assert broken >= {contract for *_, contract in MISTAKES}, done.stdout + done.stderr
    assert "drawer" in done.stdout


@pytest.mark.parametrize("path", sorted(DOMAIN.glob("*.py")), ids=lambda path: path.stem)
def test_the_domain_never_asks_what_time_it_is(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert names & {"now", "today", "utcnow"} == set()
