"""The store: states, rules and firings in DynamoDB; to repeat a write is harmless."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from price_alerts.delivery_actions import Action, DeliveryActions
from price_alerts.items import firing_key, setting, state_key
from price_alerts.notices import Notice
from price_alerts.portions import portions
from price_alerts.rules import Rule
from price_alerts.state import Firing, Outbox, State
from price_alerts.state_items import firing_item, state_attributes, state_of
from price_alerts.symbol_index import SymbolIndex, read_all

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

__all__ = ["MAX_ACTIONS_PER_TRANSACTION", "PASSING_REASONS", "Conflict", "Store"]

MAX_ACTIONS_PER_TRANSACTION = 100  # DynamoDB, TransactWriteItems
_CONDITION = "ConditionalCheckFailed"
# Why a transaction is cancelled that may succeed when it is tried again.
PASSING_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_DESERIALIZER = TypeDeserializer()


class Conflict(Exception):
    """Somebody else has moved the symbol, or is about to; ``current`` is where it stands now."""

    def __init__(self, current: State) -> None:
        super().__init__("somebody else has moved the symbol")  # which one, no log is to tell
        self.current = current


class Store:
    """Symbols' states, rules and firings in one table.

    Parameters
    ----------
    table
        The table, with keys ``pk`` and ``sk``. Threads share its client, and take turns with
        itself. Source: Boto3 Guide, "Resources" and "Clients".
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._client: Any = table.meta.client  # takes plain values, which the stubs deny
        self._turn = threading.Lock()
        self._actions = DeliveryActions(table.name)

    def load(self, symbol: str) -> State:
        """Read a symbol's state as it is this moment; version 0 if there is none."""
        items = read_all(self._table, [state_key(symbol)])
        return state_of(symbol, items[0] if items else None)

    def index(self, symbol: str) -> SymbolIndex:
        """Return a symbol's watches and rules, to be read as the engine asks for them."""
        return SymbolIndex(self._table, symbol)

    def commit(self, before: State, after: State) -> None:
        """Replace a state in one conditional write, which happens wholly or not at all.

        Raises
        ------
        Conflict
            If the stored version is no longer that of ``before``, or a change of the symbol's
            rules is under way; nothing was written then.
        """
        old = state_attributes(before) if before.version else {}
        new = state_attributes(after)
        changed = {name: value for name, value in new.items() if value != old.get(name)}
        update = setting(changed, sorted(old.keys() - new.keys()))
        condition = "attribute_not_exists(pk)"
        if before.version:
            condition = "#version = :expected_version"
            update["ExpressionAttributeValues"][":expected_version"] = before.version
        try:
            self._client.update_item(
                TableName=self._table.name,
                Key=state_key(after.symbol),
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **update,
            )
        except ClientError as error:
            if _code(error) == "TransactionConflictException":
                raise Conflict(self.load(after.symbol)) from error
            raise Conflict(state_of(after.symbol, _item_in_the_way(error))) from error

    def record(self, notice: Notice) -> None:
        """Write a firing of the stack's own rule unless it is there already."""
        try:
            with self._turn:
                self._table.put_item(
                    Item=firing_item(notice), ConditionExpression="attribute_not_exists(pk)"
                )
        except ClientError as error:
            _item_in_the_way(error)

    def apply(
        self, state: State, outbox: Outbox, rules: Mapping[str, Rule], notices: Iterable[Notice]
    ) -> None:
        """Write what a state's outbox holds for stored rules: their progress and their firings.

        Parameters
        ----------
        state, outbox
            The state as it was committed with a lease, and its outbox.
        rules
            The rules that it changes, as far as they are still there.
        notices
            The firings of stored rules.

        Raises
        ------
        Conflict
            If the lease ran out and somebody else has taken over, or a change of the symbol's
            rules is in the way.
        """
        # Who was held up for longer than the lease must not write any more: a rule may have been
        # resumed, or removed and added again, meanwhile.
        holding = self._actions.holding(state)
        actions = self._actions.delivering(outbox, state.symbol, rules, notices)
        for portion in portions(actions, MAX_ACTIONS_PER_TRANSACTION - 1):
            self._transact(state.symbol, portion, [holding])

    def unsent(self, notices: Sequence[Notice]) -> list[Notice]:
        """Tell which firings are not known to have been announced."""
        items = read_all(self._table, (firing_key(notice.firing) for notice in notices))
        sent = {item["firing_id"] for item in items if item["sent"]}
        return [notice for notice in notices if notice.firing.firing_id not in sent]

    def mark_sent(self, symbol: str, firings: Iterable[Firing], sent_at_microseconds: int) -> None:
        """Note on up to a hundred recorded firings of a symbol that they were announced.

        Raises
        ------
        Conflict
            If it is to be tried again.
        """
        marks = [self._actions.marking(firing, sent_at_microseconds) for firing in firings]
        self._transact(symbol, marks)

    def _transact(
        self, symbol: str, actions: Sequence[Action], guards: Sequence[Action] = ()
    ) -> None:
        """Do all of these whose conditions hold, if those of the guards do."""
        while actions:
            try:
                self._client.transact_write_items(TransactItems=[*guards, *actions])
            except ClientError as error:
                reasons = _reasons(error)
                if PASSING_REASONS & set(reasons) or _CONDITION in reasons[: len(guards)]:
                    raise Conflict(self.load(symbol)) from error
                if _CONDITION not in reasons:
                    raise
                actions = [
                    action
                    for action, reason in zip(actions, reasons[len(guards) :], strict=True)
                    if reason != _CONDITION
                ]
            else:
                return


def _item_in_the_way(error: ClientError) -> dict[str, Any] | None:
    """Return the item for which a condition failed; re-raise any other error."""
    if _code(error) != "ConditionalCheckFailedException":
        raise error
    # boto3's resource layer converts the items of answers, not those of errors.
    item: Mapping[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]  # stubs lack it
    return (
        None
        if item is None
        else {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    )


def _reasons(error: ClientError) -> list[str | None]:
    """Return why a transaction was cancelled, for each action; re-raise any other error."""
    if _code(error) != "TransactionCanceledException":
        raise error
    reasons: Any = error.response["CancellationReasons"]
    return [reason.get("Code") for reason in reasons]


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
