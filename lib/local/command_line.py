"""The operator's command line, pointed at the embedded AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lib.formats.errors import LocalError
from lib.local.deployment import ENVIRONMENT, own_environment
from lib.local.emulator import Emulator

_PROJECT = Path(__file__).parents[2]
_MODULES = os.pathsep.join(map(str, (_PROJECT, _PROJECT / "lib" / "lambda")))


class CommandLine:
    """``./alerts`` for the stack in an embedded AWS.

    Attributes
    ----------
    environment
        The variables that it runs with.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.environment = {
            **own_environment(),
            **emulator.variables,
            "AWS_DEFAULT_REGION": emulator.region,
            "PYTHONPATH": _MODULES,
            "TAP_ENVIRONMENT": ENVIRONMENT,
        }

    def run(self, *words: str) -> str:
        """Run a command and return its output.

        Raises
        ------
        LocalError
            If it fails; with its error output.
        """
        done = subprocess.run(
            [sys.executable, "-m", "lib.cli", *words],
            cwd=_PROJECT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalError(f"./alerts {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
