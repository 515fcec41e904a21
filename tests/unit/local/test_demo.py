"""The demo: what is seen of it, in which order it ends, and how it fails."""

from __future__ import annotations

import errno
import os
import queue
import re
import runpy
import signal
import threading
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

from lib.formats.errors import LocalError
from lib.local import demo, preparing
from lib.local.emulator import Emulator
from lib.local.screen import Screen
from lib.local.toolchain import Toolchain

pytestmark = pytest.mark.timeout(30)

ARN = "arn:aws:sqs:us-east-1:000000000000:demo-subscriber"
PRICES = """\
timestamp,symbol,price
2000-01-01T00:00:00Z,AAPL,25.94
2000-02-01T00:00:00Z,AAPL,128.66
2000-02-01T00:00:00Z,IBM,92.11
2010-03-01T00:00:00Z,IBM,125.55
"""
CDKTF_LINES = [
    "Initializing provider plugins...",
    "Deploying Stack: tap-dev",
    "aws_sqs_queue.dlq (dlq): Still creating... [10s elapsed]",
    "aws_sqs_queue.dlq (dlq): Creation complete after 25s [id=http://127.0.0.1/dlq]",
]


class Said(Status):
    """Keeps what it was given instead of showing it."""

    def __init__(self, console: Console) -> None:
        super().__init__("", console=console)
        self.lines: list[str] = []

    def update(self, status: object = None, **_options: object) -> None:
        self.lines.append(str(status))


class Stage:
    """All that the demo works with, in one: emulator, cdktf, command line, pipeline, subscriber.

    The pipeline publishes every price above a threshold. A test changes what is to go wrong.
    """

    arn = ARN

    def __init__(self, monkeypatch: pytest.MonkeyPatch, prices: Path) -> None:
        self.events: list[str] = []
        self.lines = CDKTF_LINES
        self.commands: list[tuple[str, ...]] = []
        self.exit_code = 0
        self.pipelines: list[Stage | None] = [self]
        self.settings: Mapping[str, Any] = {}
        self.folder = Path()
        self.is_installed = True
        self.output = StringIO()
        self.console = Console(file=self.output, width=200)
        self.said = Said(self.console)
        self.arrivals: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self.sent_at: dict[datetime, float] = {}
        self.ages: dict[str, float] = {}
        self.sent: list[str] = []
        self.recorded: set[str] = set()
        self.lost: set[str] = set()
        self.dead_letters = [["of somebody else"], ["m-1"]]
        self.reasons = ["price is no number"] * 5
        self.threshold = 100.0
        prices.write_text(PRICES)
        for module, name, stand_in in (
            (demo, "_PRICES", prices),
            (demo, "_POLL_SECONDS", 0.001),
            (preparing, "is_installed", lambda _: self.is_installed),
            (preparing, "virtual_environment", lambda name: Path(f"/{name}/bin")),
            (preparing, "running_emulator", self._running_emulator),
            (preparing, "find_toolchain", lambda _: Toolchain("", "/bin/tofu", None)),
            (demo, "Subscriber", lambda _: self),
            (demo, "Deployment", self._deployment),
            (demo, "CommandLine", lambda _: self),
            (demo, "find_pipeline", lambda _: self.pipelines.pop(0)),
        ):
            monkeypatch.setattr(module, name, stand_in)

    def demonstrate(self) -> str:
        """Run the demo; returns what stays on the screen."""
        demo.Demo(Screen(self.console, self.said)).run()
        return self.output.getvalue()

    def failure(self) -> str:
        with pytest.raises(LocalError) as error:
            self.demonstrate()
        return str(error.value)

    @contextmanager
    def _running_emulator(self, executable: Path, region: str) -> Iterator[Emulator]:
        self.events.append(f"{executable} starts in {region}")
        try:
            yield Emulator("http://127.0.0.1:4566", region)
        finally:
            self.events.append("the emulator ends")

    def _deployment(self, folder: Path, _: Any, __: Any, settings: Mapping[str, Any]) -> Stage:
        assert not list(folder.iterdir())
        self.folder, self.settings = folder, settings
        return self

    @contextmanager
    def deploying(self, on_line: Callable[[str], None]) -> Iterator[Stage]:
        for line in self.lines:
            on_line(line)
        try:
            yield self
        finally:
            self.events.append("cdktf ends")

    def has_ended(self) -> bool:
        return len(self.pipelines) <= 1

    def wait(self) -> int:
        self.events.append("cdktf is waited for")
        return self.exit_code

    def run(self, *words: str) -> str:
        self.commands.append(words)
        return ""

    def receive(self) -> list[Mapping[str, Any]]:
        try:
            return [self.arrivals.get(timeout=0.01)]
        except queue.Empty:
            return []

    def send(self, body: str) -> str:
        self.sent.append(body)
        return "m-1"

    def replay(self, prices: Sequence[Mapping[str, str]]) -> None:
        for price in prices:
            timestamp, symbol = price["timestamp"], price["symbol"]
            sent_at = time.monotonic() - self.ages.get(timestamp, 0.0)
            self.sent_at[datetime.fromisoformat(timestamp)] = sent_at
            if float(price["price"]) > self.threshold:
                firing_id = f"{symbol} {timestamp}"
                self.recorded.add(firing_id)
                if firing_id not in self.lost:
                    text = f"{symbol} is {price['price']}"
                    firing = {"firing_id": firing_id, "timestamp": timestamp, "text": text}
                    self.arrivals.put(firing)

    def recorded_firing_ids(self) -> set[str]:
        return self.recorded

    def dead_letter_ids(self) -> list[str]:
        return self.dead_letters.pop(0) if self.dead_letters else []

    def refusals(self, message_id: str) -> list[str]:
        assert message_id == "m-1"
        return self.reasons


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch, tmp_path / "prices.csv")


