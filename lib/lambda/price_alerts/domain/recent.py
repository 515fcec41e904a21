"""Recent ticks of a symbol, among which a late tick can be applied. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from price_alerts.domain.progress import NO_TRAIL, NOWHERE, Trail
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.windows import Queue, pushed


class Mark(NamedTuple):
    """A tick that was applied; the one at `NOWHERE` comes before all ticks and has no price."""

    position: Position
    price: Decimal


@dataclass(frozen=True, slots=True)
class Recent:
    """The recent ticks of a symbol.

    Attributes
    ----------
    marks
        The ticks in order. A late tick can come after the first of them, the base.
    windows
        The windows after the base.
    begun
        The windows that started later, each with its first tick.
    own
        What the ticks did to the stack's own rule.
    own_since
        The tick after which the stack's own rule took effect, unless it did before the base.
    rules_since
        The last tick after which the symbol's rules changed, if any since the base.
    """

    marks: tuple[Mark, ...]
    windows: Mapping[str, Queue] = field(default_factory=dict)
    begun: Mapping[str, Position] = field(default_factory=dict)
    own: Trail = NO_TRAIL
    own_since: Position | None = None
    rules_since: Position | None = None

    @classmethod
    def starting(cls, tick: Tick | None, windows: Mapping[str, Queue]) -> Recent:
        """Return what is recent when ticks start to be kept: the last one."""
        mark = Mark(tick.position, tick.price) if tick else Mark(NOWHERE, Decimal(0))
        return cls((mark,), dict(windows))

    @property
    def base(self) -> Position:
        """The position of the first tick that is kept."""
        return self.marks[0].position

    @property
    def names(self) -> set[tuple[int, str, int]]:
        """The names of these ticks."""
        return {mark.position.name for mark in self.marks}

    def with_ticks(self, ticks: Iterable[Tick]) -> Recent:
        """Return these with more ticks, each in its place."""
        added = [Mark(tick.position, tick.price) for tick in ticks]
        return replace(self, marks=tuple(sorted([*self.marks, *added])))

    def with_windows(self, windows: Mapping[str, Queue], position: Position) -> Recent:
        """Return these with windows that start at a tick."""
        if position == self.base:
            return replace(self, windows={**self.windows, **windows})
        return replace(self, begun={**self.begun, **dict.fromkeys(windows, position)})

    def along(self) -> Iterator[Mapping[str, Queue]]:
        """Yield the windows after each of the ticks."""
        windows = self.windows
        yield windows
        for position, price in self.marks[1:]:
            new = {name: () for name, start in self.begun.items() if start == position}
            windows = {
                name: pushed(name, queue, price, position.timestamp_microseconds)
                for name, queue in {**new, **windows}.items()
            }
            yield windows

    def shortened(self, kept_ticks: int, names: Sequence[str]) -> Recent:
        """Return the last ``kept_ticks`` ticks after a new base, and the named windows."""
        windows = {name: queue for name, queue in self.windows.items() if name in names}
        begun = {name: position for name, position in self.begun.items() if name in names}
        first = max(0, len(self.marks) - kept_ticks - 1)
        base = self.marks[first].position
        along = replace(self, windows=windows, begun=begun).along()
        own_since, rules_since = self.own_since, self.rules_since
        return Recent(
            marks=self.marks[first:],
            windows=next(islice(along, first, None)),
            begun={name: position for name, position in begun.items() if position > base},
            own=self.own.after(base),
            own_since=own_since if own_since is not None and own_since > base else None,
            rules_since=rules_since if rules_since is not None and rules_since >= base else None,
        )
