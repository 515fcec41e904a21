"""Rules of every kind, for the tests of what writes them and reads them again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from price_alerts.rules import PLACEHOLDERS, Rule, Trigger
from price_alerts.terms import WINDOWS_SECONDS, Condition, Distance, RuleError, Terms

__all__ = ["rules"]

LAST = 253_402_300_799_999_999  # of the year 9999
CHANNELS = (Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE)

_numbers = st.decimals("0.000000000000000001", "999999999999999999", places=18) | st.integers(
    1, 10_000
).map(Decimal)
_texts = st.text(max_size=64).filter(str.isprintable)
_templates = st.lists(
    _texts.map(lambda text: text.replace("{", "{{").replace("}", "}}"))
    | st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS]),
    max_size=5,
).map("".join)


@st.composite
def _terms(draw: st.DrawFn) -> Terms:
    condition = draw(st.sampled_from(Condition))
    is_move = condition in (Condition.RISES, Condition.FALLS)
    is_percent = is_move and draw(st.booleans())
    count = 2 if condition in CHANNELS else 1
    levels = sorted(draw(st.lists(_numbers, min_size=count, max_size=count, unique=True)))
    if is_percent:
        levels = [draw(st.decimals("0.01", "99.99", places=2))]
    terms = Terms(
        condition,
        tuple(levels),
        is_percent,
        draw(st.sampled_from([*WINDOWS_SECONDS])) if is_move else None,
    )
    rearm = draw(st.none() | st.builds(Distance, _numbers, st.booleans()))
    try:
        return Terms(condition, tuple(levels), is_percent, terms.window, rearm)
    except RuleError:  # most of them do not go together with the levels
        return terms


@st.composite
def rules(draw: st.DrawFn, *, earliest_expiry: int = 0) -> Rule:
    """Draw a rule of which nothing has come yet."""
    terms = draw(_terms())
    is_every = terms.rearm is not None or draw(st.booleans())
    options: dict[str, Any] = {}
    if is_every:
        options = {
            "trigger": Trigger.EVERY,
            "cooldown_seconds": draw(st.integers(0, 999_999_999)),
        }
    return Rule(
        rule_id=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)),
        symbol=draw(st.from_regex(r"[A-Z0-9._/:=^-]{1,32}", fullmatch=True)),
        terms=terms,
        expires_at_microseconds=draw(st.none() | st.integers(earliest_expiry, LAST)),
        owner=draw(_texts),
        note=draw(_texts),
        message=draw(_templates),
        **options,
    )
