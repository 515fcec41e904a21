"""Commands and their caller: what is seen of them, and that they go when it goes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lib.local.processes import supervised
from tests.unit.local.doubles import HOLD, SignOfLife, python

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.timeout(30)

CALLER = """\
import os, sys
from pathlib import Path
from lib.local.processes import supervised
with supervised(sys.argv[1:], os.environ, Path.cwd()) as running:
    running.wait()
"""


def lines_of(code: str, folder: Path, **environment: str) -> list[str]:
    """Run this code to its end; returns what it printed."""
    with supervised(python(code), environment, folder) as running:
        running.wait()
    return running.lines


def test_the_exit_code_is_passed_on(tmp_path: Path) -> None:
    with supervised(python("raise SystemExit(7)"), {}, tmp_path) as running:
        assert running.wait() == 7


def test_output_and_errors_come_together_and_in_order(tmp_path: Path) -> None:
    code = "import os; os.write(1, b'one\\n'); os.write(2, b'two\\n'); os.write(1, b'three')"
    assert lines_of(code, tmp_path) == ["one", "two", "three"]


def test_a_line_that_is_no_utf_8_is_no_obstacle(tmp_path: Path) -> None:
    code = "import os; os.write(1, b'\\xff\\nthe next\\n')"
    assert lines_of(code, tmp_path) == ["\N{REPLACEMENT CHARACTER}", "the next"]


def test_each_line_is_handed_over(tmp_path: Path) -> None:
    seen: list[str] = []
    with supervised(python("print('one  '); print('two')"), {}, tmp_path, seen.append) as running:
        running.wait()
    assert seen == ["one", "two"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_fails_over_a_line_does_not_stop_the_command(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    chatter = python("print('x' * 1_000_000); print('y' * 1_000_000)")
    with supervised(chatter, {}, tmp_path, fail) as running:
        assert running.wait() == 0


def test_the_command_has_the_environment_given(tmp_path: Path) -> None:
    assert lines_of("import os; print(os.environ['GIVEN'])", tmp_path, GIVEN="yes") == ["yes"]


def test_the_command_has_nothing_of_the_callers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    assert lines_of("import os; print('SECRET' in os.environ)", tmp_path) == ["False"]


def test_the_command_runs_in_the_folder_given(tmp_path: Path) -> None:
    code = "import os; print(os.path.samefile('.', os.environ['FOLDER']))"
    assert lines_of(code, tmp_path, FOLDER=str(tmp_path)) == ["True"]


def test_the_command_has_no_input(tmp_path: Path) -> None:
    assert lines_of("import sys; print(repr(sys.stdin.read()))", tmp_path) == ["''"]


def test_an_interrupt_from_the_keyboard_reaches_the_caller_alone(tmp_path: Path) -> None:
    code = "import os; print(os.getsid(os.getppid())); print(os.getsid(0))"
    assert str(os.getsid(0)) not in lines_of(code, tmp_path)


def test_a_command_that_is_not_there_fails_and_says_so(tmp_path: Path) -> None:
    with supervised(["./nothing"], {}, tmp_path) as running:
        assert running.wait() != 0
    assert running.lines[-1].startswith("FileNotFoundError")


def test_a_command_that_lives_has_not_ended(tmp_path: Path, sign: SignOfLife) -> None:
    with supervised(python(HOLD, sign.path), {}, tmp_path) as running:
        sign.begins()
        assert not running.has_ended()


def test_a_command_that_was_waited_for_has_ended(tmp_path: Path) -> None:
    with supervised(python(""), {}, tmp_path) as running:
        running.wait()
        assert running.has_ended()


def test_leaving_the_context_ends_the_command(tmp_path: Path, sign: SignOfLife) -> None:
    with supervised(python(HOLD, sign.path), {}, tmp_path):
        sign.begins()
    assert sign.has_ended()


def test_an_interrupted_caller_ends_the_command(tmp_path: Path, sign: SignOfLife) -> None:
    def caller() -> None:
        with supervised(python(HOLD, sign.path), {}, tmp_path):
            sign.begins()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caller()
    assert sign.has_ended()


def test_a_killed_caller_leaves_no_process_behind(sign: SignOfLife) -> None:
    caller = subprocess.Popen(python(CALLER, *python(HOLD, sign.path)), cwd=ROOT)
    sign.begins()
    caller.kill()
    caller.wait()
    assert sign.has_ended()
