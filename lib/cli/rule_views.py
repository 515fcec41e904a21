"""How rules are shown: in a table, one by one, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.text import Text

from lib.cli.output import Cell, write_facts, write_json, write_line, write_table
from lib.client.session import now_microseconds
from lib.formats.quantities import ago, shown_moment
from lib.formats.words import (
    KEYS,
    SetAside,
    ShownStatus,
    condition_in_words,
    rule_in_words,
    status_of,
    trigger_in_words,
    words_of,
)
from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.ticks import format_moment

_STYLES = {
    ShownStatus.ACTIVE: "green",
    ShownStatus.PAUSED: "yellow",
    ShownStatus.TRIGGERED: "cyan",
    ShownStatus.EXPIRED: "dim",
    ShownStatus.SET_ASIDE: "red",
}


_PROGRESS_KEYS = ("status", "armed", "last_fired_at", "last_firing_id", "unreadable")
DOCUMENT_KEYS = (*KEYS, *_PROGRESS_KEYS)


def rule_document(rule: Rule | SetAside, now_microseconds: int) -> dict[str, Any]:
    """Return a rule for JSON: all keys of a rules file, and its status.

    ``unreadable`` is why a rule is set aside; what is unknown is ``None``.
    """
    unknown: dict[str, Any] = dict.fromkeys(DOCUMENT_KEYS)
    keys = unknown | {"id": rule.rule_id, "symbol": rule.symbol}
    status = str(status_of(rule, now_microseconds))
    if isinstance(rule, SetAside):
        return {**keys, "status": status, "unreadable": rule.reason}
    last = rule.progress.last_fired_at_microseconds
    return {
        **keys,
        **asdict(words_of(rule)),
        "trigger": str(rule.trigger),
        "status": status,
        "armed": rule.progress.disarmed is None,
        "last_fired_at": None if last is None else format_moment(last),
        "last_firing_id": rule.progress.last_firing_id,
        "unreadable": None,
    }


def write_rules(
    rules: Iterable[Rule | SetAside],
    last_prices: Mapping[str, Decimal],
    now_microseconds: int,
    *,
    is_utc: bool = False,
) -> None:
    """Print rules as a table; empty columns are left out.

    ``is_utc``: whether times are shown as they are, in UTC, and not as how long ago they were.
    """
    names = ["id", "symbol", "condition", "last price", "trigger", "status", "last fired", "owner"]
    rows = [
        _row(rule, last_prices.get(rule.symbol), now_microseconds, is_utc=is_utc) for rule in rules
    ]
    used = [place for place in range(len(names)) if any(str(row[place]) for row in rows)]
    write_table(
        [names[place] for place in used],
        [[row[place] for place in used] for row in rows],
        texts=["condition", "last price", "trigger", "owner"],
    )


def write_rule(rule: Rule | SetAside, now_microseconds: int, *, is_utc: bool = False) -> None:
    """Print everything about a rule; ``is_utc`` is as in `write_rules`."""
    status = _status(rule, now_microseconds)
    facts: dict[str, Cell] = {"id": rule.rule_id, "symbol": rule.symbol}
    if isinstance(rule, SetAside):
        write_facts(facts | {"status": status, "reason": rule.reason})
        return
    words, expires_at = words_of(rule), rule.expires_at_microseconds
    last = rule.progress.last_fired_at_microseconds
    fired = _fired(rule, now_microseconds, is_utc=is_utc)
    if last is not None and not is_utc:
        fired = f"{shown_moment(last, is_utc=False)}, {fired}"
    side = rule.progress.disarmed
    back = "and the price has not moved back far enough"
    facts |= {
        "condition": condition_in_words(rule.terms),
        "trigger": str(rule.trigger),
        "cooldown": words.cooldown or "none",
        "rearm": words.rearm or "none",
        "expires": "never" if expires_at is None else shown_moment(expires_at, is_utc=is_utc),
        "owner": rule.owner,
        "note": rule.note,
        "message": rule.message or "default",
        "status": status,
        "armed": f"no: it fired on the {side} side, {back}" if side else "yes",
        "last fired": fired,
        "last firing": rule.progress.last_firing_id or "none",
    }
    write_facts(facts)


def write_changed(done: str, rule: Rule | SetAside, *, as_json: bool = False) -> None:
    """Print what was done to a rule."""
    if as_json:
        write_json(rule_document(rule, now_microseconds()))
    else:
        write_line(f"{done} {rule.rule_id}: {rule_in_words(rule)}")


def _row(
    rule: Rule | SetAside, last_price: Decimal | None, now_microseconds: int, *, is_utc: bool
) -> list[Cell]:
    key = [rule.rule_id, rule.symbol]
    status = _status(rule, now_microseconds)
    if isinstance(rule, SetAside):
        return [*key, rule.reason, "", "", status, "", ""]
    return [
        *key,
        condition_in_words(rule.terms),
        "" if last_price is None else price_in_words(rule, last_price),
        trigger_in_words(rule),
        status,
        _fired(rule, now_microseconds, is_utc=is_utc),
        rule.owner,
    ]


def price_in_words(rule: Rule, last_price: Decimal) -> str:
    """Return the last price, and for an active rule how far its next level is, in percent of it."""
    price = f"{last_price:f}"
    if rule.terms.is_move or last_price <= 0 or rule.progress.status is not Status.ACTIVE:
        return price
    away = min(abs(level - last_price) for level in rule.terms.levels) / last_price
    return f"{price} · {away:.1%} away"


def _status(rule: Rule | SetAside, now_microseconds: int) -> Cell:
    status = status_of(rule, now_microseconds)
    return Text(str(status), _STYLES[status])


def _fired(rule: Rule, now_microseconds: int, *, is_utc: bool) -> str:
    last = rule.progress.last_fired_at_microseconds
    if last is None:
        return "never"
    return format_moment(last) if is_utc else ago(last, now_microseconds)
