"""The virtual environments beside the project: made once, and whole or not at all."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from lib.formats.errors import LocalError
from lib.local import virtual_environment as module
from lib.local.virtual_environment import is_installed, virtual_environment

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 10


class Commands:
    """Stands for ``subprocess.run``: keeps the commands, and fails when it is told to."""

    def __init__(self) -> None:
        self.started: list[list[str]] = []
        self.fail_with: str | None = None

    def __call__(
        self, command: Sequence[str | Path], **_options: object
    ) -> subprocess.CompletedProcess[str]:
        self.started.append(list(map(str, command)))
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True, exist_ok=True)
        fails = "pip" in command and self.fail_with is not None
        return subprocess.CompletedProcess(command, 3 if fails else 0, "", self.fail_with or "")

    def forget(self) -> None:
        self.started.clear()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(subprocess, "run", commands)
    return commands


def failure(cache: Path) -> str:
    with pytest.raises(LocalError) as error:
        virtual_environment("emulator", cache)
    return str(error.value)


def test_a_new_environment_is_made_and_filled_with_what_is_pinned(
    commands: Commands, tmp_path: Path
) -> None:
    executables = virtual_environment("emulator", tmp_path)
    requirements = ROOT / "lib" / "local" / "emulator-requirements.txt"
    make, fill = commands.started
    assert make == [sys.executable, "-m", "venv", "--clear", str(executables.parent)]
    assert fill[:4] == [str(executables / "python"), "-m", "pip", "install"]
    assert fill[-3:] == ["--require-hashes", "-r", str(requirements)]


def test_it_lies_in_the_cache(commands: Commands, tmp_path: Path) -> None:
    assert virtual_environment("emulator", tmp_path).parents[1] == tmp_path


def test_what_is_not_made_is_not_installed(tmp_path: Path) -> None:
    assert not is_installed("emulator", tmp_path)


def test_what_is_made_is_installed(commands: Commands, tmp_path: Path) -> None:
    virtual_environment("emulator", tmp_path)
    assert is_installed("emulator", tmp_path)


def test_what_is_installed_is_not_made_again(commands: Commands, tmp_path: Path) -> None:
    first = virtual_environment("emulator", tmp_path)
    commands.forget()
    assert virtual_environment("emulator", tmp_path) == first
    assert commands.started == []


def test_each_name_has_an_environment_of_its_own(commands: Commands, tmp_path: Path) -> None:
    virtual_environment("emulator", tmp_path)
    assert not is_installed("terraform", tmp_path)


def test_other_requirements_need_another_environment(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements.txt"
    monkeypatch.setattr(module, "_requirements", lambda name: requirements)
    requirements.write_text("ministack==1\n")
    virtual_environment("emulator", tmp_path)
    requirements.write_text("ministack==2\n")
    assert not is_installed("emulator", tmp_path)


def test_another_python_needs_another_environment(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual_environment("emulator", tmp_path)
    monkeypatch.setattr(sys, "version", "3.99.0")
    assert not is_installed("emulator", tmp_path)


def test_a_cache_that_was_moved_needs_another_environment(
    commands: Commands, tmp_path: Path
) -> None:
    virtual_environment("emulator", tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert not is_installed("emulator", tmp_path / "there")


def test_a_failing_pip_is_told_by_its_last_error(commands: Commands, tmp_path: Path) -> None:
    commands.fail_with = "ERROR: first\nERROR: No matching distribution\nWARNING: be new\n"
    assert failure(tmp_path).endswith(
        "emulator-requirements.txt cannot be installed: ERROR: No matching distribution"
    )


def test_a_pip_that_fails_in_silence_is_told_by_its_exit_code(
    commands: Commands, tmp_path: Path
) -> None:
    commands.fail_with = ""
    assert failure(tmp_path).endswith("cannot be installed: exit code 3")


def test_an_environment_that_was_not_filled_is_made_anew(
    commands: Commands, tmp_path: Path
) -> None:
    commands.fail_with = "ERROR: no network"
    failure(tmp_path)
    commands.fail_with = None
    commands.forget()
    virtual_environment("emulator", tmp_path)
    assert commands.started[0][2:4] == ["venv", "--clear"]


def test_the_words_of_a_real_failure_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'Error: no room on this disk' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert failure(tmp_path).endswith("cannot be installed: Error: no room on this disk")


def test_two_that_need_it_at_the_same_time_install_it_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = Commands()
    is_under_way, may_end = threading.Event(), threading.Event()

    def run(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
        is_under_way.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return commands(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    is_second_waiting = threading.Event()
    lock = fcntl.flock

    def flock(file: IO[str], operation: int) -> None:
        if is_under_way.is_set():
            is_second_waiting.set()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(virtual_environment, "emulator", tmp_path)
        assert is_under_way.wait(PATIENCE_SECONDS)
        second = pool.submit(virtual_environment, "emulator", tmp_path)
        assert is_second_waiting.wait(PATIENCE_SECONDS)
        may_end.set()
        assert first.result() == second.result()
    assert len(commands.started) == 2
