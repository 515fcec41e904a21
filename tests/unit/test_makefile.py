"""What make would run, and in which order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MAKEFILE = PROJECT / "Makefile"


def commands(target: str, *variables: str) -> list[str]:
    """List the commands of a target on a machine that is set up."""
    installed = ("-o", ".venv/installed", "-o", "node_modules/installed")
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["make", "--dry-run", *installed, target, "ENV=blue", "ARGS=--auto-approve", *variables],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.removeprefix("PYTHONPATH=.:lib/lambda ") for line in done.stdout.splitlines())
    return [line for line in lines if line.startswith((".venv", "node_modules"))]


DEPLOYMENT = [
    "node_modules/.bin/cdktf deploy tap-blue --auto-approve",
    ".venv/bin/python -m lib.deploy.next_steps blue",
]


def test_a_deployment_begins_with_its_checks_and_ends_with_what_to_try() -> None:
    assert commands("deploy") == [".venv/bin/python -m lib.deploy.preflight blue", *DEPLOYMENT]


def test_the_checks_can_be_left_out() -> None:
    assert commands("deploy", "PREFLIGHT=no") == DEPLOYMENT


def test_what_will_be_lost_is_told_before_it_is_destroyed() -> None:
    assert commands("destroy") == [
        ".venv/bin/python -m lib.deploy.losses blue",
        "node_modules/.bin/cdktf destroy tap-blue --auto-approve",
    ]


def test_each_target_finds_what_it_imports() -> None:
    found = re.findall(r"(?:PYTHONPATH=(\S+) )?\$\(venv\)/python -m ([\w.]+)", MAKEFILE.read_text())
    modules = {(path, name) for path, name in found if name.startswith(("lib.", "tests."))}
    assert ("", "lib.deploy.preflight") in modules
    failed = [
        done.stderr
        for path, name in sorted(modules)
        for done in (imported(name, path),)
        if done.returncode
    ]
    assert failed == []


def imported(name: str, path: str) -> subprocess.CompletedProcess[str]:
    """Import a module in a Python of its own, as a target's command does."""
    return subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("variables", "exit_code"), [({}, 0), ({"CI": "true"}, 2)])
def test_where_lambda_s_python_is_not_there_only_ci_fails(
    variables: dict[str, str], exit_code: int
) -> None:
    installed = ("-o", ".venv/installed", "-o", "node_modules/installed")
    done = subprocess.run(
        ["make", *installed, "runtime", "RUNTIME=python0.0"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "python0.0, which Lambda runs the function on, is not there: nothing was run\n"
    assert (done.stdout, done.returncode) == (said, exit_code)


def test_the_tests_of_the_function_are_found() -> None:
    pattern = re.search(r"^tests_of_function = \$\$\((.+)\)$", MAKEFILE.read_text(), re.MULTILINE)
    assert pattern
    done = subprocess.run(
        ["bash", "-c", pattern[1]], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    found = {Path(line).stem for line in done.stdout.splitlines()}
    assert {"test_engine", "test_handler", "test_ticks", "test_processing"} <= found
    assert "test_ci_stack" not in found
