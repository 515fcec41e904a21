"""Conditions: what must happen to a price for a rule to fire. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum
from typing import NamedTuple

from price_alerts.domain.ticks import NUMBER_LIMITS, is_number

WINDOWS_SECONDS = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "1h": 3_600,
    "4h": 14_400,
    "1d": 86_400,
    "7d": 604_800,
}

# A percentage of a level has up to 128 decimals, and a level 31 digits before the point.
_EXACT = Context(prec=200)


class RuleError(ValueError):
    """An invalid rule; the text is one line that says what would be valid."""


class Condition(StrEnum):
    """The kind of event that a rule watches for."""

    CROSSES_UP = "crosses_up"
    CROSSES_DOWN = "crosses_down"
    CROSSES = "crosses"
    ABOVE = "above"
    BELOW = "below"
    ENTERS = "enters"
    EXITS = "exits"
    INSIDE = "inside"
    OUTSIDE = "outside"
    RISES = "rises"
    FALLS = "falls"

    @property
    def word(self) -> str:
        """The condition as typed: ``crosses-up``."""
        return self.replace("_", "-")

    @property
    def phrase(self) -> str:
        """The condition in a sentence: ``crosses up``."""
        return self.replace("_", " ")


class Side(StrEnum):
    """The side to which a firing took the price, and from which it must come back."""

    HIGH = "high"
    LOW = "low"


_RANGES = {Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE}
_MOVES = {Condition.RISES, Condition.FALLS}
# They can hold at a first price; the others are events, which need a price before.
_STATES = _MOVES | {Condition.ABOVE, Condition.BELOW, Condition.INSIDE, Condition.OUTSIDE}


class Distance(NamedTuple):
    """A distance in units of the price, or in percent."""

    value: Decimal
    is_percent: bool = False

    def __str__(self) -> str:
        return f"{self.value:f}{'%' if self.is_percent else ''}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What must happen to a price; raises `RuleError` if the parts do not fit together.

    Attributes
    ----------
    levels
        One level, or the lower and the upper one of a range; for ``rises`` and ``falls`` the
        size of the move.
    is_percent
        Whether the size of a move is in percent.
    window
        The time within which a move counts, a key of `WINDOWS_SECONDS`; ``None`` for levels.
    rearm
        How far the price must go back after a firing before the next one, if at all.
    """

    condition: Condition
    levels: tuple[Decimal, ...]
    is_percent: bool = False
    window: str | None = None
    rearm: Distance | None = None

    def __post_init__(self) -> None:
        """Reject what cannot be watched."""
        _check_levels(self)
        _check_move(self)
        if self.rearm:
            _check_rearm(self, self.rearm)

    @property
    def is_move(self) -> bool:
        """Whether the price's move within a window counts, not the price."""
        return self.condition in _MOVES

    @property
    def is_state(self) -> bool:
        """Whether the condition can hold at the very first price."""
        return self.condition in _STATES

    @property
    def metric(self) -> str:
        """The name of the line that the levels are on."""
        if not self.is_move:
            return "price"
        return f"{self.extremes}-percent" if self.is_percent else self.extremes

    @property
    def extremes(self) -> str:
        """The name of the window that a move is measured in, such as ``rise-1h``."""
        return f"{'rise' if self.condition is Condition.RISES else 'fall'}-{self.window}"

    @property
    def levels_in_words(self) -> list[str]:
        """The exact levels, as in ``200`` or ``5%``."""
        return [str(Distance(level, self.is_percent)) for level in self.levels]

    @property
    def watched_levels(self) -> tuple[Decimal, ...]:
        """All numbers at which something can happen to the rule, ascending."""
        return tuple(sorted({*self.levels, *self.rearm_levels.values()}))

    def holds(self, value: Decimal) -> bool:
        """Return whether a state holds at this number, or an event's level is passed."""
        low, high = self.levels[0], self.levels[-1]
        match self.condition:
            case Condition.ABOVE:
                return value > low
            case Condition.BELOW:
                return value < low
            case Condition.CROSSES_DOWN:
                return value <= low
            case Condition.ENTERS | Condition.INSIDE:
                return low <= value <= high
            case Condition.EXITS | Condition.OUTSIDE:
                return not low <= value <= high
            case _:
                return value >= low

    def triggers(self, before: Decimal | None, now: Decimal) -> bool:
        """Return whether the step from one number to the next triggers the condition.

        Without a number before, a state counts as one that did not hold, and an event waits.
        """
        if before is None:
            return self.is_state and self.holds(now)
        if self.condition is Condition.CROSSES:
            (level,) = self.levels
            return before < level <= now or before > level >= now
        return self.holds(now) and not self.holds(before)

    def is_back(self, now: Decimal) -> bool:
        """Return whether the price is far enough back from some side."""
        return any(
            now <= level if side is Side.HIGH else now >= level
            for side, level in self.rearm_levels.items()
        )

    def side(self, before: Decimal | None, now: Decimal) -> Side:
        """Return where a firing took the price: it must come back from there to re-arm."""
        match self.condition:
            case Condition.CROSSES:
                is_high = before is not None and now > before
            case Condition.CROSSES_DOWN | Condition.BELOW:
                is_high = False
            case Condition.EXITS | Condition.OUTSIDE:
                is_high = now > self.levels[-1]
            case _:
                is_high = True
        return Side.HIGH if is_high else Side.LOW

    def rearms(self, side: Side, now: Decimal) -> bool:
        """Return whether the price has gone back far enough since a firing on that side."""
        if self.condition in (Condition.ENTERS, Condition.INSIDE):  # out again, on either side
            return self.is_back(now)
        back = self.rearm_levels[side]
        return now <= back if side is Side.HIGH else now >= back

    @property
    def rearm_levels(self) -> dict[Side, Decimal]:
        """Where a price is far enough back, by the side of the firing."""
        if not self.rearm:
            return {}
        low, high = self.levels[0], self.levels[-1]
        if self.condition in (Condition.EXITS, Condition.OUTSIDE):  # back means inside
            low, high = high, low
        down_to = _EXACT.subtract(low, self._margin(low, self.rearm))
        up_to = _EXACT.add(high, self._margin(high, self.rearm))
        match self.condition:
            case Condition.CROSSES_UP | Condition.ABOVE | Condition.RISES | Condition.FALLS:
                return {Side.HIGH: down_to}
            case Condition.CROSSES_DOWN | Condition.BELOW:
                return {Side.LOW: up_to}
            case _:
                return {Side.HIGH: down_to, Side.LOW: up_to}

    def _margin(self, level: Decimal, rearm: Distance) -> Decimal:
        if self.is_percent or not rearm.is_percent:  # a move in percent is measured in percent
            return rearm.value
        return _EXACT.multiply(level, rearm.value).scaleb(-2, _EXACT)


