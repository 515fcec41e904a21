"""A rule in the words of the command line and of a rules file, and back, exactly."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from lib.formats.quantities import distance_of, duration_of, moment_of, seconds_of
from price_alerts.adapters.items import Item, UnreadableItem, rule_of, symbol_in
from price_alerts.domain.conditions import Condition, RuleError, Terms
from price_alerts.domain.rules import HIGH_PRICE_RULE_ID, Rule, Trigger
from price_alerts.domain.ticks import InvalidMessage, format_moment, parse_symbol

_CONDITIONS = {condition.word: condition for condition in Condition}
_ID_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # without 0, 1, i, l, o
_ID_CHARACTERS, _MAX_NAME_CHARACTERS = 6, 57


class ShownStatus(StrEnum):
    """The status of a rule as it is shown: it may have expired, or be unreadable."""

    ACTIVE = "active"
    PAUSED = "paused"
    TRIGGERED = "triggered"
    EXPIRED = "expired"
    SET_ASIDE = "set aside"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A rule that cannot be read, and is skipped: its key, and the reason."""

    rule_id: str
    symbol: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWords:
    """A rule as it is typed; the fields are the keys of a rules file.

    Attributes
    ----------
    id
        ``None`` for a new one.
    symbol, condition, levels
        Such as ``AAPL``, ``crosses-up`` and ``["200"]``, or ``["5%"]``.
    within, trigger, cooldown, rearm, expires
        Such as ``1h``, ``every``, ``15m``, ``0.5%`` and ``30d``; ``None`` for the default.
    """

    id: str | None = None
    symbol: str
    condition: str
    levels: Sequence[str]
    within: str | None = None
    trigger: str | None = None
    cooldown: str | None = None
    rearm: str | None = None
    expires: str | None = None
    owner: str = ""
    note: str = ""
    message: str = ""

    def entry(self) -> dict[str, Any]:
        """Return what differs from the defaults, by the keys of a rules file."""
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}


KEYS = [field.name for field in fields(RuleWords)]


def rule_from_words(
    words: RuleWords, now_microseconds: int, *, may_have_expired: bool = False
) -> Rule:
    """Read a rule.

    Raises
    ------
    RuleError
        At the first fault; one line that says what would be right.
    """
    condition = _condition_of(words.condition)
    levels = [distance_of(level) for level in words.levels]
    terms = Terms(
        condition=condition,
        levels=tuple(level.value for level in levels),
        is_percent=any(level.is_percent for level in levels),
        window=words.within,
        rearm=None if words.rearm is None else distance_of(words.rearm),
    )
    symbol = symbol_of(words.symbol)
    if words.id == HIGH_PRICE_RULE_ID:
        raise RuleError(f"{words.id} is the id of the stack's own rule: choose another")
    expires_at = None
    if words.expires is not None:
        expires_at = moment_of(words.expires, now_microseconds)
        if expires_at <= now_microseconds and not may_have_expired:
            raise RuleError(f"expires {words.expires} is in the past: write a later time, say 30d")
    return Rule(
        rule_id=_new_id(symbol) if words.id is None else words.id,
        symbol=symbol,
        terms=terms,
        trigger=_trigger_of(words.trigger),
        cooldown_seconds=0 if words.cooldown is None else seconds_of(words.cooldown),
        expires_at_microseconds=expires_at,
        owner=words.owner,
        note=words.note,
        message=words.message,
    )


def words_of(rule: Rule) -> RuleWords:
    """Return a rule so that `rule_from_words` reads the same one, without its progress."""
    terms, expires_at = rule.terms, rule.expires_at_microseconds
    return RuleWords(
        id=rule.rule_id,
        symbol=rule.symbol,
        condition=terms.condition.word,
        levels=terms.levels_in_words,
        within=terms.window,
        trigger=None if rule.trigger is Trigger.ONCE else str(rule.trigger),
        cooldown=duration_of(rule.cooldown_seconds) if rule.cooldown_seconds else None,
        rearm=None if terms.rearm is None else str(terms.rearm),
        expires=None if expires_at is None else format_moment(expires_at),
        owner=rule.owner,
        note=rule.note,
        message=rule.message,
    )


def rule_in(item: Item) -> Rule | SetAside:
    """Return the rule of an item, or why it cannot be read."""
    try:
        return rule_of(item)
    except UnreadableItem as reason:
        rule_id = item["sk"].partition("#")[2]
        return SetAside(rule_id, symbol_in(item["pk"]), str(reason))


def symbol_of(word: str) -> str:
    """Read a symbol, in capital letters; raises RuleError if it is none."""
    try:
        return parse_symbol(word)
    except InvalidMessage as reason:
        raise RuleError(f"{word!r}: {reason}") from None


def condition_in_words(terms: Terms) -> str:
    """Return ``crosses-up 200``, or ``falls 5% within 1h``."""
    window = f" within {terms.window}" if terms.window else ""
    return " ".join([terms.condition.word, *terms.levels_in_words]) + window


def trigger_in_words(rule: Rule) -> str:
    """Return ``once``, or ``every, cooldown 15m, rearm 0.5%``."""
    words = words_of(rule)
    cooldown = f", cooldown {words.cooldown}" if words.cooldown else ""
    rearm = f", rearm {words.rearm}" if words.rearm else ""
    return f"{rule.trigger}{cooldown}{rearm}"


def rule_in_words(rule: Rule | SetAside) -> str:
    """Return a rule like ``AAPL crosses-up 200, once, until 2027-01-31T00:00:00Z``."""
    if isinstance(rule, SetAside):
        return f"{rule.symbol}, set aside: {rule.reason}"
    expires_at = rule.expires_at_microseconds
    until = "" if expires_at is None else f", until {format_moment(expires_at)}"
    return f"{rule.symbol} {condition_in_words(rule.terms)}, {trigger_in_words(rule)}{until}"


def status_of(rule: Rule | SetAside, now_microseconds: int) -> ShownStatus:
    """Return a rule's status: past its ``expires`` it is expired, whatever else it is."""
    if isinstance(rule, SetAside):
        return ShownStatus.SET_ASIDE
    expires_at = rule.expires_at_microseconds
    if expires_at is not None and expires_at <= now_microseconds:
        return ShownStatus.EXPIRED
    return ShownStatus(rule.progress.status)


def _new_id(symbol: str) -> str:
    """Return a random id that is easy to read and type, such as ``aapl-7f3k2q``."""
    name = re.sub(r"[^a-z0-9._-]+", "-", symbol.lower())[:_MAX_NAME_CHARACTERS].strip("._-")
    chance = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))
    return "-".join(filter(None, [name, chance]))


def _condition_of(word: str) -> Condition:
    condition = _CONDITIONS.get(word)
    if condition is None:
        near = get_close_matches(word, _CONDITIONS, n=1) or [", ".join(_CONDITIONS)]
        raise RuleError(f"there is no condition {word!r}: write {near[0]}")
    return condition


def _trigger_of(word: str | None) -> Trigger:
    try:
        return Trigger.ONCE if word is None else Trigger(word)
    except ValueError:
        raise RuleError(f"{word!r} is not a trigger: write once or every") from None