def test_it_says_what_it_is_doing_and_shows_what_happened(stage: Stage) -> None:
    stage.is_installed = False
    stage.pipelines = [None, stage]  # a resource that is created is reason to look again
    # Prices that were sent some weeks ago.
    stage.ages = {"2000-02-01T00:00:00Z": 1e6, "2010-03-01T00:00:00Z": 3e6}

    screen = stage.demonstrate()

    settle = "the AWS provider lets every queue's attributes settle for some 25 s"
    assert [said for said in stage.said.lines if not said.startswith("./alerts add ")] == [
        "Installing the embedded AWS (once)",
        "Starting the embedded AWS",
        "Looking for Terraform and the AWS provider; the first time, Terraform may be installed",
        "Synthesizing",
        "Initializing Terraform and the AWS provider",
        f"Creating dlq, 10s: {settle}",
        "Replaying real prices: 2000-01",
        "Replaying real prices: 2000-02",
        "Replaying real prices: 2010-03",
        "Waiting for the last alerts",
        f"Waiting for the deployment: {settle}",
        "Waiting for the bad message: it is tried five times, 6 s apart here",
    ]
    lines, _, table = screen.partition("What happened")
    found = [re.fullmatch(r" +\d+\.\d s  (\S.*?) *", line) for line in lines.splitlines()]
    shown = [re.sub(r"\d{10} ms", "weeks", match[1]) if match else None for match in found]
    added = [line for line in shown if line and line.startswith("added")]
    assert sorted(line for line in shown if line and line not in added) == sorted(
        [
            "started the embedded AWS (MiniStack) http://127.0.0.1:4566",
            "deploying TapStack with cdktf and tofu",
            "created dlq aws_sqs_queue, 25s",
            f"sent a message that cannot be understood: {stage.sent[0]}",
            "replaying 4 real prices, 2000-01 to 2010-03; "
            "each alert with the time since its price was sent",
            "alert weeks  AAPL is 128.66",
            "alert weeks  IBM is 125.55",
            "deployed, every resource settled",
            "rejected 5 times, now in the dead-letter queue: price is no number",
        ]
    )
    assert None not in shown
    assert (len(added), len(stage.commands)) == (5, 5)
    assert "added ./alerts add MSFT below 20 --id msft-low" in added
    assert ("add", "MSFT", "below", "20", "--id", "msft-low") in stage.commands
    rows = dict(re.findall(r"│ (.*?) +│ (.*?) +│", table))
    latency = rows.pop("from price to alert")
    assert re.fullmatch(r"median 2\d{9} ms, longest 3\d{9} ms", latency)
    assert rows == {
        "prices replayed": "4",
        "alerts recorded": "2",
        "alerts received": "2",
        "in the dead-letter queue": "1 message: price is no number",
    }


