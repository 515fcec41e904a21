"""Commands and their caller: what is seen of them, and that they end when it ends."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lib.local import supervisor
from lib.local.processes import supervised
from lib.local.supervisor import supervise
from tests.unit.local.doubles import HOLD, SignOfLife, python

pytestmark = pytest.mark.timeout(30)

CALLER = """\
import os, sys
from pathlib import Path
from lib.local.processes import supervised
with supervised(sys.argv[1:], os.environ, Path.cwd()) as running:
    running.wait()
"""
# Its child holds the sign of life, and it is gone itself.
LEAVE_A_CHILD_BEHIND = """\
import subprocess, sys
sign = open(sys.argv[1], "w")
sign.write("alive\\n")
sign.flush()
hold = [sys.executable, "-c", "import time; time.sleep(60)"]
subprocess.Popen(hold, pass_fds=[sign.fileno()])
"""
# Two streams, a line that is not UTF-8, all of its surroundings, and an exit code.
SHOW = """\
import os, sys
os.write(1, b"one  \\n")
os.write(2, b"\\xff\\n")
print(sorted({"GIVEN", "SECRET"} & set(os.environ)), os.path.samefile(".", os.environ["GIVEN"]))
is_in_session = int(sys.argv[1]) in {os.getsid(0), os.getsid(os.getppid())}
print(repr(sys.stdin.read()), is_in_session)
raise SystemExit(7)
"""


def test_a_command_is_seen_line_by_line_and_sees_only_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    seen: list[str] = []
    command = python(SHOW, str(os.getsid(0)))  # another session: an interrupt is for the caller
    with supervised(command, {"GIVEN": str(tmp_path)}, tmp_path, seen.append) as running:
        assert running.wait() == 7
        assert running.has_ended()
    assert seen == running.lines
    assert seen == ["one", "\N{REPLACEMENT CHARACTER}", "['GIVEN'] True", "'' False"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_fails_does_not_stop_the_command(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    chatter = python("print('x' * 1_000_000); print('y' * 1_000_000)")
    with supervised(chatter, {}, tmp_path, fail) as running:
        assert running.wait() == 0


def test_a_command_that_does_not_exist_fails_and_says_so(tmp_path: Path) -> None:
    with supervised(["./nothing"], {}, tmp_path) as running:
        assert running.wait() != 0
    assert running.lines[-1].startswith("FileNotFoundError")


def leave_early(tmp_path: Path, sign: SignOfLife, error: type[BaseException] | None) -> None:
    with supervised(python(HOLD, sign.path), {}, tmp_path) as running:
        sign.begins()
        assert not running.has_ended()
        if error:
            raise error


def test_leaving_the_context_ends_the_command(tmp_path: Path, sign: SignOfLife) -> None:
    leave_early(tmp_path, sign, None)
    assert sign.has_ended()


def test_an_interrupted_caller_ends_the_command(tmp_path: Path, sign: SignOfLife) -> None:
    with pytest.raises(KeyboardInterrupt):
        leave_early(tmp_path, sign, KeyboardInterrupt)
    assert sign.has_ended()


def test_a_killed_caller_leaves_no_process_behind(sign: SignOfLife) -> None:
    command = python(CALLER, *python(HOLD, sign.path))
    caller = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    sign.begins()
    caller.kill()
    caller.wait()
    assert sign.has_ended()


class Lifeline:
    """A pipe of which the supervisor reads one end and its caller holds the other."""

    def __init__(self) -> None:
        self.end, self._held = os.pipe()
        self._is_open = True

    def write(self, data: bytes) -> None:
        os.write(self._held, data)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._held)


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    """A lifeline that is closed at the test's end; no thread that reads it remains."""
    before = set(threading.enumerate())
    lifeline = Lifeline()
    yield lifeline
    lifeline.close()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    os.close(lifeline.end)


@pytest.fixture
def start(lifeline: Lifeline) -> Iterator[Callable[..., Future[int]]]:
    """Supervise a command next to the test."""
    with ThreadPoolExecutor() as executor:
        yield lambda command, *grace: executor.submit(supervise, command, lifeline.end, *grace)
        lifeline.close()


def test_what_comes_down_the_lifeline_does_not_end_the_command(lifeline: Lifeline) -> None:
    lifeline.write(b"still here")
    assert supervise(["/bin/sh", "-c", "exit 7"], lifeline.end) == 7


def test_death_by_a_signal_is_passed_on(lifeline: Lifeline) -> None:
    assert supervise(["/bin/sh", "-c", "kill -KILL $$"], lifeline.end) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("handler", "exit_code"),
    [
        ("signal.SIG_DFL", -signal.SIGTERM),
        ("lambda *_: sys.exit(7)", 7),
        ("signal.SIG_IGN", -signal.SIGKILL),
    ],
)
def test_the_lifelines_end_asks_the_command_to_stop_and_then_kills_it(
    lifeline: Lifeline,
    start: Callable[..., Future[int]],
    sign: SignOfLife,
    handler: str,
    exit_code: int,
) -> None:
    # The handler is set before anybody can see that the command lives.
    code = f"import signal, sys\nsignal.signal(signal.SIGTERM, {handler})\n{HOLD}"
    supervising = start(python(code, sign.path), *[0.05] * (exit_code == -signal.SIGKILL))
    sign.begins()
    lifeline.close()
    assert supervising.result() == exit_code


def test_what_a_command_leaves_behind_is_killed(
    start: Callable[..., Future[int]], sign: SignOfLife
) -> None:
    supervising = start(python(LEAVE_A_CHILD_BEHIND, sign.path))
    sign.begins()
    assert supervising.result() == 0
    assert sign.has_ended()


def test_the_script_takes_the_command_from_its_arguments_and_stdin_for_the_lifeline(
    lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["supervisor.py", "/bin/sh", "-c", "exit 7"])
    with open(lifeline.end, closefd=False) as stdin:  # not to be closed
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(supervisor.__file__, run_name="__main__")
    assert end.value.code == 7
