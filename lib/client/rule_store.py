"""The rule store: rules in the table, changed in transactions together with their index."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from lib.client.reading import items_in, listed_keys
from lib.client.rule_actions import MAX_ACTIONS_PER_RULE, Action, RuleActions
from lib.client.session import now_microseconds
from lib.formats.errors import CliError
from lib.formats.words import SetAside, ShownStatus, rule_in, status_of
from price_alerts.adapters.items import (
    Item,
    UnreadableItem,
    claim_key,
    former_rule_key,
    line_key,
    new_rule_key,
    rule_keys,
    rule_partitions,
    state_key,
    symbol_in,
)
from price_alerts.adapters.state_items import state_of
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
from price_alerts.domain.rules import Rule, edited, paused, resumed, starts_over
from price_alerts.domain.state import State
from price_alerts.domain.windows import EXTREMES, lines_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


# Some twenty seconds in all for firings to be delivered: an invocation that was killed holds
# them for that long.
_CEILINGS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, *(1.6,) * 20)
# Prices change a symbol's state between a read and a write, but not each time.
_MAX_ATTEMPTS = 200
# Long enough for a price to get its turn between two changes of rules.
_TURN_SECONDS = (0.02, 0.04)
_MAX_RULES_PER_TRANSACTION = (MAX_ACTIONS_PER_TRANSACTION - 1) // MAX_ACTIONS_PER_RULE
_MAY_FIRE = (ShownStatus.ACTIVE, ShownStatus.PAUSED)  # once it is resumed
# All lines on which a rule can have watches.
_LINES = lines_of(dict.fromkeys(EXTREMES, ()))


class RuleStore:
    """The rules of a stack.

    A rule, its watches and its entry among the new rules are written or deleted together, and
    the symbol's state is changed in the same transaction: its version goes up, so that an
    invocation that decided a firing before it notices, and its quiet bands are forgotten. A change
    waits while a firing of this rule is being delivered, or a tick is half done.

    Parameters
    ----------
    table
        Not to be shared between threads.
    sleep
        Waits for some seconds; other people's changes raise no event to wait for.
    clock
        Returns the present in microseconds since 1970.
    """

    def __init__(
        self,
        table: Table,
        sleep: Callable[[float], object] = time.sleep,
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
            If the id is taken, or firings of a rule that had it stay undelivered.
        """
        self._add([rule])

    def add_all(
        self, rules: Iterable[Rule], on_progress: Callable[[Sequence[Rule]], object]
    ) -> None:
        """Add rules of different ids, several of a symbol at once, which delays its ticks less.

        ``on_progress`` is called with each chunk that was added. Raises the errors of `add`.
        """
        rules_of: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            rules_of[rule.symbol].append(rule)
        for its_rules in rules_of.values():
            state: State | None = None
            for chunk in portions(its_rules, _MAX_RULES_PER_TRANSACTION):
                before, state = state, self._add(chunk)
                on_progress(chunk)
                if before and state.version > before.version + 1:
                    self._sleep(random.uniform(*_TURN_SECONDS))  # noqa: S311  # no secret

    def missing(self, rules: Sequence[Rule]) -> list[Rule]:
        """Return the rules that are not in the table.

        Neither progress nor expiry makes a difference: ``30d`` is another moment each time.

        Raises
        ------
        CliError
            If another rule has one of their ids, or one is set aside.
        """
        keys = (key for rule in rules for key in rule_keys(rule.symbol, rule.rule_id))
        found = (_readable(item) for item in self._read(keys))
        there = {rule.rule_id: _bare(rule) for rule in found}
        missing = [rule for rule in rules if there.get(rule.rule_id) != _bare(rule)]
        self._reject_taken(missing)
        return missing

    def same_as(self, rule: Rule, now_microseconds: int) -> Rule | None:
        """Return a rule that may still fire and says what this one does, if there is one.

        Neither its id nor its expiry makes a difference.
        """
        bare = _bare(rule)
        for other in self.rules(rule.symbol):
            if (
                isinstance(other, Rule)
                and status_of(other, now_microseconds) in _MAY_FIRE
                and _bare(replace(other, rule_id=rule.rule_id)) == bare
            ):
                return other
        return None

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
        """Activate a paused or triggered rule like a new one; returns it as it is now.

        Raises the errors of `pause`, and RuleError if it is active.
        """
        return self._change(rule_id, resumed, self._actions.resuming)

    def edit(self, rule_id: str, change: Callable[[Rule], Rule]) -> Rule:
        """Change a rule to what ``change`` makes of it; returns it as it is now.

        Raises
        ------
        CliError
            If there is no such rule, it is set aside, or its firings stay undelivered.
        """

        def attempt(item: Item) -> Rule | None:
            before = _readable(item)
            after = edited(before, change(before))
            is_started_over = starts_over(before, after)

            def in_effect(state: State) -> Rule:
                if is_started_over:
                    return _taking_effect(after, state)
                return replace(after, revision=state.version + 1)

            def actions(state: State) -> list[Action]:
                new = [new_rule_key(after.symbol, rule_id)]
                is_new = is_started_over or bool(list(self._read(new)))
                return self._actions.editing(item, before, in_effect(state), is_new=is_new)

            active = [after] if after.progress.status is Status.ACTIVE else []
            state = self._transact(after.symbol, {rule_id}, actions, active)
            return in_effect(state) if state else None

        changed: Rule = self._retried(rule_id, attempt)
        return changed

    def remove(self, rule_id: str) -> Rule | SetAside:
        """Delete a rule, which then fires no more; returns it as it was.

        Raises
        ------
        CliError
            If there is no such rule, or its firings stay undelivered.
        """

        def attempt(item: Item) -> Rule | SetAside | None:
            rule = rule_in(item)
            if isinstance(rule, SetAside):
                self._delete_watches(rule)  # first: without the rule, nobody would look for them
            actions = self._actions.removing(item, rule)
            return rule if self._transact(rule.symbol, {rule_id}, lambda _state: actions) else None

        removed: Rule | SetAside = self._retried(rule_id, attempt)
        return removed

    def find(self, rule_id: str) -> Rule:
        """Find a rule by its id; raises CliError if there is none, or it is set aside."""
        return _readable(self._item_of(rule_id))

    def look_up(self, rule_id: str) -> Rule | SetAside:
        """Find a rule by its id, even one that is set aside; raises CliError if there is none."""
        return rule_in(self._item_of(rule_id))

    def rules(self, symbol: str | None = None) -> Iterator[Rule | SetAside]:
        """Yield the rules of a symbol, or of all, in the order of their symbols and ids.

        Those of all are found in the index ``by_rule``, at most a second late.
        """
        if symbol is None:
            keys = (key for key in listed_keys(self._table) if key["sk"].startswith("RULE#"))
            items: Iterable[Item] = read_all(self._table, keys)
        else:
            is_rule = Key("sk").begins_with("RULE#")
            items = (
                item
                for partition in rule_partitions(symbol)
                for item in items_in(
                    self._table, "query", KeyConditionExpression=Key("pk").eq(partition) & is_rule
                )
            )
        rules = [rule_in(item) for item in self._kept(items)]
        yield from sorted(rules, key=lambda rule: (rule.symbol, rule.rule_id))

    def last_prices(self, symbols: Iterable[str]) -> dict[str, Decimal]:
        """Return the last prices of symbols, without those that had none or cannot be read."""
        prices = {}
        for item in read_all(self._table, map(state_key, dict.fromkeys(symbols))):
            symbol = symbol_in(item["pk"])
            with suppress(UnreadableItem):
                if tick := state_of(symbol, item).last_tick:
                    prices[symbol] = tick.price
        return prices

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
        # Nobody writes to these keys any more, and some ids have no claim: the transaction checks
        # only today's keys.
        self._reject_found(former_rule_key(symbol, rule_id) for rule_id in rule_ids)
        while not (state := self._transact(symbol, rule_ids, actions, rules)):
            self._reject_taken(rules)
            # The one that was in the way has been removed since.
        return state

    def _change(
        self,
        rule_id: str,
        change: Callable[[Rule], Rule],
        changing: Callable[[Item, Rule], list[Action]],
    ) -> Rule:
        """Change a rule, together with its entries in the index."""

        def attempt(item: Item) -> Rule | None:
            after = change(_readable(item))
            active = [after] if after.progress.status is Status.ACTIVE else []
            state = self._transact(
                after.symbol,
                {rule_id},
                lambda state: changing(item, _taking_effect(after, state)),
                active,
            )
            return _taking_effect(after, state) if state else None

        changed: Rule = self._retried(rule_id, attempt)
        return changed

    def _retried(self, rule_id: str, attempt: Callable[[Item], Rule | SetAside | None]) -> Any:
        """Attempt a change of a rule's item until it has not changed meanwhile."""
        for _ in range(_MAX_ATTEMPTS):
            result = attempt(self._item_of(rule_id))
            if result:
                return result
        raise _too_many_changes(rule_id)

    def _delete_watches(self, rule: SetAside) -> None:
        """Delete all watches of a rule, wherever they are; each has the rule's id in its key."""
        with self._table.batch_writer() as batch:
            for line in _LINES:
                for key in items_in(
                    self._table,
                    "query",
                    KeyConditionExpression=Key("pk").eq(line_key(rule.symbol, line)),
                    ProjectionExpression="pk, sk",
                    ConsistentRead=True,
                ):
                    if key["sk"].partition("#")[2] == rule.rule_id:
                        batch.delete_item(Key=key)

    def _transact(
        self,
        symbol: str,
        rule_ids: Collection[str],
        actions: Callable[[State], list[Action]],
        active: Iterable[Rule] = (),
    ) -> State | None:
        """Change rules of a symbol together with its state; returns the state before it.

        ``actions`` returns what changes the rules, for a state; ``active`` are those that become
        active. ``None`` means that the condition of an action did not hold.
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
            change = self._actions.changing_state(state, new_nonce(), active)
            items: Any = [*actions(state), change]
            try:
                self._table.meta.client.transact_write_items(TransactItems=items)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                *reasons, reason_of_state = cancellation_reasons(error)
                if "ConditionalCheckFailed" in reasons:
                    return None
                if reason_of_state == "ConditionalCheckFailed":
                    continue  # a price has come since: read the state again
                if PASSING_REASONS.isdisjoint([*reasons, reason_of_state]):
                    raise
                self._sleep(random.uniform(*_TURN_SECONDS))  # noqa: S311  # no secret
            else:
                return state
        raise _too_many_changes(symbol)

    def _state_of(self, symbol: str) -> State:
        try:
            return self._states.load(symbol)
        except UnreadableItem as reason:
            raise CliError(f"the state of {symbol} cannot be changed: {reason}") from None

    def _reject_taken(self, rules: Iterable[Rule]) -> None:
        for item in self._read(claim_key(rule.rule_id) for rule in rules):
            raise _taken(item["pk"].partition("#")[2], item["symbol"])
        self._reject_found(key for rule in rules for key in rule_keys(rule.symbol, rule.rule_id))

    def _reject_found(self, keys: Iterable[Mapping[str, str]]) -> None:
        for item in self._read(keys):
            raise _taken(item["sk"].partition("#")[2], symbol_in(item["pk"]))

    def _item_of(self, rule_id: str) -> Item:
        """Find a rule's item by its id."""
        for claim in self._read([claim_key(rule_id)]):
            for item in self._read(rule_keys(claim["symbol"], rule_id)):
                return item
        # It was added before ids were claimed; the index by_rule is at most a second late.
        answer: Any = self._table.query(
            IndexName="by_rule", KeyConditionExpression=Key("rule_id").eq(rule_id)
        )
        for item in self._read({"pk": key["pk"], "sk": key["sk"]} for key in answer["Items"]):
            return item
        raise CliError(f"there is no rule {rule_id}: alerts list shows all rules")

    def _read(self, keys: Iterable[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
        """Read items, without those that DynamoDB should have deleted by now."""
        return self._kept(read_all(self._table, keys))

    def _kept(self, items: Iterable[Item]) -> Iterator[Item]:
        now_seconds = self._clock() // 1_000_000
        for item in items:
            expiry = item.get("expires_at_epoch")
            # DynamoDB deletes no item whose expiry is not a number.
            if not isinstance(expiry, Decimal) or expiry >= now_seconds:
                yield item


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


def _too_many_changes(name: str) -> CliError:
    return CliError(f"too many changes of {name} at once: try again in a minute")
