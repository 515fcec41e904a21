"""Batch: one invocation's work, and what became of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import Tick


class Deadline(NamedTuple):
    """An invocation's time.

    Attributes
    ----------
    owner
        A name that no other invocation has; it marks this one's leases.
    stop_at_microseconds
        When no more work is started.
    ends_at_microseconds
        When Lambda ends the invocation.
    """

    owner: str
    stop_at_microseconds: int
    ends_at_microseconds: int


class Failure(NamedTuple):
    """What went wrong with a symbol, and the messages to be retried for it."""

    error: Exception
    message_ids: tuple[str, ...]


@dataclass(slots=True)
class Batch:
    """What became of one invocation's work.

    Attributes
    ----------
    repeated_message_ids
        The messages that were received before: their ticks may have been applied.
    published, lags_microseconds
        The firings that SNS accepted, and how long after its price each was accepted.
    undeliverable
        The firings that SNS rejects for good, each with its reason.
    conflicts
        How often another invocation had moved, or was delivering, a symbol.
    late_ticks
        How many ticks were dropped, because they came too late to be applied in order.
    publish_failures
        How often SNS did not accept a firing.
    unreadable
        Why rules were set aside, by their ids.
    unfinished_message_ids, unfinished_symbols
        What nothing is wrong with, but there was no time left, or others were delivering it.
    """

    deadline: Deadline
    repeated_message_ids: frozenset[str] = frozenset()
    published: list[Firing] = field(default_factory=list)
    lags_microseconds: list[int] = field(default_factory=list)
    undeliverable: list[tuple[Firing, str]] = field(default_factory=list)
    conflicts: int = 0
    late_ticks: int = 0
    publish_failures: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    unfinished_message_ids: set[str] = field(default_factory=set)
    unfinished_symbols: set[str] = field(default_factory=set)

    @property
    def failed_message_ids(self) -> set[str]:
        """The messages that something went wrong with."""
        return {name for failure in self.failures for name in failure.message_ids}

    def part(self) -> Batch:
        """Return an empty batch for the work on one symbol."""
        return Batch(self.deadline, self.repeated_message_ids)

    def include(self, part: Batch) -> None:
        """Add what became of the work on one symbol."""
        self.published += part.published
        self.lags_microseconds += part.lags_microseconds
        self.undeliverable += part.undeliverable
        self.conflicts += part.conflicts
        self.late_ticks += part.late_ticks
        self.publish_failures += part.publish_failures
        self.unreadable |= part.unreadable
        self.failures += part.failures
        self.unfinished_message_ids |= part.unfinished_message_ids
        self.unfinished_symbols |= part.unfinished_symbols

    def drop(self, ticks: Iterable[Tick]) -> None:
        """Count ticks that came too late, except those that may have been applied before."""
        self.late_ticks += sum(
            tick.position.message_id not in self.repeated_message_ids for tick in ticks
        )

    def fail(self, symbol: str, ticks: Iterable[Tick], error: Exception) -> None:
        """Record that something went wrong with a symbol."""
        message_ids = tuple(dict.fromkeys(tick.position.message_id for tick in ticks))
        self.failures.append(Failure(error, message_ids))
        self.unfinished_symbols.add(symbol)

    def leave_unfinished(self, symbol: str, ticks: Iterable[Tick]) -> None:
        """Record that a symbol has work left."""
        self.unfinished_symbols.add(symbol)
        self.unfinished_message_ids.update(tick.position.message_id for tick in ticks)
