"""The rule store: rules in the table, changed in transactions that keep their index whole."""

from __future__ import annotations

import random
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lib.cli.errors import CliError
from lib.cli.rule_actions import MAX_ACTIONS_PER_RULE, Action, RuleActions
from lib.cli.session import now_microseconds
from price_alerts.items import claim_key, rule_key, rule_of, state_key
from price_alerts.portions import portions
from price_alerts.progress import NOTHING_YET
from price_alerts.rules import Rule, paused, resumed
from price_alerts.state import State
from price_alerts.store import MAX_ACTIONS_PER_TRANSACTION, PASSING_REASONS, Store
from price_alerts.symbol_index import read_all

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

__all__ = ["RuleStore"]

# Waits of some twenty seconds in all for firings to be delivered: an invocation that was killed
# holds them for that long.
_CEILINGS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, *(1.6,) * 20)
# A symbol with prices moves on between two requests, but not each time.
_MAX_ATTEMPTS = 200
# Long enough for a price that waits for a change of rules to get its turn.
_TURN_SECONDS = (0.02, 0.04)
# The index by_rule follows the table within a second at most.
_LOOKUPS, _LOOKUP_PAUSE_SECONDS = 4, 0.25
_MAX_RULES_PER_TRANSACTION = (MAX_ACTIONS_PER_TRANSACTION - 1) // MAX_ACTIONS_PER_RULE


