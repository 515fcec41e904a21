"""What make would run, and in which order."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import grimp
import pytest

PROJECT = Path(__file__).parents[3]
MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")
INSTALLED = ("-o", ".venv/installed", "-o", "node_modules/installed")
DEPLOY = [
    "node_modules/.bin/cdktf deploy tap-blue --auto-approve",
    ".venv/bin/python -m lib.deploy.next_steps blue",
]


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        (["deploy"], [".venv/bin/python -m lib.deploy.preflight blue", *DEPLOY]),
        (["deploy", "PREFLIGHT=no"], DEPLOY),
        (
            ["destroy"],
            [
                ".venv/bin/python -m lib.deploy.losses blue",
                "node_modules/.bin/cdktf destroy tap-blue --auto-approve",
            ],
        ),
        (["migrate"], [".venv/bin/python -m lib.backend.migrate --auto-approve"]),
    ],
)
def test_a_target_runs_its_commands_in_order(target: list[str], commands: list[str]) -> None:
    done = run("make", "--dry-run", *INSTALLED, *target, "ENV=blue", "ARGS=--auto-approve")
    lines = [line.removeprefix("PYTHONPATH=.:lib/lambda ") for line in done.stdout.splitlines()]
    assert [line for line in lines if line.startswith((".venv", "node_modules"))] == commands


def test_each_target_finds_what_it_imports() -> None:
    graph = grimp.build_graph("lib", "price_alerts", "tools", cache_dir=None)
    commands = re.findall(
        r"(?:PYTHONPATH=(\S+) )?\$\(venv\)/python -m ((?:lib|tools)[\w.]+)", MAKEFILE
    )
    assert len(commands) > 10
    for path, module in commands:
        imported = graph.find_upstream_modules(module, as_package=True)
        of_function = any(name.startswith("price_alerts") for name in imported)
        assert (module, path) == (module, ".:lib/lambda" if of_function else "")


@pytest.mark.parametrize(("variables", "exit_code"), [({}, 0), ({"CI": "true"}, 2)])
def test_where_lambda_s_python_is_not_there_only_ci_fails(
    variables: dict[str, str], exit_code: int
) -> None:
    done = run("make", *INSTALLED, "runtime", "RUNTIME=python0.0", **variables)
    said = "python0.0, which Lambda runs the function on, is not there: nothing was run\n"
    assert (done.stdout, done.returncode) == (said, exit_code)


def test_the_tests_of_the_function_are_found_wherever_they_are() -> None:
    pattern = re.search(r"^tests_of_function = \$\$\((.+)\)$", MAKEFILE, re.MULTILINE)
    assert pattern
    found = {PROJECT / line for line in run("bash", "-c", pattern[1]).stdout.splitlines()}
    domain = re.compile(r"^from price_alerts\.domain", re.MULTILINE)
    tests = (PROJECT / "tests" / "unit").rglob("test_*.py")
    assert {path for path in tests if domain.search(path.read_text("utf-8"))} <= found
    assert Path(__file__) not in found
