"""Terms: what must happen to a price for a rule to come true. Pure."""

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

# A share of a level has up to 128 decimals, and a level 31 digits before the point.
_EXACT = Context(prec=200)


class RuleError(ValueError):
    """A rule that cannot be; the text is one line that says what would be right."""


class Condition(StrEnum):
    """What a rule watches a price for."""

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
        """The condition as it is typed: ``crosses-up``."""
        return self.replace("_", "-")

    @property
    def phrase(self) -> str:
        """The condition as it is told: ``crosses up``."""
        return self.replace("_", " ")


class Side(StrEnum):
    """Where a firing took the price, and from where it must go back."""

    HIGH = "high"
    LOW = "low"


_RANGES = {Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE}
_MOVES = {Condition.RISES, Condition.FALLS}
# They tell what is so; the others tell what happens, for which a price before is needed.
_STATES = {
    Condition.ABOVE,
    Condition.BELOW,
    Condition.INSIDE,
    Condition.OUTSIDE,
    Condition.RISES,
    Condition.FALLS,
}


class Distance(NamedTuple):
    """How far: in units of the price, or in percent."""

    value: Decimal
    is_percent: bool = False

    def __str__(self) -> str:
        return f"{self.value:f}{'%' if self.is_percent else ''}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What must happen to a price: the part of a rule that never changes.

    Attributes
    ----------
    condition
        The kind of event.
    levels
        One level, or for a range the lower and the upper one; for ``rises`` and ``falls``
        the size of the move.
    is_percent
        Whether the size of a move is in percent.
    window
        The time within which a move counts, a key of `WINDOWS_SECONDS`; ``None`` for levels.
    rearm
        How far the price must go back after a firing before the next one; ``None`` for not
        at all.

    Raises
    ------
    RuleError
        If the parts do not go together.
    """

    condition: Condition
    levels: tuple[Decimal, ...]
    is_percent: bool = False
    window: str | None = None
    rearm: Distance | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be watched."""
        _check_levels(self)
        _check_move(self)
        if self.rearm:
            _check_rearm(self, self.rearm)

    @property
    def is_move(self) -> bool:
        """Whether it is the price's move within a window that counts."""
        return self.condition in _MOVES

    @property
    def is_state(self) -> bool:
        """Whether it can be so at the first price already, with none before."""
        return self.condition in _STATES

    @property
    def metric(self) -> str:
        """Name the line of numbers on which the levels stand."""
        if not self.is_move:
            return "price"
        return f"{self.extremes}-percent" if self.is_percent else self.extremes

    @property
    def extremes(self) -> str:
        """Name the lowest or highest prices that a move is measured from, ``rise-1h`` say."""
        return f"{'rise' if self.condition is Condition.RISES else 'fall'}-{self.window}"

    @property
    def levels_in_words(self) -> list[str]:
        """The levels exactly, as in ``200`` or ``5%``."""
        return [str(Distance(level, self.is_percent)) for level in self.levels]

    @property
    def watched_levels(self) -> tuple[Decimal, ...]:
        """All numbers at which something can happen to the rule, ascending."""
        levels = set(self.levels)
        if self.rearm:
            levels.update(self.rearm_levels(self.rearm).values())
        return tuple(sorted(levels))

    def holds(self, value: Decimal) -> bool:
        """Tell whether a state is so at this number; for an event, whether it is past the level."""
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

    def comes_true(self, before: Decimal | None, now: Decimal) -> bool:
        """Tell whether the step from one number to the next makes it come true.

        Parameters
        ----------
        before
            The number before, ``None`` if there was none or if it does not count: a state is
            then taken to have been not so, and an event waits.
        now
            The number now.
        """
        if before is None:
            return self.is_state and self.holds(now)
        if self.condition is Condition.CROSSES:
            (level,) = self.levels
            return before < level <= now or before > level >= now
        return self.holds(now) and not self.holds(before)

    def is_back(self, now: Decimal) -> bool:
        """Tell whether the price is far enough back from some side."""
        return self.rearm is not None and any(
            now <= level if side is Side.HIGH else now >= level
            for side, level in self.rearm_levels(self.rearm).items()
        )

    def side(self, before: Decimal | None, now: Decimal) -> Side:
        """Tell where a firing has taken the price: from there it must come back to re-arm."""
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
        """Tell whether the price has gone back far enough since a firing on that side."""
        if self.rearm is None:
            return True
        back = self.rearm_levels(self.rearm)
        if self.condition in (Condition.ENTERS, Condition.INSIDE):  # out again, on either side
            return now <= back[Side.HIGH] or now >= back[Side.LOW]
        return now <= back[side] if side is Side.HIGH else now >= back[side]

    def rearm_levels(self, rearm: Distance) -> dict[Side, Decimal]:
        """Return where a price is back far enough, by the side of the firing."""
        low, high = self.levels[0], self.levels[-1]
        if self.condition in (Condition.EXITS, Condition.OUTSIDE):  # back means in
            low, high = high, low
        down_to = _EXACT.subtract(low, self.margin(low, rearm))
        up_to = _EXACT.add(high, self.margin(high, rearm))
        match self.condition:
            case Condition.CROSSES_UP | Condition.ABOVE | Condition.RISES | Condition.FALLS:
                return {Side.HIGH: down_to}
            case Condition.CROSSES_DOWN | Condition.BELOW:
                return {Side.LOW: up_to}
            case _:
                return {Side.HIGH: down_to, Side.LOW: up_to}

    def margin(self, level: Decimal, rearm: Distance) -> Decimal:
        """Return how far back from a level the price must go."""
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
    if not terms.is_move:
        if terms.window is not None or terms.is_percent:
            raise RuleError(f"{terms.condition.word} takes a price, no percentage and no window")
        return
    if terms.window not in WINDOWS_SECONDS:
        raise RuleError(
            f"{terms.condition.word} needs a window: within {' '.join(WINDOWS_SECONDS)}"
        )
    if terms.levels[0] <= 0:
        raise RuleError(f"{terms.condition.word} takes an amount or a percentage greater than 0")


def _check_rearm(terms: Terms, rearm: Distance) -> None:
    is_amount = is_number(rearm.value) and rearm.value > 0
    is_share = rearm.is_percent and not terms.is_percent
    if not is_amount or (is_share and rearm.value >= 100):
        raise RuleError("rearm is an amount greater than 0, or a percentage under 100%")
    if terms.is_percent and not rearm.is_percent:
        raise RuleError("rearm of a move in percent is in percent too, as in 1%")
    if is_share and terms.levels[0] <= 0:
        raise RuleError("rearm in percent needs levels above 0: write an amount")
    if terms.is_move and terms.margin(terms.levels[0], rearm) >= terms.levels[0]:
        raise RuleError(f"rearm must be less than the move, {terms.levels_in_words[0]}")
    back = terms.rearm_levels(rearm)
    low, high = terms.levels[0], terms.levels[-1]
    is_inward = terms.condition in (Condition.EXITS, Condition.OUTSIDE)
    if is_inward and not (low <= back[Side.HIGH] and back[Side.LOW] <= high):
        raise RuleError("rearm must not be more than the width of the range")
