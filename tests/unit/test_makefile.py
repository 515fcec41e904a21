"""What make would run, and in which order."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]


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
    return [line for line in done.stdout.splitlines() if line.startswith((".venv", "node_modules"))]


DEPLOYMENT = [
    "node_modules/.bin/cdktf deploy tap-blue --auto-approve",
    ".venv/bin/python -m lib.next_steps blue",
]


def test_a_deployment_begins_with_its_checks_and_ends_with_what_to_try() -> None:
    assert commands("deploy") == [".venv/bin/python -m lib.preflight blue", *DEPLOYMENT]


def test_the_checks_can_be_left_out() -> None:
    assert commands("deploy", "PREFLIGHT=no") == DEPLOYMENT


def test_what_will_be_lost_is_told_before_it_is_destroyed() -> None:
    assert commands("destroy") == [
        ".venv/bin/python -m lib.cli.losses blue",
        "node_modules/.bin/cdktf destroy tap-blue --auto-approve",
    ]
