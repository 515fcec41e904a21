"""Notices: a firing in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from price_alerts.rules import Rule
from price_alerts.state import Firing
from price_alerts.terms import Condition, Distance
from price_alerts.ticks import format_timestamp

__all__ = ["Notice", "levels_of", "notice"]

_VERBS = {
    Condition.CROSSES_UP: "crossed {} upwards",
    Condition.CROSSES_DOWN: "crossed {} downwards",
    Condition.CROSSES: "crossed {}",
    Condition.ABOVE: "is above {}",
    Condition.BELOW: "is below {}",
    Condition.ENTERS: "entered {}",
    Condition.EXITS: "left {}",
    Condition.INSIDE: "is inside {}",
    Condition.OUTSIDE: "is outside {}",
    Condition.RISES: "rose by {} within {}",
    Condition.FALLS: "fell by {} within {}",
}

# A template may repeat its placeholders: ten texts must fit into one request to SNS.
_MAX_TEXT_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Notice:
    """A firing, with what is told of it; whose it is and what for, from its rule."""

    firing: Firing
    owner: str
    note: str
    text: str


def notice(firing: Firing, rule: Rule | None) -> Notice:
    """Word a firing.

    Parameters
    ----------
    firing
        What came true.
    rule
        Its rule, with owner, note and message template; ``None`` if it is gone meanwhile.
    """
    if rule is None:
        return Notice(firing, "", "", _sentence(firing, ""))
    # A template that comes to nothing would be refused by SNS.
    text = _filled(rule.message, firing, rule.note).strip() or _sentence(firing, rule.note)
    return Notice(firing, rule.owner, rule.note, text[:_MAX_TEXT_CHARACTERS])


def levels_of(firing: Firing) -> list[str]:
    """Write a firing's levels exactly, ``5%`` for a move in percent."""
    return [str(Distance(level, firing.terms.is_percent)) for level in firing.terms.levels]


def _filled(template: str, firing: Firing, note: str) -> str:
    previous = firing.previous_price
    return template.format(
        symbol=firing.symbol,
        price=_text(firing.price),
        previous_price="" if previous is None else _text(previous),
        condition=firing.terms.condition.replace("_", " "),
        level=" to ".join(levels_of(firing)),
        timestamp=_moment(firing),
        note=note,
    )


def _sentence(firing: Firing, note: str) -> str:
    what = _VERBS[firing.terms.condition].format(
        " to ".join(levels_of(firing)), firing.terms.window
    )
    before = "" if firing.previous_price is None else f", {_text(firing.previous_price)} before"
    told = f"{firing.symbol} {what}: {_text(firing.price)} at {_moment(firing)}{before}."
    return f"{told} {note}" if note else told


def _moment(firing: Firing) -> str:
    return format_timestamp(firing.timestamp_microseconds).replace(".000000", "")


def _text(number: Decimal) -> str:
    return f"{number:f}"
