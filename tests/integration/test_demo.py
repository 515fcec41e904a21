"""The demo, as a user runs it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console_blocks import Blinkers, commands_in, difference

PROJECT = Path(__file__).parents[2]


@contextmanager
def demo() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "lib.local.demo"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def descendants(pid: int) -> set[int]:
    """List the processes that a process has started, and those that they have."""
    table = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    parents = {
        int(child): int(parent)
        for child, parent, state in map(str.split, table.splitlines())
        if not state.startswith("Z")
    }
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@pytest.mark.usefixtures("toolchain", "ministack")
def test_the_demo_shows_what_its_page_shows() -> None:
    with demo() as process:
        output, _ = process.communicate()

    assert process.returncode == 0, output
    page = (PROJECT / "docs" / "local.md").read_text("utf-8")
    [shown] = [command.shown for command in commands_in(page) if command.text == "make demo"]
    # Terraform makes things in any order, and prices of one moment are worked on side by side.
    expected, printed = sorted(Blinkers().seen(shown)), sorted(Blinkers().seen(output.splitlines()))
    if complaint := difference(expected, printed):
        pytest.fail(complaint, pytrace=False)


@pytest.mark.usefixtures("toolchain", "ministack")
def test_an_interrupted_demo_leaves_no_process_behind() -> None:
    with demo() as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "created" in line:  # Terraform and the provider are at work
                break
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()

    assert process.returncode == 130, output
    assert len(started) >= 5  # supervisors, MiniStack, cdktf, Terraform, provider
    assert not started & running()


def running() -> set[int]:
    return descendants(0) | descendants(1)