class RuleStore:
    """The rules of a stack.

    A rule, its watches and its entry among the new rules are written or deleted together, and
    the symbol's state is told in the same transaction: its version goes up, so that no firing
    that was decided before can pass unseen, and its quiet bands are forgotten. A change waits
    while firings of the very rule are delivered, or a tick is half done.

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
            If there is a rule of that id, or the symbol's firings stay undelivered.
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
            If the id of one is another rule's.
        """
        keys = (rule_key(rule.symbol, rule.rule_id) for rule in rules)
        there = {item["rule_id"]: _bare(rule_of(item)) for item in self._read(keys)}
        missing = [rule for rule in rules if there.get(rule.rule_id) != _bare(rule)]
        self._refuse_taken(missing)
        return missing

    def pause(self, rule_id: str) -> Rule:
        """Take an active rule out of the index; returns it as it is now.

        Raises
        ------
        CliError
            If there is no such rule, or the symbol's firings stay undelivered.
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

    def remove(self, rule_id: str) -> Rule:
        """Delete a rule; returns it as it was.

        Once this has returned, the rule fires no more.

        Raises
        ------
        CliError
            As in `pause`.
        """
        return self._change(
            rule_id, lambda rule: rule, lambda rule, _after: self._actions.removing(rule)
        )

    def find(self, rule_id: str) -> Rule:
        """Find a rule by its id alone.

        Raises
        ------
        CliError
            If there is none.
        """
        for attempt in range(_LOOKUPS):
            if attempt:
                self._sleep(_LOOKUP_PAUSE_SECONDS)
            for key in self._keys_of(rule_id):
                for item in self._read([key]):
                    return rule_of(item)
        raise CliError(f"there is no rule {rule_id}: alerts list shows them all")

    def rules(self, symbol: str | None = None) -> Iterator[Rule]:
        """Read the rules of a symbol, or of all, in the order of their symbols and ids.

        The rules of all symbols are found by a scan, which reads the whole table.
        """
        client: Any = self._table.meta.client  # a resource's takes such conditions
        if symbol is None:
            pages = client.get_paginator("scan").paginate(
                TableName=self._table.name, FilterExpression=Attr("sk").begins_with("RULE#")
            )
        else:
            condition = Key("pk").eq(state_key(symbol)["pk"]) & Key("sk").begins_with("RULE#")
            pages = client.get_paginator("query").paginate(
                TableName=self._table.name, KeyConditionExpression=condition
            )
        rules = [rule_of(item) for page in pages for item in self._kept(page["Items"])]
        yield from sorted(rules, key=lambda rule: (rule.symbol, rule.rule_id))

    def _add(self, rules: Sequence[Rule]) -> State:
        """Add rules of one symbol, all or none; returns the state before it."""
        now = self._clock() // 1_000_000

        def actions(state: State) -> list[Action]:
            return [
                action
                for rule in rules
                for action in self._actions.adding(_taking_effect(rule, state), now)
            ]

        while not (state := self._transact(rules, actions)):
            self._refuse_taken(rules)
            # The one that was in the way has been removed since.
        return state

    def _change(
        self,
        rule_id: str,
        change: Callable[[Rule], Rule],
        changing: Callable[[Rule, Rule], list[Action]],
    ) -> Rule:
        """Change or delete a rule, together with its entries in the index."""
        while True:
            rule = self.find(rule_id)
            after = change(rule)

            def actions(state: State, rule: Rule = rule, after: Rule = after) -> list[Action]:
                return changing(rule, _taking_effect(after, state))

            if self._transact([rule], actions):
                return after
            # A delivery, or somebody else, has changed the rule since it was read.

    def _transact(
        self, rules: Sequence[Rule], actions: Callable[[State], list[Action]]
    ) -> State | None:
        """Change rules of a symbol and tell its state.

        Returns
        -------
        State or None
            The state before the change; ``None`` if an action's condition did not hold.
        """
        symbol, rule_ids = rules[0].symbol, {rule.rule_id for rule in rules}
        ceilings = iter(_CEILINGS_SECONDS)
        for _ in range(_MAX_ATTEMPTS):
            state = self._states.load(symbol)
            if state.step or (state.outbox and not rule_ids.isdisjoint(state.outbox.rule_ids)):
                ceiling_seconds = next(ceilings, None)
                if ceiling_seconds is None:
                    raise CliError(
                        f"firings of {symbol} wait to be delivered: ./alerts repair sees to it, "
                        "or its next price does"
                    )
                self._sleep(ceiling_seconds * random.uniform(0.5, 1))  # noqa: S311  # no secret
                continue
            telling = self._actions.telling_state(state, secrets.token_hex(4), rules)
            items: Any = [*actions(state), telling]
            try:
                self._table.meta.client.transact_write_items(TransactItems=items)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                answers: Any = error.response["CancellationReasons"]
                *reasons, reason_of_state = [answer["Code"] for answer in answers]
                if "ConditionalCheckFailed" in reasons:
                    return None
                if reason_of_state == "ConditionalCheckFailed":
                    continue  # a price has come since: read where the symbol is now
                if PASSING_REASONS.isdisjoint([*reasons, reason_of_state]):
                    raise
                self._sleep(random.uniform(*_TURN_SECONDS))  # noqa: S311  # no secret
            else:
                return state
        raise CliError(f"too much is going on with {symbol} at once: try again in a minute")

    def _refuse_taken(self, rules: Iterable[Rule]) -> None:
        for item in self._read(claim_key(rule.rule_id) for rule in rules):
            raise _taken(item["pk"].partition("#")[2], item["symbol"])
        for item in self._read(rule_key(rule.symbol, rule.rule_id) for rule in rules):
            raise _taken(item["rule_id"], item["symbol"])

    def _read(self, keys: Iterable[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
        """Read what is there, without what the table is to sweep away by now."""
        return self._kept(read_all(self._table, keys))

    def _kept(self, items: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        now = self._clock() // 1_000_000
        return (item for item in items if item.get("expires_at_epoch", now) >= now)

    def _keys_of(self, rule_id: str) -> list[dict[str, Any]]:
        answer = self._table.query(
            IndexName="by_rule", KeyConditionExpression=Key("rule_id").eq(rule_id)
        )
        return [{"pk": item["pk"], "sk": item["sk"]} for item in answer["Items"]]


def _taking_effect(rule: Rule, state: State) -> Rule:
    """Return a rule as it takes effect: after the symbol's last tick."""
    return replace(rule, since=state.position, revision=state.version + 1)


def _bare(rule: Rule) -> Rule:
    return replace(rule, progress=NOTHING_YET, expires_at_microseconds=None, since=None, revision=0)


def _taken(rule_id: str, symbol: str) -> CliError:
    return CliError(
        f"there is a rule {rule_id} already, for {symbol}: choose another id, or remove it"
    )
