"""The rule store: rules in the table, changed in transactions that keep their index whole."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from lib.client.listing import listed_keys
from lib.client.rule_actions import MAX_ACTIONS_PER_RULE, Action, RuleActions
from lib.client.session import now_microseconds
from lib.formats.errors import CliError
from lib.formats.words import SetAside, rule_in
from price_alerts.adapters.items import (
    Item,
    UnreadableItem,
    claim_key,
    former_rule_key,
    line_key,
    rule_keys,
    rule_partitions,
    symbol_in,
)
from price_alerts.adapters.store import (
    MAX_ACTIONS_PER_TRANSACTION,
    PASSING_REASONS,
    Store,
    cancellation_reasons,
    new_nonce,
)
from price_alerts.adapters.symbol_index import read_all
from price_alerts.domain.portions import portions
from price_alerts.domain.progress import NOTHING_YET, Status
from price_alerts.domain.rules import Rule, paused, resumed
from price_alerts.domain.state import State
from price_alerts.domain.windows import EXTREMES, lines_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

# Waits of some twenty seconds in all for firings to be delivered: an invocation that was killed
# holds them for that long.
_CEILINGS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, *(1.6,) * 20)
# A symbol with prices moves on between two requests, but not each time.
_MAX_ATTEMPTS = 200
# Long enough for a price that waits for a change of rules to get its turn.
_TURN_SECONDS = (0.02, 0.04)
_MAX_RULES_PER_TRANSACTION = (MAX_ACTIONS_PER_TRANSACTION - 1) // MAX_ACTIONS_PER_RULE
# All lines on which a rule can have watches.
_LINES = lines_of(dict.fromkeys(EXTREMES, ()))


class RuleStore:
    """The rules of a stack.

    A rule, its watches and its entry among the new rules are written or deleted together, and
    the symbol's state is changed in the same transaction: its version goes up, so that no firing
    that was decided before can pass unseen, and its quiet bands are forgotten. A change waits
    while what the very rule has come to is delivered, or a tick is half done.

    Parameters
    ----------
    table
        The table. Not to be shared between threads.
    sleep
        Waits for so many seconds; other people's changes raise no event to wait for.
    clock
        Tells the present in microseconds since 1970.
    """

    def __init__(
        self,
        table: Table,
        sleep: Callable[[float], object],
        clock: Callable[[], int] = now_microseconds,
    ) -> None:
        self._table = table
        self._actions = RuleActions(table.name)
        self._states = Store(table)
        self._sleep = sleep
        self._clock = clock

    def add(self, rule: Rule) -> None:
        """Add a rule, which is watched from its symbol's next tick on.

        Raises
        ------
        CliError
            If there is a rule of that id, or firings of one that had it stay undelivered.
        """
        self._add([rule])

    def add_all(
        self, rules: Iterable[Rule], on_progress: Callable[[Sequence[Rule]], object]
    ) -> None:
        """Add many rules, several of a symbol at once, which leaves its ticks more of the time.

        Parameters
        ----------
        rules
            Rules of different ids.
        on_progress
            Called with those that were added, time and again.

        Raises
        ------
        CliError
            As in `add`.
        """
        rules_of: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            rules_of[rule.symbol].append(rule)
        for its_rules in rules_of.values():
            state: State | None = None
            for portion in portions(its_rules, _MAX_RULES_PER_TRANSACTION):
                before, state = state, self._add(portion)
                on_progress(portion)
                if before and state.version > before.version + 1:
                    self._sleep(random.uniform(*_TURN_SECONDS))  # noqa: S311  # no secret

    def missing(self, rules: Sequence[Rule]) -> list[Rule]:
        """Tell which rules are not there yet.

        One is there whatever has come of it, and whenever it expires: ``30d`` is another moment
        each time that it is read.

        Raises
        ------
        CliError
            If the id of one is another rule's, or that of a rule that is set aside.
        """
        keys = (key for rule in rules for key in rule_keys(rule.symbol, rule.rule_id))
        found = (_readable(item) for item in self._read(keys))
        there = {rule.rule_id: _bare(rule) for rule in found}
        missing = [rule for rule in rules if there.get(rule.rule_id) != _bare(rule)]
        self._refuse_taken(missing)
        return missing

    def pause(self, rule_id: str) -> Rule:
        """Take an active rule out of the index; returns it as it is now.

        Raises
        ------
        CliError
            If there is no such rule, it is set aside, or its firings stay undelivered.
        RuleError
            If it is not active.
        """
        return self._change(rule_id, paused, self._actions.pausing)

    def resume(self, rule_id: str) -> Rule:
        """Bring a paused or triggered rule back, like one newly added; returns it as it is now.

        Raises
        ------
        CliError
            As in `pause`.
        RuleError
            If it is active.
        """
        return self._change(rule_id, resumed, self._actions.resuming)

    def remove(self, rule_id: str) -> Rule | SetAside:
        """Delete a rule; returns it as it was.

        Once this has returned, the rule fires no more.

        Raises
        ------
        CliError
            If there is no such rule, or its firings stay undelivered.
        """
        for _ in range(_MAX_ATTEMPTS):
            removed = self._removed(self._item_of(rule_id))
            if removed:
                return removed
        raise _too_much(rule_id)

    def find(self, rule_id: str) -> Rule:
        """Find a rule by its id alone.

        Raises
        ------
        CliError
            If there is none, or it is set aside.
        """
        return _readable(self._item_of(rule_id))

    def look_up(self, rule_id: str) -> Rule | SetAside:
        """Find a rule by its id alone, even one that is set aside.

        Raises
        ------
        CliError
            If there is none.
        """
        return rule_in(self._item_of(rule_id))

    def rules(self, symbol: str | None = None) -> Iterator[Rule | SetAside]:
        """Read the rules of a symbol, or of all, in the order of their symbols and ids.

        The rules of all symbols are found in the index ``by_rule``, which follows the table by a
        second at most.
        """
        items = self._all_items() if symbol is None else self._items_of(symbol)
        rules = [rule_in(item) for item in self._kept(items)]
        yield from sorted(rules, key=lambda rule: (rule.symbol, rule.rule_id))

    def _all_items(self) -> list[dict[str, Any]]:
        keys = (key for key in listed_keys(self._table) if key["sk"].startswith("RULE#"))
        return read_all(self._table, keys)

    def _items_of(self, symbol: str) -> Iterator[Item]:
        client: Any = self._table.meta.client  # a resource's takes such conditions
        for partition in rule_partitions(symbol):
            condition = Key("pk").eq(partition) & Key("sk").begins_with("RULE#")
            for page in client.get_paginator("query").paginate(
                TableName=self._table.name, KeyConditionExpression=condition
            ):
                yield from page["Items"]

    def _add(self, rules: Sequence[Rule]) -> State:
        """Add rules of one symbol, all or none; returns the state before it."""

        def actions(state: State) -> list[Action]:
            now_seconds = self._clock() // 1_000_000
            return [
                action
                for rule in rules
                for action in self._actions.adding(_taking_effect(rule, state), now_seconds)
            ]

        symbol, rule_ids = rules[0].symbol, {rule.rule_id for rule in rules}
        # Nobody writes a rule there any more, and some have no claim: the transaction looks at
        # today's keys alone.
        self._refuse(former_rule_key(symbol, rule_id) for rule_id in rule_ids)
        while not (state := self._transact(symbol, rule_ids, actions, rules)):
            self._refuse_taken(rules)
            # The one that was in the way has been removed since.
        return state

    def _change(
        self,
        rule_id: str,
        change: Callable[[Rule], Rule],
        changing: Callable[[Item, Rule], list[Action]],
    ) -> Rule:
        """Change a rule, together with its entries in the index."""
        for _ in range(_MAX_ATTEMPTS):
            changed = self._changed(self._item_of(rule_id), change, changing)
            if changed:
                return changed
        raise _too_much(rule_id)

    def _changed(
        self,
        item: Item,
        change: Callable[[Rule], Rule],
        changing: Callable[[Item, Rule], list[Action]],
    ) -> Rule | None:
        """Change a rule; ``None`` if its item is not as it was read."""
        after = change(_readable(item))

        def actions(state: State) -> list[Action]:
            return changing(item, _taking_effect(after, state))

        active = [after] if after.progress.status is Status.ACTIVE else []
        state = self._transact(after.symbol, {after.rule_id}, actions, active)
        return _taking_effect(after, state) if state else None

    def _removed(self, item: Item) -> Rule | SetAside | None:
        """Delete a rule; ``None`` if its item is not as it was read."""
        rule = rule_in(item)
        if isinstance(rule, SetAside):
            self._delete_watches(rule)  # first: without the rule, nobody would look for them
        actions = self._actions.removing(item, rule)
        state = self._transact(rule.symbol, {rule.rule_id}, lambda _state: actions)
        return rule if state else None

    def _delete_watches(self, rule: SetAside) -> None:
        """Delete all watches of a rule, wherever they are; each has the rule's id in its key."""
        paginator: Any = self._table.meta.client.get_paginator("query")
        with self._table.batch_writer() as batch:
            for line in _LINES:
                pages = paginator.paginate(
                    TableName=self._table.name,
                    KeyConditionExpression=Key("pk").eq(line_key(rule.symbol, line)),
                    ProjectionExpression="pk, sk",
                    ConsistentRead=True,
                )
                for key in (key for page in pages for key in page["Items"]):
                    if key["sk"].partition("#")[2] == rule.rule_id:
                        batch.delete_item(Key=key)

    def _transact(
        self,
        symbol: str,
        rule_ids: Collection[str],
        actions: Callable[[State], list[Action]],
        active: Iterable[Rule] = (),
    ) -> State | None:
        """Change rules of a symbol and tell its state.

        Parameters
        ----------
        symbol, rule_ids
            The symbol, and which of its rules.
        actions
            Returns what is to be done to them where the state is as it is given.
        active
            Those that become active.

        Returns
        -------
        State or None
            The state before the change; ``None`` if an action's condition did not hold.
        """
        ceilings = iter(_CEILINGS_SECONDS)
        for _ in range(_MAX_ATTEMPTS):
            state = self._state_of(symbol)
            if state.step or (state.outbox and not state.outbox.rule_ids.isdisjoint(rule_ids)):
                ceiling_seconds = next(ceilings, None)
                if ceiling_seconds is None:
                    raise CliError(
                        f"firings of {symbol} wait to be delivered: run ./alerts repair, or wait "
                        "for its next price"
                    )
                self._sleep(ceiling_seconds * random.uniform(0.5, 1))  # noqa: S311  # no secret
                continue
            telling = self._actions.telling_state(state, new_nonce(), active)
            items: Any = [*actions(state), telling]
            try:
                self._table.meta.client.transact_write_items(TransactItems=items)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                *reasons, reason_of_state = cancellation_reasons(error)
                if "ConditionalCheckFailed" in reasons:
                    return None
                if reason_of_state == "ConditionalCheckFailed":
                    continue  # a price has come since: read where the symbol is now
                if PASSING_REASONS.isdisjoint([*reasons, reason_of_state]):
                    raise
                self._sleep(random.uniform(*_TURN_SECONDS))  # noqa: S311  # no secret
            else:
                return state
        raise _too_much(symbol)

    def _state_of(self, symbol: str) -> State:
        try:
            return self._states.load(symbol)
        except UnreadableItem as reason:
            raise CliError(f"the state of {symbol} cannot be changed: {reason}") from None

    def _refuse_taken(self, rules: Iterable[Rule]) -> None:
        for item in self._read(claim_key(rule.rule_id) for rule in rules):
            raise _taken(item["pk"].partition("#")[2], item["symbol"])
        self._refuse(key for rule in rules for key in rule_keys(rule.symbol, rule.rule_id))

    def _refuse(self, keys: Iterable[Mapping[str, str]]) -> None:
        for item in self._read(keys):
            raise _taken(item["sk"].partition("#")[2], symbol_in(item["pk"]))

    def _item_of(self, rule_id: str) -> Item:
        """Find a rule's item by its id alone."""
        for claim in self._read([claim_key(rule_id)]):
            for item in self._read(rule_keys(claim["symbol"], rule_id)):
                return item
        # One that was added before ids were claimed; the index by_rule follows the table by a
        # second at most.
        for item in self._read(self._keys_of(rule_id)):
            return item
        raise CliError(f"there is no rule {rule_id}: alerts list shows all rules")

    def _read(self, keys: Iterable[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
        """Read what is there, without what the table is to sweep away by now."""
        return self._kept(read_all(self._table, keys))

    def _kept(self, items: Iterable[Item]) -> Iterator[Item]:
        now_seconds = self._clock() // 1_000_000
        for item in items:
            expiry = item.get("expires_at_epoch")
            # DynamoDB sweeps away nothing whose expiry is no number.
            if not isinstance(expiry, Decimal) or expiry >= now_seconds:
                yield item

    def _keys_of(self, rule_id: str) -> list[dict[str, Any]]:
        answer = self._table.query(
            IndexName="by_rule", KeyConditionExpression=Key("rule_id").eq(rule_id)
        )
        return [{"pk": item["pk"], "sk": item["sk"]} for item in answer["Items"]]


def _taking_effect(rule: Rule, state: State) -> Rule:
    """Return a rule as it takes effect: an active one counts from the symbol's next tick on."""
    is_active = rule.progress.status is Status.ACTIVE
    since = state.position if is_active else rule.since
    return replace(rule, since=since, revision=state.version + 1)


def _readable(item: Item) -> Rule:
    rule = rule_in(item)
    if isinstance(rule, SetAside):
        raise CliError(
            f"{rule.rule_id} is set aside, {rule.reason}: ./alerts remove {rule.rule_id} deletes "
            "it, docs/runbook.md says what else to do (rules-set-aside)"
        )
    return rule


def _bare(rule: Rule) -> Rule:
    return replace(rule, progress=NOTHING_YET, expires_at_microseconds=None, since=None, revision=0)


def _taken(rule_id: str, symbol: str) -> CliError:
    return CliError(
        f"there is already a rule {rule_id}, for {symbol}: choose another id, or remove it"
    )


def _too_much(name: str) -> CliError:
    return CliError(f"too many changes of {name} at once: try again in a minute")
