"""What the demo and the local stack begin with, and how they end on a terminal."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from lib.formats.errors import LocalError
from lib.local.emulator import Emulator, running_emulator
from lib.local.screen import Screen
from lib.local.toolchain import Toolchain, find_toolchain
from lib.local.virtual_environment import is_installed, virtual_environment

REGION = "us-east-1"
SETTLING = "the AWS provider lets every queue's attributes settle for some 25 s"

_CREATED = re.compile(r"(\w+)\.\w+ \((.+)\): Creation complete after (\w+)")
_CREATING = re.compile(r"\w+\.\w+ \((.+)\): Still creating\.\.\. \[(\w+) elapsed\]")


@contextmanager
def started_emulator(screen: Screen, **options: Any) -> Iterator[Emulator]:
    """Start the embedded AWS, installed if need be, with `running_emulator`'s options."""
    if not is_installed("emulator"):
        screen.doing("Installing the embedded AWS (once)")
    executables = virtual_environment("emulator")
    screen.doing("Starting the embedded AWS")
    with running_emulator(executables / "ministack", REGION, **options) as emulator:
        screen.line(f"[green]started[/] the embedded AWS (MiniStack) {emulator.endpoint}")
        yield emulator


def found_toolchain(screen: Screen) -> Toolchain:
    """Find Terraform, cdktf and the AWS provider."""
    screen.doing(
        "Looking for Terraform and the AWS provider; the first time, Terraform may be installed"
    )
    toolchain = find_toolchain(os.environ)
    screen.line(f"deploying TapStack with cdktf and {Path(toolchain.terraform).name}")
    screen.doing("Synthesizing")
    return toolchain


class Progress:
    """Shows what cdktf creates.

    Attributes
    ----------
    activity
        Set whenever something was created.
    """

    def __init__(self, screen: Screen) -> None:
        self.activity = threading.Event()
        self._screen = screen

    def show(self, line: str) -> None:
        """Show a line of cdktf's output, if it says anything new."""
        if created := _CREATED.match(line):
            kind, path, duration = created.groups()
            self._screen.line(f"[green]created[/] {path} [dim]{kind}, {duration}[/]")
            self.activity.set()
        elif creating := _CREATING.match(line):
            path, elapsed = creating.groups()
            self._screen.doing(f"Creating {path}, {elapsed}: {SETTLING}")
        elif line.startswith("Initializing"):
            self._screen.doing("Initializing Terraform and the AWS provider")


def run_on_terminal(run: Callable[[Screen], None]) -> int:
    """Run something that can be interrupted; returns its exit code."""
    console = Console()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with console.status("Looking around") as status:
            run(Screen(console, status))
    except (LocalError, OSError) as reason:
        sys.stderr.write(f"error: {reason}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: everything that was started is stopped\n")
        return 130
    return 0
