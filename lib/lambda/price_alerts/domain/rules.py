"""Rules: what somebody wants to hear about, and what has come of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from string import Formatter

from price_alerts.domain.conditions import Condition, RuleError, Terms
from price_alerts.domain.progress import NO_TRAIL, NOTHING_YET, Progress, Status
from price_alerts.domain.ticks import InvalidMessage, Position, check_symbol

PLACEHOLDERS = ("symbol", "price", "previous_price", "condition", "level", "timestamp", "note")

HIGH_PRICE_RULE_ID = "high-price-threshold"  # the stack's own; nobody else's rule may have it

_RULE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_CHARACTERS = {"owner": 64, "note": 256, "message": 512}


class Trigger(StrEnum):
    """How often a rule fires."""

    ONCE = "once"
    EVERY = "every"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What somebody wants to hear about a symbol, and what has come of it.

    Attributes
    ----------
    rule_id
        1 to 64 characters of ``A-Z a-z 0-9 . _ -``, no other rule's.
    symbol
        As in a tick.
    terms
        What must happen to the price.
    trigger
        Whether it fires once, or every time.
    cooldown_seconds
        For how long after a firing there is no second one, by the ticks' own times.
    expires_at_microseconds
        From when on it fires no more; ``None`` for never.
    owner, note
        Whose it is and what for; passed on with each firing.
    message
        A template for the announcement's text; empty for the usual sentence.
    since
        The symbol's last tick when the rule was added or resumed, which it took no part in;
        ``None`` if there was none.
    revision
        The version of the symbol's state that changed the rule last.
    progress
        The part of it that ticks change.

    Raises
    ------
    RuleError
        If the parts do not go together.
    """

    rule_id: str
    symbol: str
    terms: Terms
    trigger: Trigger = Trigger.ONCE
    cooldown_seconds: int = 0
    expires_at_microseconds: int | None = None
    owner: str = ""
    note: str = ""
    message: str = ""
    since: Position | None = None
    revision: int = 0
    progress: Progress = NOTHING_YET

    def __post_init__(self) -> None:
        """Refuse what cannot be kept or announced."""
        check_rule_id(self.rule_id)
        try:
            check_symbol(self.symbol)
        except InvalidMessage as reason:
            raise RuleError(str(reason)) from None
        if self.trigger is Trigger.ONCE and (self.terms.rearm or self.cooldown_seconds):
            raise RuleError("cooldown and rearm need the trigger every: once fires only once")
        for name, longest in _MAX_CHARACTERS.items():
            text = getattr(self, name)
            if len(text) > longest or not text.isprintable():
                raise RuleError(f"{name} takes up to {longest} printable characters on one line")
        _check_template(self.message)

    def takes_part_at(self, position: Position) -> bool:
        """Return whether a tick comes after the rule was added or resumed."""
        return self.since is None or position > self.since

    def may_fire_at(self, timestamp_microseconds: int) -> bool:
        """Tell whether a tick of this time comes before the expiry and after the cooldown."""
        expires_at = self.expires_at_microseconds
        if expires_at is not None and timestamp_microseconds >= expires_at:
            return False
        last = self.progress.last_fired_at_microseconds
        return last is None or timestamp_microseconds - last >= self.cooldown_seconds * 1_000_000


def check_rule_id(rule_id: str) -> None:
    """Raise a `RuleError` if this is no id of a rule."""
    if not _RULE_ID.fullmatch(rule_id):
        raise RuleError("an id is 1 to 64 characters of A-Z a-z 0-9 . _ -")


def high_price_rule(threshold: Decimal) -> Rule:
    """Build the stack's own rule, which applies to every symbol and fires every time."""
    return Rule(
        rule_id=HIGH_PRICE_RULE_ID,
        symbol="ANY",
        terms=Terms(Condition.ABOVE, (threshold,)),
        trigger=Trigger.EVERY,
        owner="stack",
    )


def _check_template(template: str) -> None:
    try:
        fields = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError:
        fields = [("", "", None)]
    if any(
        name not in PLACEHOLDERS or form or conversion is not None
        for name, form, conversion in fields
    ):
        raise RuleError(f"message takes the placeholders {{{'} {'.join(PLACEHOLDERS)}}}")


def paused(rule: Rule) -> Rule:
    """Return the rule as it is when it is paused: out of the index, else unchanged.

    Raises
    ------
    RuleError
        If it is not active.
    """
    if rule.progress.status is not Status.ACTIVE:
        raise RuleError(f"{rule.rule_id} is {rule.progress.status}, and only an active rule pauses")
    return replace(rule, progress=replace(rule.progress, status=Status.PAUSED))


def resumed(rule: Rule) -> Rule:
    """Return the rule as it is when it is resumed: like one newly added, but for its cooldown.

    Raises
    ------
    RuleError
        If it is active already.
    """
    if rule.progress.status is Status.ACTIVE:
        raise RuleError(f"{rule.rule_id} is active already")
    progress = replace(rule.progress, status=Status.ACTIVE, disarmed=None, trail=NO_TRAIL)
    return replace(rule, progress=progress)
