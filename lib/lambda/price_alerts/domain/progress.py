"""Progress: what ticks did to a rule, and what of it a late tick can still change. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from price_alerts.domain.conditions import Side
from price_alerts.domain.ticks import Position

NOWHERE = Position(-1, 0, 0, "", 0)  # before all ticks


class Status(StrEnum):
    """Whether a rule is watched (``active`` alone), or why not."""

    ACTIVE = "active"
    PAUSED = "paused"
    TRIGGERED = "triggered"


class Announced(NamedTuple):
    """A firing that was published.

    Attributes
    ----------
    name
        The tick that the alert names.
    at
        The tick whose firing it stands for. A late tick can move that: ``None`` if the rule no
        longer fires for it, `NOWHERE` if it stands for a firing that is no longer remembered.
    """

    name: Position
    at: Position | None


class Trail(NamedTuple):
    """What recent ticks did to a rule: its changes, each with the progress before, and firings."""

    changes: tuple[tuple[Position, Progress], ...] = ()
    announced: tuple[Announced, ...] = ()

    def after(self, base: Position) -> Trail:
        """Return the trail without what this tick and those before it did."""
        return Trail(
            tuple(change for change in self.changes if change[0] > base),
            tuple(kept for each in self.announced for kept in (_after(each, base),) if kept),
        )


NO_TRAIL = Trail()


@dataclass(frozen=True, slots=True)
class Progress:
    """The part of a rule that ticks change.

    Attributes
    ----------
    disarmed
        The side of a firing that the price has not come back from; ``None`` if it can fire.
    last_fired_at_microseconds
        The time of the tick that fired last.
    trail
        What recent ticks did, in case a late one comes before them.
    """

    status: Status = Status.ACTIVE
    disarmed: Side | None = None
    last_fired_at_microseconds: int | None = None
    last_firing_id: str | None = None
    trail: Trail = NO_TRAIL

    @property
    def entries(self) -> int:
        """How much room it needs, in entries of a trail."""
        return 1 + max(len(self.trail.changes), len(self.trail.announced))

    def at(self, base: Position) -> Progress:
        """Return the progress right after a recent tick, without its trail."""
        for position, before in self.trail.changes:
            if position > base:
                return before
        return replace(self, trail=NO_TRAIL)


NOTHING_YET = Progress()


def in_order(announced: Iterable[Announced]) -> tuple[Announced, ...]:
    """Return published firings sorted by the ticks that they name."""
    return tuple(sorted(announced, key=lambda each: (each.name, each.at or NOWHERE)))


def _after(announced: Announced, base: Position) -> Announced | None:
    name, at = announced.name, announced.at
    if name > base:
        return Announced(name, NOWHERE) if at is not None and at <= base else announced
    return Announced(at, at) if at is not None and at > base else None
