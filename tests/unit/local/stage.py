"""The demo's stage: an emulator, a cdktf and a pipeline that do what a test says."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.status import Status

from lib.local import demo
from lib.local.emulator import Emulator
from lib.local.screen import Screen
from lib.local.toolchain import Toolchain

EMULATOR = Emulator("http://127.0.0.1:4566", "us-east-1")
PRICES = """\
timestamp,symbol,price
2000-01-01T00:00:00Z,AAPL,25.94
2000-02-01T00:00:00Z,AAPL,128.66
2000-02-01T00:00:00Z,IBM,92.11
2010-03-01T00:00:00Z,IBM,125.55
"""


class StatusRecord(Status):
    """Keeps what it was told instead of showing it."""

    def __init__(self, console: Console) -> None:
        super().__init__("", console=console)
        self.said: list[str] = []

    def update(self, status: object = None, **_options: object) -> None:
        self.said.append(str(status))


class Stage:
    """All that the demo works with; a test changes what is to go wrong."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.cdktf_lines: list[str] = []
        self.commands: list[tuple[str, ...]] = []
        self.exit_code = 0
        self.pipelines: list[Play | None] = [Play(self)]
        self.settings: Mapping[str, Any] = {}
        self.arrivals: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self.folder = Path()
        self.is_installed = True
        self.output = StringIO()
        self.console = Console(file=self.output, width=200)
        self.status = StatusRecord(self.console)

    def run(self) -> str:
        """Run the demo; returns what stays on the screen."""
        demo.Demo(Screen(self.console, self.status)).run()
        return self.output.getvalue()

    def enter(self, monkeypatch: pytest.MonkeyPatch, prices: Path) -> None:
        """Take the place of everything that the demo starts."""
        prices.write_text(PRICES)
        monkeypatch.setattr(demo, "_PRICES", prices)
        monkeypatch.setattr(demo, "_POLL_SECONDS", 0.001)
        monkeypatch.setattr(demo, "is_installed", lambda name: self.is_installed)
        monkeypatch.setattr(demo, "virtual_environment", lambda name: Path(f"/{name}/bin"))
        monkeypatch.setattr(demo, "running_emulator", self._running_emulator)
        monkeypatch.setattr(demo, "find_toolchain", lambda _: Toolchain("", "/bin/tofu", None))
        monkeypatch.setattr(demo, "Subscriber", lambda emulator: Audience(self))
        monkeypatch.setattr(demo, "Deployment", self._deployment)
        monkeypatch.setattr(demo, "CommandLine", lambda emulator: Operator(self))
        monkeypatch.setattr(demo, "find_pipeline", self._find_pipeline)

    @contextmanager
    def _running_emulator(self, executable: Path, region: str) -> Iterator[Emulator]:
        self.events.append(f"{executable} starts in {region}")
        try:
            yield EMULATOR
        finally:
            self.events.append("the emulator ends")

    def _deployment(
        self, folder: Path, toolchain: Toolchain, emulator: Emulator, settings: Mapping[str, Any]
    ) -> Cdktf:
        assert not list(folder.iterdir())
        self.folder = folder
        self.settings = settings
        return Cdktf(self)

    def _find_pipeline(self, emulator: Emulator) -> Play | None:
        return self.pipelines.pop(0)


class Cdktf:
    """A deployment, and the command that deploys; it has ended before anybody asks."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.lines = stage.cdktf_lines

    @contextmanager
    def deploying(self, on_line: Callable[[str], None]) -> Iterator[Cdktf]:
        for line in self.lines:
            on_line(line)
        try:
            yield self
        finally:
            self._stage.events.append("cdktf ends")

    def has_ended(self) -> bool:
        return len(self._stage.pipelines) <= 1

    def wait(self) -> int:
        self._stage.events.append("cdktf is waited for")
        return self._stage.exit_code


class Audience:
    """A subscriber of the topic."""

    arn = "arn:aws:sqs:us-east-1:000000000000:demo-subscriber"

    def __init__(self, stage: Stage) -> None:
        self._arrivals = stage.arrivals

    def receive(self) -> list[Mapping[str, Any]]:
        try:
            return [self._arrivals.get(timeout=0.01)]
        except queue.Empty:
            return []


class Operator:
    """A command line whose every command is done."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def run(self, *words: str) -> str:
        self._stage.commands.append(words)
        return ""


class Play:
    """A pipeline that announces every price above 100."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.sent_at: dict[datetime, float] = {}
        self.sent: list[str] = []
        self.recorded: set[str] = set()
        self.lost: set[str] = set()
        self.dead_letters = [["of somebody else"], ["m-1"]]
        self.reasons = ["price is no number"] * 5
        self.threshold = 100.0
        self.ages: dict[str, float] = {}

    def send(self, body: str) -> str:
        self.sent.append(body)
        return "m-1"

    def replay(self, prices: Sequence[Mapping[str, str]]) -> None:
        for price in prices:
            sent_at = time.monotonic() - self.ages.get(price["timestamp"], 0.0)
            self.sent_at[datetime.fromisoformat(price["timestamp"])] = sent_at
            if float(price["price"]) > self.threshold:
                self._fire(price)

    def _fire(self, price: Mapping[str, str]) -> None:
        firing_id = f"{price['symbol']} {price['timestamp']}"
        self.recorded.add(firing_id)
        if firing_id not in self.lost:
            text = f"{price['symbol']} is {price['price']}"
            timestamp = price["timestamp"]
            self._stage.arrivals.put({"firing_id": firing_id, "timestamp": timestamp, "text": text})

    def recorded_firing_ids(self) -> set[str]:
        return self.recorded

    def dead_letter_ids(self) -> list[str]:
        return self.dead_letters.pop(0) if self.dead_letters else []

    def refusals(self, message_id: str) -> list[str]:
        assert message_id == "m-1"
        return self.reasons
