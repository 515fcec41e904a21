"""The supervisor: a command's end, and what ends with it."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from lib.local import supervisor
from lib.local.supervisor import supervise
from tests.unit.local.doubles import HOLD, SignOfLife, python

pytestmark = pytest.mark.timeout(30)

Supervise = Callable[..., "Future[int]"]

# The signal's handler stands before anybody can see that the command lives.
ON_SIGTERM = "import signal, sys\nsignal.signal(signal.SIGTERM, {handler})\n" + HOLD

# Its child holds the sign of life, and it is gone itself.
LEAVE_A_CHILD_BEHIND = """\
import subprocess, sys
sign = open(sys.argv[1], "w")
sign.write("alive\\n")
sign.flush()
hold = [sys.executable, "-c", "import time; time.sleep(60)"]
subprocess.Popen(hold, pass_fds=[sign.fileno()])
"""


class Lifeline:
    """A pipe whose one end the supervisor reads and whose other end its caller holds."""

    def __init__(self) -> None:
        self.end, self._held = os.pipe()
        self._is_open = True

    def write(self, data: bytes) -> None:
        os.write(self._held, data)

    def break_off(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._held)


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    """Breaks at the test's end; no thread that reads it remains."""
    before = set(threading.enumerate())
    lifeline = Lifeline()
    yield lifeline
    lifeline.break_off()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    os.close(lifeline.end)


@pytest.fixture
def start(lifeline: Lifeline) -> Iterator[Supervise]:
    """Supervises a command beside the test."""
    with ThreadPoolExecutor() as executor:

        def start(command: list[str], *grace_seconds: float) -> Future[int]:
            return executor.submit(supervise, command, lifeline.end, *grace_seconds)

        yield start
        lifeline.break_off()


@pytest.mark.parametrize("exit_code", [0, 7])
def test_the_exit_code_is_passed_on(lifeline: Lifeline, exit_code: int) -> None:
    assert supervise(python(f"raise SystemExit({exit_code})"), lifeline.end) == exit_code


def test_death_by_a_signal_is_passed_on(lifeline: Lifeline) -> None:
    assert supervise(["/bin/sh", "-c", "kill -KILL $$"], lifeline.end) == -signal.SIGKILL


def test_what_comes_down_the_lifeline_does_not_end_the_command(lifeline: Lifeline) -> None:
    lifeline.write(b"still here")
    assert supervise(python("raise SystemExit(7)"), lifeline.end) == 7


def test_the_end_of_the_lifeline_asks_the_command_to_stop(
    lifeline: Lifeline, start: Supervise, sign: SignOfLife
) -> None:
    exit_code = start(python(HOLD, sign.path))
    sign.begins()
    lifeline.break_off()
    assert exit_code.result() == -signal.SIGTERM


def test_a_command_that_is_asked_to_stop_may_end_in_its_own_way(
    lifeline: Lifeline, start: Supervise, sign: SignOfLife
) -> None:
    exit_code = start(python(ON_SIGTERM.format(handler="lambda *_: sys.exit(7)"), sign.path))
    sign.begins()
    lifeline.break_off()
    assert exit_code.result() == 7


def test_a_command_that_does_not_stop_is_killed(
    lifeline: Lifeline, start: Supervise, sign: SignOfLife
) -> None:
    command = python(ON_SIGTERM.format(handler="signal.SIG_IGN"), sign.path)
    exit_code = start(command, 0.05)
    sign.begins()
    lifeline.break_off()
    assert exit_code.result() == -signal.SIGKILL


def test_what_a_command_leaves_behind_is_killed(start: Supervise, sign: SignOfLife) -> None:
    exit_code = start(python(LEAVE_A_CHILD_BEHIND, sign.path))
    sign.begins()
    assert exit_code.result() == 0
    assert sign.has_ended()


def test_as_a_script_it_takes_the_command_from_its_arguments_and_stdin_for_the_lifeline(
    lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["supervisor.py", *python("raise SystemExit(7)")])
    with open(lifeline.end, closefd=False) as stdin:  # not to be closed
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(supervisor.__file__, run_name="__main__")
    assert end.value.code == 7
