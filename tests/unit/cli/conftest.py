"""The command line, at a fixed time."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from lib.cli.app import main
from lib.client import session
from lib.client.target import Target
from tests.unit.client.conftest import alerts, dlq_url, queue_url, sqs, stack, target
from tests.unit.doubles import NOW

__all__ = ["alerts", "dlq_url", "queue_url", "sqs", "stack", "target"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    exit_code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Its one line on stderr; nothing else may be printed."""
        assert (self.out, self.err.count("\n")) == ("", 1)
        assert self.err.startswith("error: ")
        return self.err.removeprefix("error: ").rstrip("\n")

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        assert (self.exit_code, self.err) == (0, "")
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """Put this machine into a time zone."""
    with patch.dict(os.environ, TZ=name):
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def run(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run a command for the stack tap-test; its clients are those of the fixture ``target``."""

    monkeypatch.setattr(
        session, "Target", lambda: Target() if "TAP_ENVIRONMENT" in os.environ else target
    )

    def run(*words: str | Path) -> Ended:
        exit_code = main([str(word) for word in words])
        return Ended(exit_code, *capsys.readouterr())

    return run


@pytest.fixture
def replay(
    run: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Run a session's commands in an empty folder, and compare what they print with it.

    ``? 1`` is an exit code, and … stands for the rest of a line. Blanks, empty lines and the
    lines in tables do not count.
    """
    monkeypatch.chdir(tmp_path)

    def replay(session: str) -> None:
        expected = [" ".join(line.split()) for line in session.splitlines() if line.strip()]
        printed = []
        for command in (line for line in expected if line.startswith("$ ")):
            ended = run(*shlex.split(command)[1:])
            lines = (ended.out + ended.err).replace("\u2500", "").splitlines()
            code = [f"? {ended.exit_code}"] if ended.exit_code else []
            printed += [command, *(" ".join(line.split()) for line in lines if line.strip()), *code]
        for place, line in enumerate(expected[: len(printed)]):
            if line.endswith("…") and printed[place].startswith(line[:-1]):
                printed[place] = line
        assert printed == expected

    return replay
