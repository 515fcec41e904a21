"""Notices: a firing in words. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from price_alerts.domain.conditions import Condition
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import format_moment

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


class Notice(NamedTuple):
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


def _filled(template: str, firing: Firing, note: str) -> str:
    previous = firing.previous_price
    return template.format(
        symbol=firing.symbol,
        price=_text(firing.price),
        previous_price="" if previous is None else _text(previous),
        condition=firing.terms.condition.phrase,
        level=" to ".join(firing.terms.levels_in_words),
        timestamp=format_moment(firing.timestamp_microseconds),
        note=note,
    )


def _sentence(firing: Firing, note: str) -> str:
    terms, moment = firing.terms, format_moment(firing.timestamp_microseconds)
    what = _VERBS[terms.condition].format(" to ".join(terms.levels_in_words), terms.window)
    before = "" if firing.previous_price is None else f", {_text(firing.previous_price)} before"
    told = f"{firing.symbol} {what}: {_text(firing.price)} at {moment}{before}."
    return f"{told} {note}" if note else told


def _text(number: Decimal) -> str:
    return f"{number:f}"
