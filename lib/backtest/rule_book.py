"""One symbol's rules in memory, with the same index as in the table."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule, paused, resumed
from price_alerts.domain.state import Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import Watch, watches_of


class RuleBook:
    """The `Index` of a symbol whose rules are not in a table.

    After a change of its rules, the symbol's state must be replaced by `changed`.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._new: dict[str, None] = {}
        self._lines: dict[str, list[Watch]] = {}

    def add(self, rule: Rule, since: Position | None = None) -> None:
        """Add an active rule whose id is not in the book, after the symbol's last tick."""
        self._rules[rule.rule_id] = replace(rule, since=since)
        line = self._lines.setdefault(rule.terms.metric, [])
        for watch in watches_of(rule):
            place = bisect_left(line, watch.key, key=_key_of)
            if line[place : place + 1] != [watch]:  # a triggered rule may have left it there
                line.insert(place, watch)
        if rule.terms.is_state:
            self._new[rule.rule_id] = None

    def pause(self, rule_id: str) -> None:
        """Take an active rule out of the index."""
        rule = paused(self._rules[rule_id])
        self._leave(rule)
        self._rules[rule_id] = rule

    def resume(self, rule_id: str, since: Position | None = None) -> None:
        """Resume an inactive rule, like one newly added."""
        self.add(resumed(self._rules[rule_id]), since)

    def remove(self, rule_id: str) -> None:
        """Forget a rule."""
        self._leave(self._rules.pop(rule_id))

    def changed(self, state: State) -> State:
        """Return the symbol's state after a change of its rules."""
        asked = {
            rule.terms.extremes: ()
            for rule in self._rules.values()
            if rule.terms.is_move and rule.progress.status is Status.ACTIVE
        }
        windows = asked | dict(state.windows)
        return replace(state, version=state.version + 1, bands=None, windows=windows)

    def deliver(self, outbox: Outbox) -> None:
        """Apply an outbox to the rules."""
        for rule_id, progress in outbox.changes.items():
            self._rules[rule_id] = replace(self._rules[rule_id], progress=progress)
        for line, key in outbox.spent:
            self._delete(line, key)
        for rule_id in outbox.checked_rule_ids:
            self._new.pop(rule_id, None)

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        """Return up to `limit` watches after `start`; a short result means the end of the line."""
        watches = self._lines.get(line, [])
        if upward:
            first = bisect_right(watches, start, key=_key_of)
            return watches[first : first + limit]
        end = bisect_left(watches, start, key=_key_of)
        return watches[max(0, end - limit) : end][::-1]

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        """Return up to `limit` ids of rules that have seen no tick yet."""
        return list(self._new)[:limit]

    def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
        """Return rules by their ids, without those that are gone."""
        return {rule_id: self._rules[rule_id] for rule_id in rule_ids if rule_id in self._rules}

    def all_rules(self) -> list[Rule]:
        """Return all rules."""
        return list(self._rules.values())

    def _leave(self, rule: Rule) -> None:
        for watch in watches_of(rule):
            self._delete(rule.terms.metric, watch.key)
        self._new.pop(rule.rule_id, None)

    def _delete(self, line: str, key: str) -> None:
        watches = self._lines[line]
        place = bisect_left(watches, key, key=_key_of)
        if place < len(watches) and watches[place].key == key:  # it may be deleted already
            del watches[place]


def _key_of(watch: Watch) -> str:
    return watch.key
