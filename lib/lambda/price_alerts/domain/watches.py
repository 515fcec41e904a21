"""Watches: the index in which the engine finds a rule by the levels that a price moves over. Pure.

A line is a sorted row of watches: one of prices for each symbol, and one for every kind of move
that somebody watches. Only the stretch of a line that a price moved over is ever read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from price_alerts.domain.conditions import Terms
from price_alerts.domain.rules import Rule

# The line of rules that were added or resumed and have seen no tick since; no levels on it.
NEW = "new"

# For exponents of three digits: those of levels, and of where rules re-arm, are -130 to 70.
_EXPONENT_BIAS = 200
_FIRST_PAGE, _NEXT_PAGES = 16, 128
_LOWEST = " "  # before all keys
_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_INFINITY = Decimal("Infinity")


class Watch(NamedTuple):
    """A place on a line where a rule can come true or re-arm.

    ``key`` is the level's `level_key`, then ``#`` and the rule's id. ``terms`` are the rule's;
    ``None`` if the watch cannot be read: it is passed over.
    """

    key: str
    rule_id: str
    terms: Terms | None

    @property
    def level(self) -> Decimal:
        """The number at which the watch stands."""
        return level_of(self.key)


class Index(Protocol):
    """Where the engine finds watches and rules of one symbol."""

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        """Return up to `limit` watches after `start`; a short result means the end of the line."""

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        """Return up to `limit` ids of rules that have seen no tick yet."""

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        """Return rules by their ids, without those that are gone."""

    def all_rules(self) -> Iterable[Rule]:
        """Return all rules of the symbol."""


class Band(NamedTuple):
    """The nearest watched levels around a number; ``None``: there is none on that side.

    Nothing can happen while the number stays strictly between them.
    """

    below: Decimal | None
    above: Decimal | None


ANYWHERE = Band(None, None)


def level_key(level: Decimal) -> str:
    """Write a number so that text sorts as numbers do: 200 as ``2022``, 200.5 as ``2022005``.

    The exponent is biased to have three digits, and the significant digits follow. Zero is ``0``.
    Numbers below it have a hyphen before the complement of all digits, and a tilde after it:
    -200 is ``-7977~``, -200.5 is ``-7977994~``.
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
    """Yield the watches between two levels of a line, both included, ascending."""
    end = _past(high)
    for page in pages(index, line, level_key(low)):
        for watch in page:
            if watch.key > end:
                return
            yield watch


def pages(index: Index, line: str, start: str = _LOWEST) -> Iterator[Sequence[Watch]]:
    """Yield the watches of a line after a key, ascending, as many at a time as one read returns."""
    found = index.watches(line, start, upward=True, limit=_NEXT_PAGES)
    while found:
        yield found
        if len(found) < _NEXT_PAGES:
            return
        found = index.watches(line, found[-1].key, upward=True, limit=_NEXT_PAGES)


def band_around(index: Index, line: str, number: Decimal, is_active: Mapping[str, bool]) -> Band:
    """Find the band around a number; watches of rules that are known not to be active are out."""
    entered = Line(line, index, number, None)
    entered.settle(
        number, lambda watch: watch.terms is not None and is_active.get(watch.rule_id, True)
    )
    return entered.band


class Line:
    """The part of a line that has been read: all watches between its two ends.

    Parameters
    ----------
    name
        The line's name: a metric of `Terms`.
    index
        Where more of it can be read.
    value
        The number at which it is entered.
    band
        The band around ``value``, if it is known.

    Attributes
    ----------
    below, above
        The nearest known levels around the number that the line was last settled at.
    """

    def __init__(self, name: str, index: Index, value: Decimal, band: Band | None) -> None:
        self._name = name
        self._index = index
        self._watches: list[Watch] = []
        self._page = _FIRST_PAGE
        # All watches between these two keys have been read; None is the line's own end.
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
        """Tell whether nothing can happen on the way to this number."""
        return self.below < value < self.above

    def between(self, before: Decimal, now: Decimal, after_key: str | None) -> Iterator[Watch]:
        """Yield the watches on the way from one number to another, both included, in that order.

        Parameters
        ----------
        before, now
            Where the way begins and ends.
        after_key
            The watch with this key and those before it are left out.
        """
        if before < now:
            for watch in self._ascending(after_key or level_key(before)):
                if watch.key > _past(now):
                    return
                yield watch
        elif now < before:
            for watch in self._descending(after_key or _past(before)):
                if watch.key < level_key(now):
                    return
                yield watch

    def settle(self, value: Decimal, counts: Callable[[Watch], bool]) -> None:
        """Find the band around a number; watches that do not count are passed over."""
        key = level_key(value)
        self.above = next((w.level for w in self._ascending(key) if counts(w)), _INFINITY)
        self.below = next(
            (w.level for w in self._descending(_past(value)) if counts(w)), -_INFINITY
        )

    def _ascending(self, key: str) -> Iterator[Watch]:
        self._enter(key)
        while True:
            position = bisect_right(self._watches, key, key=_key_of)
            if position < len(self._watches):
                key = self._watches[position].key
                yield self._watches[position]
            elif self._high is None:
                return
            else:
                found = self._read(self._high, upward=True)
                self._watches += found
                self._high = found[-1].key if len(found) == self._page else None
                self._page = _NEXT_PAGES

    def _descending(self, key: str) -> Iterator[Watch]:
        self._enter(key)
        while True:
            position = bisect_left(self._watches, key, key=_key_of)
            if position:
                key = self._watches[position - 1].key
                yield self._watches[position - 1]
            elif self._low is None:
                return
            else:
                found = self._read(self._low, upward=False)
                self._watches[:0] = reversed(found)
                self._low = found[-1].key if len(found) == self._page else None
                self._page = _NEXT_PAGES

    def _enter(self, key: str) -> None:
        """Begin anew at a key that lies outside of what has been read."""
        is_inside = (self._low is None or self._low <= key) and (
            self._high is None or key <= self._high
        )
        if not is_inside:
            self._watches = []
            self._low = self._high = key

    def _read(self, start: str, *, upward: bool) -> Sequence[Watch]:
        return self._index.watches(self._name, start, upward=upward, limit=self._page)


def _past(level: Decimal) -> str:
    """Return a key just behind all watches at a level."""
    return level_key(level) + "$"  # the character after "#"


def _key_of(watch: Watch) -> str:
    return watch.key
