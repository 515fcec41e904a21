"""Notices: firings in words. Pure."""

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

# A template can repeat its placeholders: ten texts must fit into one request to SNS.
_MAX_TEXT_CHARACTERS = 1_000


class Notice(NamedTuple):
    """A firing with the text of its alert, and its rule's owner and note."""

    firing: Firing
    owner: str
    note: str
    text: str


def notice(firing: Firing, rule: Rule | None) -> Notice:
    """Return the notice of a firing; its rule may have been removed since."""
    if rule is None:
        return Notice(firing, "", "", _sentence(firing, ""))
    # SNS rejects an empty text.
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
    sentence = f"{firing.symbol} {what}: {_text(firing.price)} at {moment}{before}."
    return f"{sentence} {note}" if note else sentence


def _text(number: Decimal) -> str:
    return f"{number:f}"
