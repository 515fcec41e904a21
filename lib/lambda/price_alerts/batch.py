"""Batch: one invocation's work, and what is noted of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from price_alerts.state import Firing
from price_alerts.ticks import Position, Tick

__all__ = ["Batch", "Failure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a symbol, and the messages that must come again for it."""

    error: Exception
    message_ids: tuple[str, ...]


@dataclass(slots=True)
class Batch:
    """One invocation's work: who does it, until when, and what has come of it.

    Parameters
    ----------
    owner
        A name that no other invocation has; it marks the leases taken here.
    stop_at_microseconds
        When no more work is begun.
    deadline_microseconds
        When the invocation will be ended, come what may.
    repeated_message_ids
        The messages that have come before: their ticks may well have been seen.

    Attributes
    ----------
    announced
        The firings that went out.
    lags_microseconds
        How long after its price each of them did.
    conflicts
        How often somebody else was found to have moved, or to be delivering, a symbol.
    late_ticks
        How many ticks came behind a later one of their symbol, and were dropped.
    publish_failures
        How often SNS did not take a firing.
    failures
        What went wrong, each with a symbol.
    unfinished_message_ids
        The messages that must come again.
    unfinished_symbols
        The symbols that are to be gone on with.
    has_run_out_of_time
        Whether some of them were left because it was time to stop.
    """

    owner: str
    stop_at_microseconds: int
    deadline_microseconds: int
    repeated_message_ids: frozenset[str] = frozenset()
    announced: list[Firing] = field(default_factory=list)
    lags_microseconds: list[int] = field(default_factory=list)
    conflicts: int = 0
    late_ticks: int = 0
    publish_failures: int = 0
    failures: list[Failure] = field(default_factory=list)
    unfinished_message_ids: set[str] = field(default_factory=set)
    unfinished_symbols: set[str] = field(default_factory=set)
    has_run_out_of_time: bool = False
    _evaluated: set[Position] = field(default_factory=set)

    def part(self) -> Batch:
        """Return one symbol's part, in which nothing is noted yet."""
        return Batch(
            self.owner,
            self.stop_at_microseconds,
            self.deadline_microseconds,
            self.repeated_message_ids,
        )

    def include(self, part: Batch) -> None:
        """Note what is noted in a symbol's part."""
        self.announced += part.announced
        self.lags_microseconds += part.lags_microseconds
        self.conflicts += part.conflicts
        self.late_ticks += part.late_ticks
        self.publish_failures += part.publish_failures
        self.failures += part.failures
        self.unfinished_message_ids |= part.unfinished_message_ids
        self.unfinished_symbols |= part.unfinished_symbols

    def evaluated(self, ticks: Iterable[Tick]) -> None:
        """Note that ticks have moved their symbol."""
        self._evaluated.update(tick.position for tick in ticks)

    def done(self, path: Iterable[Tick]) -> None:
        """Count the ticks of a path that is done which did not move their symbol."""
        self.late_ticks += sum(
            tick.position not in self._evaluated
            and tick.position.message_id not in self.repeated_message_ids
            for tick in path
        )

    def failed(self, symbol: str, path: Iterable[Tick], error: Exception) -> None:
        """Note that a path cannot be finished now."""
        message_ids = tuple(dict.fromkeys(tick.position.message_id for tick in path))
        self.failures.append(Failure(error, message_ids))
        self.unfinished(symbol, path)

    def unfinished(self, symbol: str, path: Iterable[Tick]) -> None:
        """Note that ticks of a symbol must come again."""
        self.unfinished_symbols.add(symbol)
        self.unfinished_message_ids.update(tick.position.message_id for tick in path)
