"""Watches: the index in which the engine finds rules by the levels that a price moves over. Pure.

A line is a sorted row of watches. A symbol has one line of prices, and one for each kind of move
that a rule watches. Only the stretch of a line that a price moved over is ever read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, takewhile
from typing import NamedTuple, Protocol

from price_alerts.domain.conditions import Terms
from price_alerts.domain.rules import Rule

# The line of rules that have seen no tick since they were added or resumed; it has no levels.
NEW = "new"

# Makes exponents three digits long: those of levels, and of where rules re-arm, are -130 to 70.
_EXPONENT_BIAS = 200
# Pages grow: few watches are read where few are needed, and many with few requests.
_FIRST_PAGE, _PAGE_GROWTH, _LARGEST_PAGE = 16, 8, 512
_LOWEST = " "  # before all keys
_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_INFINITY = Decimal("Infinity")


class Watch(NamedTuple):
    """A place on a line where a rule can trigger or re-arm.

    ``key`` is the level's `level_key`, then ``#`` and the rule's id. ``terms`` are the rule's, or
    ``None`` if the watch cannot be read: it is skipped.
    """

    key: str
    rule_id: str
    terms: Terms | None

    @property
    def level(self) -> Decimal:
        """The number that the watch is at."""
        return level_of(self.key)


class Index(Protocol):
    """The watches and rules of one symbol."""

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        """Return up to `limit` watches after `start`; a short result means the end of the line."""

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        """Return up to `limit` ids of rules that have seen no tick yet."""

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        """Return rules by their ids, without those that were removed."""

    def all_rules(self) -> Iterable[Rule]:
        """Return all rules of the symbol."""


class Band(NamedTuple):
    """The nearest watched levels around a number: strictly between them, nothing can happen."""

    below: Decimal | None
    above: Decimal | None


ANYWHERE = Band(None, None)


def level_key(level: Decimal) -> str:
    """Write a number so that text sorts as numbers do: 200 as ``2022``, 200.5 as ``2022005``.

    Three digits of the biased exponent, then the significant digits. Zero is ``0``. A negative
    number is a hyphen, the complement of all digits and a tilde: -200 is ``-7977~``, -200.5 is
    ``-7977994~``.
    """
    if not level:
        return "0"
    digits = "".join(map(str, level.as_tuple().digits)).rstrip("0")
    text = f"{level.adjusted() + _EXPONENT_BIAS:03}{digits}"
    return f"-{text.translate(_COMPLEMENT)}~" if level < 0 else text


def level_of(key: str) -> Decimal:
    """Read the level in a watch's key."""
    text = key.partition("#")[0]
    if text == "0":
        return Decimal(0)
    is_negative = text.startswith("-")
    if is_negative:
        text = text[1:-1].translate(_COMPLEMENT)
    digits = text[3:]
    exponent = int(text[:3]) - _EXPONENT_BIAS - len(digits) + 1
    # Exact, whatever the context.
    return Decimal((int(is_negative), tuple(map(int, digits)), exponent))


def watches_of(rule: Rule) -> list[Watch]:
    """Return a rule's watches, which are on the line of its metric."""
    return [
        Watch(f"{level_key(level)}#{rule.rule_id}", rule.rule_id, rule.terms)
        for level in rule.terms.watched_levels
    ]


def stretch(index: Index, line: str, low: Decimal, high: Decimal) -> Iterator[Watch]:
    """Return the watches between two levels of a line, both included, ascending."""
    end = _past(high)
    watches = chain.from_iterable(pages(index, line, level_key(low)))
    return takewhile(lambda watch: watch.key <= end, watches)


def pages(index: Index, line: str, start: str = _LOWEST) -> Iterator[Sequence[Watch]]:
    """Yield the watches of a line after a key, ascending, page by page."""
    limit = _FIRST_PAGE
    while found := index.watches(line, start, upward=True, limit=limit):
        yield found
        if len(found) < limit:
            return
        start, limit = found[-1].key, _following(limit)


