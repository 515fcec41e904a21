"""The local stack: what it deploys, what it finds again, and how it ends."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.status import Status

from lib.client import local_stack
from lib.client.local_stack import LocalStack, stack_in
from lib.formats.errors import LocalError
from lib.local import keep
from lib.local.emulator import Emulator
from lib.local.screen import Screen

pytestmark = [pytest.mark.timeout(30), pytest.mark.loopback]

ARN = "arn:aws:sqs:us-east-1:000000000000:local-subscriber"


def interrupt() -> None:
    """Do what Ctrl-C does, also where whoever started the tests has SIGINT ignored."""
    raise KeyboardInterrupt


class House:
    """All that it works with, in one; a test changes what happens."""

    arn = ARN

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = StringIO()
        self.lines: list[str] = []
        self.pipeline: object = None
        self.exit_code = 0
        self.deployed: list[Mapping[str, Any]] = []
        self.ports: list[int] = []
        self.firings: list[Mapping[str, Any]] = [{"text": "AAPL is 128.66"}]
        self.at_work: Callable[[], object] = interrupt

    def keep(self) -> str:
        """Start it, and end it as `at_work` does; returns what is on the screen."""
        console = Console(file=self.output, width=200)
        keep.keep(Screen(console, Status("", console=console)), self.folder)
        return self.output.getvalue()

    def stack(self) -> LocalStack:
        """What others can see of it while it runs."""
        stack = stack_in(self.folder)
        assert stack
        return stack

    @contextmanager
    def started(self, _: Screen, port: int, kept_in: Path) -> Iterator[Emulator]:
        assert kept_in.parent == self.folder
        self.ports.append(port)
        yield Emulator(f"http://127.0.0.1:{port}", "us-east-1")
        self.stack()  # the lock is held until the end

    def deployment(self, folder: Path, _: Any, __: Any, settings: Mapping[str, Any]) -> House:
        assert folder.is_dir()
        self.deployed.append(settings)
        return self

    @contextmanager
    def deploying(self, _: object) -> Iterator[House]:
        assert not self.stack().is_ready
        yield self

    def wait(self) -> int:
        self.pipeline = self
        return self.exit_code

    def receive(self) -> list[Mapping[str, Any]]:
        if not self.firings:
            self.at_work()
        firings, self.firings = self.firings, []
        return firings


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(tmp_path / ".local")
    monkeypatch.setattr(keep, "started_emulator", house.started)
    monkeypatch.setattr(keep, "Subscriber", lambda *_: house)
    monkeypatch.setattr(keep, "Deployment", house.deployment)
    monkeypatch.setattr(keep, "found_toolchain", lambda _: None)
    monkeypatch.setattr(keep, "find_pipeline", lambda _: house.pipeline)
    monkeypatch.setattr(keep, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(Emulator, "client", lambda *_: None)
    return house


def test_it_deploys_shows_alerts_and_says_where_what_is_in_it_is_kept(house: House) -> None:
    shown = house.keep()
    assert house.deployed == [
        {
            "region": "us-east-1",
            "high_price_threshold": None,
            "subscriptions": [{"protocol": "sqs", "endpoint": ARN}],
        }
    ]
    assert ("alert AAPL is 128.66" in shown, "kept in .local/" in shown) == (True, True)
    assert stack_in(house.folder) is None


def test_the_next_start_finds_all_of_it_at_the_same_port(house: House) -> None:
    house.keep()
    house.keep()
    assert (len(house.deployed), len(set(house.ports))) == (1, 1)


@pytest.mark.parametrize("change", ["the code", "its data is gone"])
def test_it_is_deployed_again_if_that_would_change_it(
    house: House, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    house.keep()
    if change == "the code":
        (house.folder / "main.py").write_text("")
        (house.folder / "cdktf.json").write_text("{}")
        monkeypatch.setattr(keep, "_PROJECT", house.folder)
    else:
        house.pipeline = None
    house.keep()
    assert len(house.deployed) == 2


def test_what_fails_is_no_deployment(house: House) -> None:
    house.exit_code, house.lines = 1, ["Error: no provider"]
    for _ in range(2):
        with pytest.raises(LocalError, match="no provider"):
            house.keep()
    assert len(house.deployed) == 2


def test_there_is_one_at_a_time_and_it_can_be_ended_from_elsewhere(house: House) -> None:
    said: list[str] = []
    ending = threading.Thread(target=lambda: said.append(keep.stop(house.folder)))

    def at_work() -> None:
        assert (house.stack().is_ready, house.stack().pid) == (True, os.getpid())
        with pytest.raises(LocalError, match="runs already: make local-stop ends it"):
            house.keep()
        ending.start()
        threading.Event().wait()  # for the signal

    house.at_work = at_work
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        house.keep()
    finally:
        signal.signal(signal.SIGTERM, before)
    ending.join()
    assert said == ["stopped"]
    assert keep.stop(house.folder) == "make local does not run"


def test_a_port_that_is_taken_is_named(house: House) -> None:
    house.folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (house.folder / "port").write_text(str(port))
        with pytest.raises(LocalError, match=rf"has port {port}, .* or delete \.local/"):
            house.keep()


@pytest.mark.parametrize("arguments", [[], ["--stop"]])
def test_the_command_keeps_it_or_ends_it(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["keep", *arguments])
    monkeypatch.setattr(keep, "run_on_terminal", lambda run: 7 if run is keep.keep else 0)
    monkeypatch.setattr(keep, "stop", lambda: "stopped")
    assert keep.main() == (0 if arguments else 7)
    assert capsys.readouterr().out == ("stopped\n" if arguments else "")


def test_the_script_ends_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["keep", "--stop"])
    monkeypatch.setattr(local_stack, "FOLDER", tmp_path)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(keep.__file__, run_name="__main__")
    assert (end.value.code, capsys.readouterr().out) == (0, "make local does not run\n")
