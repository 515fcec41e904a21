"""The demo as a command: its exit code, and the one line that a failure leaves."""

from __future__ import annotations

import errno
import os
import runpy
import signal
from collections.abc import Callable, Iterator

import pytest

from lib.formats.errors import LocalError
from lib.local import demo

Run = Callable[[demo.Demo], None]


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The signals' handlers are the test run's again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], int]:
    """Runs the command with a demo that does this."""

    def main(run: Run) -> int:
        monkeypatch.setattr(demo.Demo, "run", run)
        return demo.main()

    return main


def fail(_demo: object) -> None:
    raise LocalError("no AWS provider is to be had")


def run_out_of_room(_demo: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_demo_that_ends_well_is_a_success(main: Callable[[Run], int]) -> None:
    assert main(lambda _: None) == 0


def test_the_demos_lines_go_to_the_terminal(
    main: Callable[[Run], int], capsys: pytest.CaptureFixture[str]
) -> None:
    main(lambda demo: demo._screen.line("watch me"))
    assert "watch me" in capsys.readouterr().out


def test_what_is_missing_is_a_failure(main: Callable[[Run], int]) -> None:
    assert main(fail) == 1


def test_a_machine_that_fails_is_a_failure(main: Callable[[Run], int]) -> None:
    assert main(run_out_of_room) == 1


def test_a_machine_that_fails_is_said_in_one_line(
    main: Callable[[Run], int], capsys: pytest.CaptureFixture[str]
) -> None:
    main(run_out_of_room)
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


def test_what_is_missing_is_said_in_one_line(
    main: Callable[[Run], int], capsys: pytest.CaptureFixture[str]
) -> None:
    main(fail)
    assert capsys.readouterr().err == "error: no AWS provider is to be had\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("inherited", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_signal_interrupts_the_demo(
    main: Callable[[Run], int], number: signal.Signals, inherited: signal.Handlers
) -> None:
    signal.signal(number, inherited)
    assert main(lambda _: os.kill(os.getpid(), number)) == 130


def test_an_interrupt_is_said_in_one_line(
    main: Callable[[Run], int], capsys: pytest.CaptureFixture[str]
) -> None:
    main(lambda _: signal.raise_signal(signal.SIGINT))
    assert capsys.readouterr().err == "interrupted: everything that was started is stopped\n"


def test_as_a_script_it_ends_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.local.virtual_environment.is_installed", fail)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(demo.__file__, run_name="__main__")
    assert end.value.code == 1
