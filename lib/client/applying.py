"""The rules of a file made those of a stack: what differs, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from lib.client.rule_store import RuleStore
from lib.formats.errors import CliError
from lib.formats.quantities import is_duration
from lib.formats.rules_file import Entry
from lib.formats.words import RuleWords, SetAside, ShownStatus, rule_in_words, status_of, words_of
from price_alerts.domain.rules import Rule


@dataclass(frozen=True, slots=True)
class Change:
    """A rule as it is, and as it is to be."""

    before: Rule
    after: Rule

    @property
    def words(self) -> dict[str, tuple[object, object]]:
        """What differs, by the keys of a rules file."""
        before, after = asdict(words_of(self.before)), asdict(words_of(self.after))
        return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


@dataclass(frozen=True, slots=True)
class Difference:
    """What makes a stack's rules those of a file.

    Attributes
    ----------
    unchanged_count
        How many rules of the file are in the stack as they are written.
    """

    added: tuple[Rule, ...]
    changed: tuple[Change, ...]
    removed: tuple[Rule | SetAside, ...]
    unchanged_count: int


def check_ids(entries: Iterable[Entry]) -> None:
    """Reject a file with a rule that has no id; raises CliError."""
    for entry in entries:
        if entry.words.id is None:
            raise CliError(f"{entry.place}: id is missing: without one, no rule can be found again")


def difference(
    entries: Iterable[Entry],
    there: Iterable[Rule | SetAside],
    now_microseconds: int,
    *,
    prunes: bool = False,
) -> Difference:
    """Compare a file with a stack's rules.

    Progress makes no difference. An expiry that is written as a duration counts from when a rule
    is added, so a rule that has an expiry keeps it.

    Parameters
    ----------
    prunes
        Whether rules that are not in the file are removed.

    Raises
    ------
    CliError
        If a rule of the file has the id of a rule that is set aside.
    """
    rules = {rule.rule_id: rule for rule in there}
    added: list[Rule] = []
    changed: list[Change] = []
    unchanged_count = 0
    for entry in entries:
        before = rules.pop(entry.rule.rule_id, None)
        if isinstance(before, SetAside):
            raise CliError(f"{before.rule_id} cannot be read (set aside): remove it first")
        if before is None:
            if status_of(entry.rule, now_microseconds) is not ShownStatus.EXPIRED:
                added.append(entry.rule)
            continue
        change = Change(before, _as_wanted(before, entry.words, entry.rule))
        if change.words:
            changed.append(change)
        else:
            unchanged_count += 1
    removed = tuple(rules.values()) if prunes else ()
    return Difference(tuple(added), tuple(changed), removed, unchanged_count)


def _as_wanted(before: Rule, words: RuleWords, rule: Rule) -> Rule:
    expires_at = before.expires_at_microseconds
    if expires_at is not None and words.expires and is_duration(words.expires):
        return replace(rule, expires_at_microseconds=expires_at)
    return rule


def apply(store: RuleStore, wanted: Difference, on_change: Callable[[int], object]) -> None:
    """Make a stack's rules what they are to be; ``on_change`` gets how many each step changed.

    A rule that gets another symbol is removed, and added as a new one. Raises the errors of
    `RuleStore`; what was done before stays.
    """
    for change in wanted.changed:
        _change(store, change)
        on_change(1)
    store.add_all(wanted.added, lambda chunk: on_change(len(chunk)))
    for rule in wanted.removed:
        store.remove(rule.rule_id)
        on_change(1)


def _change(store: RuleStore, change: Change) -> None:
    rule = change.after
    if change.before.symbol == rule.symbol:
        store.edit(rule.rule_id, lambda _: rule)
    else:
        store.remove(rule.rule_id)
        store.add(rule)


def lines_of(wanted: Difference) -> Iterator[str]:
    """Yield a line for each rule that is to be added (+), changed (~) or removed (-)."""
    yield from (f"+ {rule.rule_id}: {rule_in_words(rule)}" for rule in wanted.added)
    for change in wanted.changed:
        words = [
            f"{key} {_shown(before)} → {_shown(after)}"
            for key, (before, after) in change.words.items()
        ]
        yield f"~ {change.after.rule_id}: {', '.join(words)}"
    yield from (f"- {rule.rule_id}: {rule_in_words(rule)}" for rule in wanted.removed)


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(value)
    return str(value) if value else "none"
