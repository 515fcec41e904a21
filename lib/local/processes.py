"""Commands that cannot outlive their caller."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

_SUPERVISOR = Path(__file__).with_name("supervisor.py")


class Running:
    """A command that was started.

    Attributes
    ----------
    lines
        What it has printed so far, output and errors together.
    """

    def __init__(self, process: subprocess.Popen[str], on_line: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._lifeline = cast("IO[str]", process.stdin)
        self._output = cast("IO[str]", process.stdout)
        self._on_line = on_line
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def has_ended(self) -> bool:
        """Return whether the command has ended."""
        return self._process.poll() is not None

    def wait(self) -> int:
        """Wait for the command's end and its last line; returns its exit code."""
        self._reader.join()
        return self._process.wait()

    def stop(self) -> None:
        """End the command and all that it started, if it still runs."""
        self._lifeline.close()
        self.wait()
        self._output.close()

    def _read(self) -> None:
        try:
            for line in self._output:
                self.lines.append(line.rstrip())
                self._on_line(self.lines[-1])
        finally:
            self._output.read()  # a command whose output nobody reads would wait for ever


@contextmanager
def supervised(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    on_line: Callable[[str], None] = lambda _line: None,
) -> Iterator[Running]:
    """Start a command; when the context is left, it and all that it started has ended.

    Parameters
    ----------
    command
        The program and its arguments.
    environment
        All of the command's environment.
    folder
        Its current folder.
    on_line
        Called, in a thread of its own, with each line that the command prints.
    """
    running = Running(
        subprocess.Popen(
            [sys.executable, "-I", str(_SUPERVISOR), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # an interrupt from the keyboard is for the caller alone
        ),
        on_line,
    )
    try:
        yield running
    finally:
        running.stop()