def band_around(index: Index, line: str, number: Decimal, is_active: Mapping[str, bool]) -> Band:
    """Return the band around a number, ignoring watches of rules known not to be active."""
    entered = Line(line, index, number, None)
    entered.settle(
        number, lambda watch: watch.terms is not None and is_active.get(watch.rule_id, True)
    )
    return entered.band


class Line:
    """The part of a line that has been read: all watches between two keys.

    Parameters
    ----------
    name
        The line's name: a metric of `Terms`.
    value
        The number to start from.
    band
        The band around ``value``, if known.
    """

    def __init__(self, name: str, index: Index, value: Decimal, band: Band | None) -> None:
        self._name = name
        self._index = index
        self._watches: list[Watch] = []
        self._page = _FIRST_PAGE
        # The part between these two keys has been read; None is the line's own end.
        self._low: str | None = level_key(value)
        self._high: str | None = self._low
        self.below = self.above = value
        if band:
            self._low = None if band.below is None else _past(band.below)
            self._high = None if band.above is None else level_key(band.above)
            self.below = -_INFINITY if band.below is None else band.below
            self.above = _INFINITY if band.above is None else band.above

    @property
    def band(self) -> Band:
        """The band around the number that the line was last settled at."""
        return Band(
            self.below if self.below.is_finite() else None,
            self.above if self.above.is_finite() else None,
        )

    def is_quiet(self, value: Decimal) -> bool:
        """Return whether nothing can happen on the way to this number."""
        return self.below < value < self.above

    def between(self, before: Decimal, now: Decimal, after_key: str | None) -> Iterator[Watch]:
        """Yield the watches from one number to another, both included, after a key on the way."""
        if before < now:
            end = _past(now)
            ascending = self._from(after_key or level_key(before), upward=True)
            yield from takewhile(lambda watch: watch.key <= end, ascending)
        elif now < before:
            end = level_key(now)
            descending = self._from(after_key or _past(before), upward=False)
            yield from takewhile(lambda watch: watch.key >= end, descending)

    def settle(self, value: Decimal, counts: Callable[[Watch], bool]) -> None:
        """Find the band around a number; watches that do not count are skipped."""
        above = self._from(level_key(value), upward=True)
        below = self._from(_past(value), upward=False)
        self.above = next((watch.level for watch in above if counts(watch)), _INFINITY)
        self.below = next((watch.level for watch in below if counts(watch)), -_INFINITY)

    def _from(self, key: str, *, upward: bool) -> Iterator[Watch]:
        """Yield the watches after a key, or before it; more of the line is read as needed."""
        is_outside = (self._low is not None and key < self._low) or (
            self._high is not None and key > self._high
        )
        if is_outside:  # start again there
            self._watches = []
            self._low = self._high = key
        while True:
            if upward:
                place = bisect_right(self._watches, key, key=_key_of)
            else:
                place = bisect_left(self._watches, key, key=_key_of) - 1
            if 0 <= place < len(self._watches):
                key = self._watches[place].key
                yield self._watches[place]
            elif (end := self._high if upward else self._low) is not None:
                self._read(end, upward=upward)
            else:
                return

    def _read(self, start: str, *, upward: bool) -> None:
        found = self._index.watches(self._name, start, upward=upward, limit=self._page)
        end = found[-1].key if len(found) == self._page else None
        self._page = _following(self._page)
        if upward:
            self._watches += found
            self._high = end
        else:
            self._watches[:0] = reversed(found)
            self._low = end


def _following(page: int) -> int:
    return min(page * _PAGE_GROWTH, _LARGEST_PAGE)


def _past(level: Decimal) -> str:
    """Return a key just after all watches at a level."""
    return level_key(level) + "$"  # the character after "#"


def _key_of(watch: Watch) -> str:
    return watch.key
