"""Recent ticks: a symbol's last ones, so that a late tick can be put among them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from price_alerts.domain.progress import NO_TRAIL, NOWHERE, Trail
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.windows import Queue, pushed


class Mark(NamedTuple):
    """A tick that was applied; the one at `NOWHERE` is before all of them, at no price."""

    position: Position
    price: Decimal


@dataclass(frozen=True, slots=True)
class Recent:
    """The recent ticks of a symbol.

    Attributes
    ----------
    marks
        The ticks in order. A late tick can be put after the first of them, the base.
    windows
        The windows as they were after the base.
    begun
        The windows that began later: each with the tick that it began with.
    own
        What the ticks did to the stack's own rule.
    own_since
        The tick after which the stack's own rule took effect; ``None``: it was there at the base.
    rules_since
        The last tick after which the symbol's rules changed; ``None``: not since the base.
    """

    marks: tuple[Mark, ...]
    windows: Mapping[str, Queue] = field(default_factory=dict)
    begun: Mapping[str, Position] = field(default_factory=dict)
    own: Trail = NO_TRAIL
    own_since: Position | None = None
    rules_since: Position | None = None

    @classmethod
    def starting(cls, tick: Tick | None, windows: Mapping[str, Queue]) -> Recent:
        """Remember nothing but where a symbol is."""
        mark = Mark(tick.position, tick.price) if tick else Mark(NOWHERE, Decimal(0))
        return cls((mark,), dict(windows))

    @property
    def base(self) -> Position:
        """The position of the first tick that is remembered."""
        return self.marks[0].position

    @property
    def names(self) -> set[tuple[int, str, int]]:
        """The names of these ticks."""
        return {mark.position.name for mark in self.marks}

    def with_ticks(self, ticks: Iterable[Tick]) -> Recent:
        """Add ticks that follow."""
        marks = (*self.marks, *(Mark(tick.position, tick.price) for tick in ticks))
        return replace(self, marks=marks)

    def with_late_ticks(self, ticks: Iterable[Tick]) -> Recent:
        """Add ticks, each in its place."""
        recent = self.with_ticks(ticks)
        return replace(recent, marks=tuple(sorted(recent.marks, key=_position_of)))

    def beginning(self, windows: Mapping[str, Queue], position: Position) -> Recent:
        """Add windows that begin with a tick."""
        if position == self.base:
            return replace(self, windows={**self.windows, **windows})
        return replace(self, begun={**self.begun, **dict.fromkeys(windows, position)})

    def along(self) -> Iterator[Mapping[str, Queue]]:
        """Yield the windows after each of the ticks."""
        windows = self.windows
        yield windows
        for mark in self.marks[1:]:
            windows = self._next(windows, mark)
            yield windows

    def shortened(self, kept_ticks: int, names: Sequence[str]) -> Recent:
        """Forget what is more than ``kept_ticks`` ticks ago, and the windows that are not named."""
        windows = {name: queue for name, queue in self.windows.items() if name in names}
        begun = {name: position for name, position in self.begun.items() if name in names}
        recent = replace(self, windows=windows, begun=begun)
        first = max(0, len(self.marks) - kept_ticks - 1)
        for mark in self.marks[1 : first + 1]:
            windows = recent._next(windows, mark)
        base = self.marks[first].position
        own_since, rules_since = self.own_since, self.rules_since
        return Recent(
            marks=self.marks[first:],
            windows=windows,
            begun={name: position for name, position in begun.items() if position > base},
            own=self.own.after(base),
            own_since=own_since if own_since is not None and own_since > base else None,
            rules_since=rules_since if rules_since is not None and rules_since >= base else None,
        )

    def _next(self, windows: Mapping[str, Queue], mark: Mark) -> dict[str, Queue]:
        position, price = mark
        begin = {name: () for name, started in self.begun.items() if started == position}
        return {
            name: pushed(name, queue, price, position.timestamp_microseconds)
            for name, queue in (begin | dict(windows)).items()
        }


def _position_of(mark: Mark) -> Position:
    return mark.position
