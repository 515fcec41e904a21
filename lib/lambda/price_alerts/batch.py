"""Batch: one invocation's work, and what is noted of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import Tick


class Deadline(NamedTuple):
    """Whose work it is, and until when.

    Attributes
    ----------
    owner
        A name that no other invocation has; it marks the leases taken here.
    stop_at_microseconds
        When no more work is begun.
    ends_at_microseconds
        When the invocation is ended, come what may.
    """

    owner: str
    stop_at_microseconds: int
    ends_at_microseconds: int


class Failure(NamedTuple):
    """What went wrong with a symbol, and the messages that must be tried again for it."""

    error: Exception
    message_ids: tuple[str, ...]


@dataclass(slots=True)
class Batch:
    """What became of one invocation's work.

    Parameters
    ----------
    deadline
        Whose work it is, and until when.
    repeated_message_ids
        The messages that were received before: their ticks may well have been applied.

    Attributes
    ----------
    published
        The firings that SNS accepted.
    lags_microseconds
        How long after its price each of them was accepted.
    undeliverable
        The firings that SNS rejects for good, each with its reason.
    conflicts
        How often somebody else was found to have moved, or to be delivering, a symbol.
    late_ticks
        How many ticks came too late to be put in their places, and were dropped.
    publish_failures
        How often SNS did not accept a firing.
    unreadable
        Why a rule was set aside, by its id.
    failures
        What went wrong, each with a symbol.
    unfinished_message_ids, unfinished_symbols
        What nothing is wrong with, but time or other invocations did not allow.
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
        """Return one symbol's part, in which nothing is noted yet."""
        return Batch(self.deadline, self.repeated_message_ids)

    def include(self, part: Batch) -> None:
        """Note what is noted in a symbol's part."""
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

    def dropped(self, ticks: Iterable[Tick]) -> None:
        """Count ticks that came too late, but for those that may have been applied before."""
        self.late_ticks += sum(
            tick.position.message_id not in self.repeated_message_ids for tick in ticks
        )

    def failed(self, symbol: str, ticks: Iterable[Tick], error: Exception) -> None:
        """Note that something went wrong with a symbol."""
        message_ids = tuple(dict.fromkeys(tick.position.message_id for tick in ticks))
        self.failures.append(Failure(error, message_ids))
        self.unfinished_symbols.add(symbol)

    def unfinished(self, symbol: str, ticks: Iterable[Tick]) -> None:
        """Note that a symbol is to be continued."""
        self.unfinished_symbols.add(symbol)
        self.unfinished_message_ids.update(tick.position.message_id for tick in ticks)
