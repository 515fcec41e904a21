"""How rules are shown: in a table, one by one, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.text import Text

from lib.cli.output import Cell, write_facts, write_table
from lib.formats.words import (
    KEYS,
    SetAside,
    ShownStatus,
    condition_in_words,
    status_of,
    trigger_in_words,
    words_of,
)
from price_alerts.domain.rules import Rule
from price_alerts.domain.ticks import format_moment

_STYLES = {
    ShownStatus.ACTIVE: "green",
    ShownStatus.PAUSED: "yellow",
    ShownStatus.TRIGGERED: "cyan",
    ShownStatus.EXPIRED: "dim",
    ShownStatus.SET_ASIDE: "red",
}


def rule_document(rule: Rule | SetAside, now_microseconds: int) -> dict[str, Any]:
    """Return a rule for JSON: all keys of a rules file, and its status.

    ``unreadable`` is why a rule is set aside; what is unknown is ``None``.
    """
    document: dict[str, Any] = {
        **dict.fromkeys(KEYS),
        "id": rule.rule_id,
        "symbol": rule.symbol,
        "status": str(status_of(rule, now_microseconds)),
        "armed": None,
        "last_fired_at": None,
        "last_firing_id": None,
        "unreadable": None,
    }
    if isinstance(rule, SetAside):
        return document | {"unreadable": rule.reason}
    return document | {
        **asdict(words_of(rule)),
        "trigger": str(rule.trigger),
        "armed": rule.progress.disarmed is None,
        "last_fired_at": _last_fired(rule),
        "last_firing_id": rule.progress.last_firing_id,
    }


def write_rules(rules: Iterable[Rule | SetAside], now_microseconds: int) -> None:
    """Print rules as a table."""
    write_table(
        ["id", "symbol", "condition", "trigger", "status", "last fired", "owner"],
        (_row(rule, now_microseconds) for rule in rules),
        texts=["condition", "trigger", "owner"],
    )


def write_rule(rule: Rule | SetAside, now_microseconds: int) -> None:
    """Print everything about a rule."""
    if isinstance(rule, SetAside):
        write_facts(
            {
                "id": rule.rule_id,
                "symbol": rule.symbol,
                "status": _status(rule, now_microseconds),
                "reason": rule.reason,
            }
        )
        return
    words = words_of(rule)
    side = rule.progress.disarmed
    back = "and the price has not moved back far enough"
    write_facts(
        {
            "id": rule.rule_id,
            "symbol": rule.symbol,
            "condition": condition_in_words(rule.terms),
            "trigger": str(rule.trigger),
            "cooldown": words.cooldown or "none",
            "rearm": words.rearm or "none",
            "expires": words.expires or "never",
            "owner": rule.owner,
            "note": rule.note,
            "message": rule.message or "default",
            "status": _status(rule, now_microseconds),
            "armed": f"no: it fired on the {side} side, {back}" if side else "yes",
            "last fired": _last_fired(rule) or "never",
            "last firing": rule.progress.last_firing_id or "none",
        }
    )


def _row(rule: Rule | SetAside, now_microseconds: int) -> list[Cell]:
    status = _status(rule, now_microseconds)
    if isinstance(rule, SetAside):
        return [rule.rule_id, rule.symbol, rule.reason, "", status, "", ""]
    return [
        rule.rule_id,
        rule.symbol,
        condition_in_words(rule.terms),
        trigger_in_words(rule),
        status,
        _last_fired(rule, to_seconds=True) or "never",
        rule.owner,
    ]


def _status(rule: Rule | SetAside, now_microseconds: int) -> Cell:
    status = status_of(rule, now_microseconds)
    return Text(str(status), _STYLES[status])


def _last_fired(rule: Rule, *, to_seconds: bool = False) -> str | None:
    last = rule.progress.last_fired_at_microseconds
    if last is None:
        return None
    return format_moment(last - last % 1_000_000 if to_seconds else last)
