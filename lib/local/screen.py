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
from lib.local.replay import Announcement, Pipeline


class Screen:
    """What the demo shows: lines that stay, and below them what it is doing now."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._started_at = time.monotonic()

    def doing(self, what: str) -> None:
        """Say what is waited for."""
        self._status.update(what)

    def line(self, text: str) -> None:
        """Print a line, with the seconds since the start before it."""
        elapsed_seconds = time.monotonic() - self._started_at
        self._console.print(
            f"[dim]{elapsed_seconds:5.1f} s[/]  {text}", highlight=False, soft_wrap=True
        )

    def table(self, title: str, rows: dict[str, str]) -> None:
        """Print a table of two columns."""
        table = Table(title=title, show_header=False, title_justify="left")
        for name, value in rows.items():
            table.add_row(name, value)
        self._console.print(table)


class Listener:
    """Takes announcements off a subscriber's queue, in a thread of its own, and prints them."""

    def __init__(self, screen: Screen, subscriber: Subscriber, pipeline: Pipeline) -> None:
        self.announcements: list[Announcement] = []
        self._screen = screen
        self._subscriber = subscriber
        self._pipeline = pipeline
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen until the context is left."""
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join()

    def firing_ids(self) -> set[str]:
        """List the firings that have arrived."""
        return {announcement.firing["firing_id"] for announcement in list(self.announcements)}

    def _listen(self) -> None:
        while not self._is_over.is_set():
            for firing in self._subscriber.receive():
                sent_at = self._pipeline.sent_at[datetime.fromisoformat(firing["timestamp"])]
                announcement = Announcement(firing, time.monotonic() - sent_at)
                self.announcements.append(announcement)
                latency = f"{announcement.latency_seconds * 1_000:4.0f} ms"
                self._screen.line(
                    f"[bold yellow]alert[/] [dim]{latency}[/]  {escape(firing['text'])}"
                )
