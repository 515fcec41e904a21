"""What the demo shows: what it is doing, and each alert as it arrives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from lib.client.subscriber import Subscriber
from lib.local.replay import Pipeline


class Screen:
    """Lines that stay, and below them what the demo is doing now."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._started_at = time.monotonic()
        self.doing = status.update

    def line(self, text: str) -> None:
        """Print a line, with the seconds since the start before it."""
        seconds = time.monotonic() - self._started_at
        self._console.print(f"[dim]{seconds:5.1f} s[/]  {text}", highlight=False, soft_wrap=True)

    def table(self, title: str, rows: dict[str, str]) -> None:
        """Print a table of two columns."""
        table = Table(title=title, show_header=False, title_justify="left")
        for name, value in rows.items():
            table.add_row(name, value)
        self._console.print(table)


class Listener:
    """Prints alerts as a subscriber receives them, in a thread of its own.

    Attributes
    ----------
    latencies_seconds
        From the sending of a price to its alert, by firing id.
    """

    def __init__(self, screen: Screen, subscriber: Subscriber, pipeline: Pipeline) -> None:
        self.latencies_seconds: dict[str, float] = {}
        self._screen = screen
        self._subscriber = subscriber
        self._pipeline = pipeline
        self._is_over = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen until the context is left."""
        thread = threading.Thread(target=self._listen, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            for firing in self._subscriber.receive():
                sent_at = self._pipeline.sent_at[datetime.fromisoformat(firing["timestamp"])]
                latency = time.monotonic() - sent_at
                self.latencies_seconds[firing["firing_id"]] = latency
                self._screen.line(
                    f"[bold yellow]alert[/] [dim]{latency * 1_000:4.0f} ms[/]  "
                    f"{escape(firing['text'])}"
                )
