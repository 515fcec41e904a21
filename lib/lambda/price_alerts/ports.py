"""Ports: what processing needs of the table and of SNS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from price_alerts.domain.notices import Notice
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing, Outbox, State
from price_alerts.domain.watches import Index

MAX_NOTICES_PER_PUBLISH = 10  # SNS PublishBatch: entries in a request

# Maps a function over things, like `map`; or a pool's, in several threads.
Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Conflict(Exception):
    """Another invocation has moved the symbol; ``current`` is its state now."""

    def __init__(self, current: State) -> None:
        super().__init__("somebody else has moved the symbol")  # which one must not be logged
        self.current = current


class Busy(Exception):
    """A change of the symbol's rules is under way: try again in a moment."""


class Published(NamedTuple):
    """What became of some firings.

    Attributes
    ----------
    accepted
        Those that SNS accepted, in order.
    undeliverable
        Those that it rejects for good, each with its reason.
    waiting
        The first that it rejected for now, and all after it: to be published again, in order.
    """

    accepted: list[Notice]
    undeliverable: list[tuple[Notice, str]]
    waiting: list[Notice]


class Settled(NamedTuple):
    """A firing that was published, or that SNS rejects for good: when, and why if so."""

    notice: Notice
    at_microseconds: int
    undeliverable: str | None = None


class SymbolRules(Index, Protocol):
    """A symbol's watches and rules, and which of them were read."""

    known: dict[str, Rule]
    unreadable: dict[str, str]


class StatesAndFirings(Protocol):
    """Where states, rules and firings are kept; `Store` keeps them in DynamoDB."""

    def load(self, symbol: str) -> State:
        """Read a symbol's state consistently; version 0 if there is none."""

    def index(self, symbol: str) -> SymbolRules:
        """Return a symbol's watches and rules, which are read on demand."""

    def commit(self, before: State, after: State) -> State:
        """Replace a state by its next version, or raise `Conflict` or `Busy`."""

    def clear(self, state: State) -> State:
        """Remove a delivered outbox from a state, or raise `Conflict` or `Busy`."""

    def release(self, state: State) -> None:
        """Let others deliver at once; never fails."""

    def recorded(self, firings: Iterable[Firing]) -> set[str]:
        """Return the ids of those firings that are settled."""

    def record(self, firings: Iterable[Settled]) -> None:
        """Record firings; idempotent."""

    def apply(self, symbol: str, outbox: Outbox) -> None:
        """Apply an outbox to the stored rules; idempotent."""


class Publisher(Protocol):
    """Where firings are published; `Notifier` publishes them to SNS."""

    def publish(self, notices: Sequence[Notice]) -> Published:
        """Publish up to ten firings of a symbol, in order."""