def _check_levels(terms: Terms) -> None:
    is_range = terms.condition in _RANGES
    if len(terms.levels) != (2 if is_range else 1):
        wanted = "two levels, the lower one first" if is_range else "one level"
        raise RuleError(f"{terms.condition.word} takes {wanted}")
    if not all(map(is_number, terms.levels)):
        raise RuleError(f"a level is {NUMBER_LIMITS}")
    if is_range and terms.levels[0] >= terms.levels[1]:
        raise RuleError(f"{terms.condition.word} takes the lower level first")


def _check_move(terms: Terms) -> None:
    word = terms.condition.word
    if not terms.is_move:
        if terms.window is not None or terms.is_percent:
            raise RuleError(f"{word} takes a price, no percentage and no window")
    elif terms.window not in WINDOWS_SECONDS:
        given = f", and {terms.window} is none" if terms.window else ""
        raise RuleError(f"{word} needs a window{given}: within {' '.join(WINDOWS_SECONDS)}")
    elif terms.levels[0] <= 0:
        raise RuleError(f"{word} takes an amount or a percentage greater than 0")


def _check_rearm(terms: Terms, rearm: Distance) -> None:
    is_amount = is_number(rearm.value) and rearm.value > 0
    is_share = rearm.is_percent and not terms.is_percent
    if not is_amount or (is_share and rearm.value >= 100):
        raise RuleError("rearm is an amount greater than 0, or a percentage under 100%")
    if terms.is_percent and not rearm.is_percent:
        raise RuleError("rearm of a move in percent is in percent too, as in 1%")
    if is_share and terms.levels[0] <= 0:
        raise RuleError("rearm in percent needs levels above 0: write an amount")
    back, low, high = terms.rearm_levels, terms.levels[0], terms.levels[-1]
    if terms.is_move and back[Side.HIGH] <= 0:
        raise RuleError(f"rearm must be less than the move, {terms.levels_in_words[0]}")
    is_inward = terms.condition in (Condition.EXITS, Condition.OUTSIDE)
    if is_inward and not (low <= back[Side.HIGH] and back[Side.LOW] <= high):
        raise RuleError("rearm must not be more than the width of the range")
