"""A rule book: one symbol's rules in memory, with the same index as in the table."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import replace

from price_alerts.rules import Rule, Status, paused, resumed
from price_alerts.state import Outbox, State
from price_alerts.watches import Watch, level_key

__all__ = ["RuleBook"]


class RuleBook:
    """The `Index` of a symbol whose rules are not in a table.

    A change of its rules must be told to the symbol's state, with `changed`.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._new: dict[str, None] = {}
        self._lines: dict[str, list[Watch]] = {}

    def add(self, rule: Rule) -> None:
        """Add an active rule whose id is not in the book."""
        self._rules[rule.rule_id] = rule
        line = self._lines.setdefault(rule.terms.metric, [])
        for watch in _watches(rule):
            insort(line, watch, key=_key_of)
        if rule.terms.is_state:
            self._new[rule.rule_id] = None

    def pause(self, rule_id: str) -> None:
        """Take an active rule out of the index."""
        rule = paused(self._rules[rule_id])
        self._leave(rule)
        self._rules[rule_id] = rule

    def resume(self, rule_id: str) -> None:
        """Bring a rule that is not active back, like one newly added."""
        self.add(resumed(self._rules[rule_id]))

    def remove(self, rule_id: str) -> None:
        """Forget a rule."""
        self._leave(self._rules.pop(rule_id))

    def changed(self, state: State) -> State:
        """Return the state that the symbol is in after its rules have changed."""
        asked = {
            rule.terms.extremes: ()
            for rule in self._rules.values()
            if rule.terms.is_move and rule.progress.status is Status.ACTIVE
        }
        windows = asked | dict(state.windows)
        return replace(state, version=state.version + 1, bands=None, windows=windows, past=None)

    def deliver(self, outbox: Outbox) -> None:
        """Do to the rules what an outbox holds for them."""
        for rule_id, progress in outbox.changes.items():
            rule = replace(self._rules[rule_id], progress=progress)
            self._rules[rule_id] = rule
            if progress.status is Status.TRIGGERED:
                self._leave(rule)
        for rule_id in outbox.checked_rule_ids:
            self._new.pop(rule_id, None)

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        """Read up to so many watches behind a key, going up or down; fewer mean the line's end."""
        watches = self._lines.get(line, [])
        if upward:
            first = bisect_right(watches, start, key=_key_of)
            return watches[first : first + limit]
        end = bisect_left(watches, start, key=_key_of)
        return watches[max(0, end - limit) : end][::-1]

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        """Read up to so many ids of rules that have seen no tick yet."""
        return list(self._new)[:limit]

    def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
        """Read rules by their ids; those that are gone are left out."""
        return {rule_id: self._rules[rule_id] for rule_id in rule_ids if rule_id in self._rules}

    def _leave(self, rule: Rule) -> None:
        line = self._lines[rule.terms.metric]
        for watch in _watches(rule):
            place = bisect_left(line, watch.key, key=_key_of)
            if line[place : place + 1] == [watch]:  # a rule that is not active has none
                del line[place]
        self._new.pop(rule.rule_id, None)


def _watches(rule: Rule) -> list[Watch]:
    return [
        Watch(f"{level_key(level)}#{rule.rule_id}", rule.rule_id, rule.terms)
        for level in rule.terms.watched_levels
    ]


def _key_of(watch: Watch) -> str:
    return watch.key
