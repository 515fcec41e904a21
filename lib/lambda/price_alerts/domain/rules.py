"""Rules: when to publish an alert, and the progress of each. Pure."""

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

HIGH_PRICE_RULE_ID = "high-price-threshold"  # reserved for the stack's own rule

_RULE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_CHARACTERS = {"owner": 64, "note": 256, "message": 512}


class Trigger(StrEnum):
    """How often a rule fires."""

    ONCE = "once"
    EVERY = "every"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alert rule of a symbol; raises `RuleError` if the parts do not fit together.

    Attributes
    ----------
    cooldown_seconds
        How long after a firing there is no other, by the ticks' own times.
    expires_at_microseconds
        When it stops firing; ``None`` for never.
    owner, note
        Included in each alert.
    message
        A template for the alert's text; empty for the usual sentence.
    since
        The symbol's last tick when the rule was added or resumed: the rule applies from the next
        one on.
    revision
        The version of the symbol's state that changed the rule last.
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
        """Reject what cannot be stored or published."""
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
        """Return whether this time is before the expiry and after the cooldown."""
        expires_at = self.expires_at_microseconds
        if expires_at is not None and timestamp_microseconds >= expires_at:
            return False
        last = self.progress.last_fired_at_microseconds
        return last is None or timestamp_microseconds - last >= self.cooldown_seconds * 1_000_000


def check_rule_id(rule_id: str) -> None:
    """Raise a `RuleError` if this is not the id of a rule."""
    if not _RULE_ID.fullmatch(rule_id):
        raise RuleError("an id is 1 to 64 characters of A-Z a-z 0-9 . _ -")


def high_price_rule(threshold: Decimal) -> Rule:
    """Return the stack's own rule, which applies to every symbol and fires every time."""
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
        is_valid = all(field in [(name, "", None) for name in PLACEHOLDERS] for field in fields)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise RuleError(f"message takes the placeholders {{{'} {'.join(PLACEHOLDERS)}}}")


def paused(rule: Rule) -> Rule:
    """Return the rule, paused; raises a `RuleError` if it is not active."""
    if rule.progress.status is not Status.ACTIVE:
        raise RuleError(f"{rule.rule_id} is {rule.progress.status}, and only an active rule pauses")
    return replace(rule, progress=replace(rule.progress, status=Status.PAUSED))


def resumed(rule: Rule) -> Rule:
    """Return the rule, like one newly added, with its cooldown still running.

    Raises a `RuleError` if it is active already.
    """
    if rule.progress.status is Status.ACTIVE:
        raise RuleError(f"{rule.rule_id} is active already")
    return _started_over(rule, Status.ACTIVE)


def edited(rule: Rule, wanted: Rule) -> Rule:
    """Return the rule as it is wanted, of the same id and symbol.

    With another condition or trigger it starts over, like one resumed, unless it is paused. With
    other texts or another expiry it goes on as it is.
    """
    after = replace(wanted, since=rule.since, revision=rule.revision, progress=rule.progress)
    if not starts_over(rule, after):
        return after
    is_paused = rule.progress.status is Status.PAUSED
    return _started_over(after, Status.PAUSED if is_paused else Status.ACTIVE)


def starts_over(rule: Rule, after: Rule) -> bool:
    """Return whether an edited rule triggers differently."""
    return any(
        getattr(rule, name) != getattr(after, name)
        for name in ("terms", "trigger", "cooldown_seconds")
    )


def _started_over(rule: Rule, status: Status) -> Rule:
    progress = replace(rule.progress, status=status, disarmed=None, trail=NO_TRAIL)
    return replace(rule, progress=progress)