def test_it_deploys_with_quick_retries_and_ends_everything_in_the_opposite_order(
    stage: Stage,
) -> None:
    stage.demonstrate()
    assert stage.settings == {
        "function_timeout_seconds": 1,
        "visibility_timeout_seconds": 6,
        "region": "us-east-1",
        "high_price_threshold": 500,
        "subscriptions": [{"protocol": "sqs", "endpoint": ARN}],
    }
    assert stage.events == [
        "/emulator/bin/ministack starts in us-east-1",
        "cdktf is waited for",
        "cdktf ends",
        "the emulator ends",
    ]


def test_an_interrupt_ends_everything(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    monkeypatch.setattr(stage, "replay", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stage.demonstrate()
    assert stage.events[1:] == ["cdktf ends", "the emulator ends"]
    assert not stage.folder.exists()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"pipelines": [None], "exit_code": 1, "lines": ["Error: no credentials"]},
            "cdktf failed; its last lines were:\nError: no credentials",
        ),
        (
            {"exit_code": 1, "lines": ["Error: no topic"]},
            "cdktf failed; its last lines were:\nError: no topic",
        ),
        ({"pipelines": [None]}, "cdktf deployed no event source mapping"),
        (
            {"lost": {"IBM 2010-03-01T00:00:00Z"}},
            "firings were recorded that did not arrive within 0 s",
        ),
        ({"dead_letters": []}, "the bad message did not reach the dead-letter queue within 0 s"),
        ({"reasons": []}, "the function's log does not say why the invalid message was rejected"),
        ({"threshold": 1_000.0}, "the replayed prices fired no alert"),
    ],
)
def test_what_goes_wrong_is_a_failure_with_its_reason(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], reason: str
) -> None:
    stage.threshold = 1_000.0 if "dead_letters" in changes else stage.threshold
    for name, value in changes.items():
        setattr(stage, name, value)
    if reason.endswith("0 s"):
        monkeypatch.setattr(demo, "_PATIENCE_SECONDS", 0.0)
    assert stage.failure() == reason


@pytest.fixture
def _signals() -> Iterator[None]:
    """The signals' handlers are the test run's again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def fail(error: BaseException) -> Callable[[object], None]:
    def run(_: object) -> None:
        raise error

    return run


INTERRUPTED = "interrupted: everything that was started is stopped\n"


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("inherited", [signal.SIG_IGN, signal.SIG_DFL])
@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda screen: screen.line("watch me"), (0, True, "")),
        (fail(LocalError("no provider")), (1, False, "error: no provider\n")),
        (fail(OSError(errno.ENOSPC, "No room")), (1, False, "error: [Errno 28] No room\n")),
        (lambda _: os.kill(os.getpid(), signal.SIGINT), (130, False, INTERRUPTED)),
        (lambda _: os.kill(os.getpid(), signal.SIGTERM), (130, False, INTERRUPTED)),
    ],
)
def test_the_command_ends_with_an_exit_code_and_at_most_one_line_of_errors(
    capsys: pytest.CaptureFixture[str],
    inherited: signal.Handlers,
    run: Callable[[Screen], None],
    expected: tuple[int, bool, str],
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, inherited)
    exit_code, printed = preparing.run_on_terminal(run), capsys.readouterr()
    assert (exit_code, "watch me" in printed.out, printed.err) == expected


@pytest.mark.usefixtures("_signals")
def test_the_script_ends_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = fail(LocalError("no network"))
    monkeypatch.setattr(preparing, "is_installed", failing)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(demo.__file__, run_name="__main__")
    assert end.value.code == 1
