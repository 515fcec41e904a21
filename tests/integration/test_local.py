"""``make local``, as a user without an AWS account runs it: all of it survives a restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.local.deployment import own_environment

_PROJECT = Path(__file__).parents[2]


class Local:
    """A folder with a local stack, and a user in front of it."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            **own_environment(),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "TAP_LOCAL_FOLDER": str(folder / "local"),
            "TF_CLI_CONFIG_FILE": os.environ.get("TF_CLI_CONFIG_FILE", ""),
        }
        self.lines: list[str] = []

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """Start it, wait until it is ready, and interrupt it if it still runs."""
        with subprocess.Popen(
            [sys.executable, "-m", "lib.local.keep"],
            cwd=_PROJECT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                self.read_until(process, "ready")
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                rest, _ = process.communicate(timeout=60)
                self.lines += rest.splitlines()

    def read_until(self, process: subprocess.Popen[str], word: str) -> None:
        """Wait until it shows a line."""
        assert process.stdout
        for line in process.stdout:
            self.lines.append(line)
            if word in line:
                return
        raise AssertionError(f"{word!r} is not in {self.lines}")

    def alerts(self, *words: str) -> str:
        """Run a command without credentials; returns what it prints."""
        command = [str(_PROJECT / "alerts"), *words]
        return subprocess.run(
            command, env=self._environment, text=True, capture_output=True, check=True
        ).stdout

    def stop(self) -> str:
        command = [sys.executable, "-m", "lib.local.keep", "--stop"]
        return subprocess.run(
            command, cwd=_PROJECT, env=self._environment, text=True, capture_output=True, check=True
        ).stdout


def test_rules_prices_and_the_deployment_are_there_again_after_a_restart(tmp_path: Path) -> None:
    local = Local(tmp_path)
    with local.running() as process:
        local.alerts("add", "NVDA", "crosses-up", "140", "--id", "high")
        local.alerts("add", "NVDA", "falls", "5%", "--within", "1h", "--id", "fall")
        local.alerts("publish", "NVDA=139", "NVDA=141.5")
        local.read_until(process, "NVDA crossed 140 upwards: 141.5")
        before = local.alerts("history", "NVDA", "--json")
        assert local.stop() == "stopped\n"
    local.lines.clear()
    with local.running() as process:
        assert not [line for line in local.lines if "created" in line]
        assert (local.alerts("history", "NVDA", "--json"), "high" in before) == (before, True)
        local.alerts("publish", "NVDA=130")
        local.read_until(process, "NVDA fell by 5% within 1h: 130")
        process.kill()  # what is in it is kept all the same
        process.wait()
    with local.running():
        assert local.alerts("history", "NVDA").count("NVDA") == 2
