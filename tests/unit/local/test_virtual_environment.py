"""Virtual environments next to the project: created once, and completely or not at all."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from lib.formats.errors import LocalError
from lib.local import virtual_environment as module
from lib.local.virtual_environment import is_installed, virtual_environment

PATIENCE_SECONDS = 10


class Commands:
    """Stands for ``subprocess.run``: keeps the commands, and fails on request."""

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


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(subprocess, "run", commands)
    return commands


def failure(cache: Path) -> str:
    with pytest.raises(LocalError) as error:
        virtual_environment("emulator", cache)
    return str(error.value)


def test_an_environment_is_created_once_in_the_cache_from_what_is_pinned(
    commands: Commands, tmp_path: Path
) -> None:
    assert not is_installed("emulator", tmp_path)

    executables = virtual_environment("emulator", tmp_path)

    assert executables.parents[1] == tmp_path
    create, fill = commands.started
    assert create == [sys.executable, "-m", "venv", "--clear", str(executables.parent)]
    assert fill[:4] == [str(executables / "python"), "-m", "pip", "install"]
    requirements = Path(module.__file__).with_name("emulator-requirements.txt")
    assert fill[-3:] == ["--require-hashes", "-r", str(requirements)]
    assert is_installed("emulator", tmp_path)
    assert virtual_environment("emulator", tmp_path) == executables
    assert len(commands.started) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda patch, path: patch.setattr(sys, "version", "3.99.0"),
        lambda patch, path: path.write_text("ministack==2\n"),
    ],
    ids=["another Python", "other requirements"],
)
def test_another_python_or_other_requirements_need_another_environment(
    commands: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch, Path], object],
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("ministack==1\n")
    monkeypatch.setattr(module, "_requirements", lambda name: requirements)
    virtual_environment("emulator", tmp_path)
    assert not is_installed("terraform", tmp_path)
    change(monkeypatch, requirements)
    assert not is_installed("emulator", tmp_path)


def test_a_cache_that_was_moved_needs_another_environment(
    commands: Commands, tmp_path: Path
) -> None:
    virtual_environment("emulator", tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert not is_installed("emulator", tmp_path / "there")


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("ERROR: first\nERROR: No matching\nWARNING: be new\n", "ERROR: No matching"),
        ("", "exit code 3"),
    ],
)
def test_a_failing_pip_is_reported_by_its_last_error_and_tried_again(
    commands: Commands, tmp_path: Path, printed: str, reason: str
) -> None:
    commands.fail_with = printed
    assert failure(tmp_path).endswith(f"emulator-requirements.txt cannot be installed: {reason}")
    assert not is_installed("emulator", tmp_path)
    commands.fail_with = None
    virtual_environment("emulator", tmp_path)
    assert commands.started[2][2:4] == ["venv", "--clear"]


def test_a_real_commands_error_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'Error: no room on this disk' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert failure(tmp_path).endswith("cannot be installed: Error: no room on this disk")


def test_two_that_need_it_at_the_same_time_install_it_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = Commands()
    is_under_way, is_second_waiting, may_end = (threading.Event() for _ in range(3))
    lock = fcntl.flock

    def run(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
        is_under_way.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return commands(command, **options)

    def flock(file: IO[str], operation: int) -> None:
        if is_under_way.is_set():
            is_second_waiting.set()
        lock(file, operation)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(fcntl, "flock", flock)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(virtual_environment, "emulator", tmp_path)
        assert is_under_way.wait(PATIENCE_SECONDS)
        second = pool.submit(virtual_environment, "emulator", tmp_path)
        assert is_second_waiting.wait(PATIENCE_SECONDS)
        may_end.set()
        assert first.result() == second.result()
    assert len(commands.started) == 2
