"""The past: a symbol's last ticks, so that a late one can be put among them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from price_alerts.rules import Progress
from price_alerts.ticks import Position
from price_alerts.windows import Queue

__all__ = ["NOWHERE", "Change", "Mark", "Past"]

NOWHERE = Position(-1, "", 0)  # before all ticks
# What is remembered of them must not make a state's item large.
MAX_REMEMBERED_CHANGES = 30


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick that was taken, and the windows after it.

    One `NOWHERE`, without a price, stands for what was before a symbol's first tick.
    """

    position: Position
    price: Decimal | None
    windows: Mapping[str, Queue]


@dataclass(frozen=True, slots=True)
class Change:
    """What a tick did to a rule.

    Attributes
    ----------
    position, rule_id
        The tick's, and the rule's.
    before
        What had come of the rule until then; ``None`` if nothing is to be taken back.
    told_at
        If it fired: the tick whose firing stands for it. That is another one, if this tick came
        late and the rule had come true a little later already.
    was_new
        Whether it had seen no tick until then.
    is_taken
        It fired, and that firing stands for one at a tick that is forgotten: its name is taken.
    """

    position: Position
    rule_id: str
    before: Progress | None = None
    told_at: Position | None = None
    was_new: bool = False
    is_taken: bool = False

    def seen_from(self, begin: Position) -> Change | None:
        """Return what is left of it when all up to a tick is forgotten."""
        if self.position > begin:
            is_forgotten = self.told_at is not None and self.told_at <= begin
            return replace(self, told_at=self.position) if is_forgotten else self
        if self.told_at is not None and self.told_at > begin:
            return Change(self.told_at, self.rule_id, is_taken=True)
        return None


@dataclass(frozen=True, slots=True)
class Past:
    """The last ticks of a symbol, and what they did.

    Attributes
    ----------
    marks
        The ticks in order: one behind which a late tick may be put, those after it, and the
        state's own last.
    changes
        What all but the first of them did, in order.
    """

    marks: tuple[Mark, ...]
    changes: tuple[Change, ...] = ()

    def shortened(self, kept_ticks: int) -> Past:
        """Forget what is more than so many ticks ago, or too much to remember."""
        first = max(0, len(self.marks) - kept_ticks - 1)
        while self._count_behind(self.marks[first].position) > MAX_REMEMBERED_CHANGES:
            first += 1
        begin = self.marks[first].position
        changes = [kept for change in self.changes for kept in (change.seen_from(begin),) if kept]
        return Past(self.marks[first:], tuple(sorted(changes, key=lambda change: change.position)))

    def with_windows(self, names: Mapping[str, Queue]) -> Past:
        """Return it with only those windows that are named."""
        return replace(
            self,
            marks=tuple(
                replace(mark, windows={name: mark.windows[name] for name in names})
                for mark in self.marks
            ),
        )

    def _count_behind(self, begin: Position) -> int:
        return sum(change.position > begin for change in self.changes)
