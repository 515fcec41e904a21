"""The store: states, rules and firings in DynamoDB; to repeat a write is harmless."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from price_alerts.adapters.items import (
    SCHEMA,
    Attributes,
    UnreadableItem,
    firing_key,
    former_firing_key,
    line_key,
    new_rule_key,
    progress_attributes,
    rule_keys,
    setting,
    state_key,
    state_listing,
    watch_items,
)
from price_alerts.adapters.state_items import firing_item, state_attributes, state_of
from price_alerts.adapters.symbol_index import SymbolIndex, read_all
from price_alerts.domain.portions import portions
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.state import Firing, Outbox, State
from price_alerts.ports import Busy, Conflict, Settled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_MAX_ITEMS_PER_BATCH = 25  # DynamoDB, BatchWriteItem
MAX_ACTIONS_PER_TRANSACTION = 100  # DynamoDB, TransactWriteItems
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)  # after which what DynamoDB left over is written again
# Why a transaction is cancelled that may succeed when it is tried again.
PASSING_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
# What other code kept here of the recent ticks; it must not outlive a change that it did not see.
_FORMER = ("past",)
_DESERIALIZER = TypeDeserializer()

Each = Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]]


class Overloaded(Exception):
    """DynamoDB did not accept all items of a batch, time and again."""


class Store:
    """Symbols' states, rules and firings in one table.

    Parameters
    ----------
    table
        The table, with keys ``pk`` and ``sk``. Its client is shared by threads.
    each
        Does something for each of some things, like ``map``; a pool's, in several threads.
    history_days
        How long firings are kept; ``None`` for ever.
    """

    def __init__(self, table: Table, each: Each = map, history_days: int | None = None) -> None:
        self._table = table
        self._client: Any = table.meta.client  # takes plain values, which the stubs deny
        self._each = each
        self._history_days = history_days

    def load(self, symbol: str) -> State:
        """Read a symbol's state as it is this moment; version 0 if there is none.

        Raises
        ------
        UnreadableItem
            If newer code wrote it.
        """
        pk, sk = state_key(symbol).values()
        answer = self._client.query(
            TableName=self._table.name,
            KeyConditionExpression="pk = :pk AND sk = :sk",
            ExpressionAttributeValues={":pk": pk, ":sk": sk},
            ConsistentRead=True,
        )
        for item in answer["Items"]:
            return state_of(symbol, item)
        return self._begun_again(symbol)

    def index(self, symbol: str) -> SymbolIndex:
        """Return a symbol's watches and rules, to be read as the engine asks for them."""
        return SymbolIndex(self._table, symbol)

    def commit(self, before: State, after: State) -> State:
        """Replace a state in one conditional write, which happens wholly or not at all.

        Returns
        -------
        State
            The state as it is stored.

        Raises
        ------
        Conflict
            If the stored state is no longer ``before``; nothing was written then.
        Busy
            If a change of the symbol's rules is under way; nothing was written then.
        """
        after = replace(after, nonce=new_nonce())
        old = state_attributes(before) if before.is_stored else {}
        new = state_attributes(after)
        changed = {name: value for name, value in new.items() if value != old.get(name)}
        changed |= state_listing(after.symbol)  # the release before did not list its states
        update = setting(changed, [*sorted(old.keys() - new.keys()), *_FORMER])
        condition = "attribute_not_exists(pk)"
        if before.is_stored:
            condition = _is(update, "version", before.version)
            if before.nonce:
                condition += f" AND {_is(update, 'nonce', before.nonce)}"
        self._update_state(after.symbol, condition, update, after.nonce)
        return after

    def clear(self, state: State) -> State:
        """Take a delivered outbox out of a state, whatever was written to it meanwhile.

        Returns
        -------
        State
            The state as it is stored: the symbol's rules may have changed since the commit.

        Raises
        ------
        Conflict
            If the lease has passed to somebody else.
        Busy
            If a change of the symbol's rules is under way.
        """
        owner = state.lease and state.lease.owner
        decided = state.outbox and state.outbox.version
        nonce = new_nonce()
        update: dict[str, Any] = {
            "UpdateExpression": "SET #version = #version + :one, #nonce = :nonce",
            "ExpressionAttributeNames": {"#version": "version", "#nonce": "nonce"},
            "ExpressionAttributeValues": {":one": 1, ":nonce": nonce},
        }
        if state.recent:
            update["UpdateExpression"] += ", recent_version = recent_version + :one"
        update["UpdateExpression"] += " REMOVE outbox, lease_owner, lease_until_microseconds"
        condition = f"{_is(update, 'lease_owner', owner)} AND outbox.#version = :decided"
        update["ExpressionAttributeValues"][":decided"] = decided
        item = self._update_state(state.symbol, condition, update, nonce, "ALL_NEW")
        return state_of(state.symbol, item)

    def release(self, state: State) -> None:
        """Let others deliver at once; if that fails, they wait for the lease to run out."""
        released = replace(
            state,
            version=state.version + 1,
            lease=state.lease and state.lease._replace(until_microseconds=0),
        )
        with suppress(Conflict, Busy, UnreadableItem, BotoCoreError, ClientError):
            self.commit(state, released)

    def recorded(self, firings: Iterable[Firing]) -> set[str]:
        """Return the ids of those firings that are known to be published, or undeliverable."""
        keys = [key(firing) for firing in firings for key in (firing_key, former_firing_key)]
        settled, unsettled = set(), []
        for item in read_all(self._table, keys):
            if item["sent"] or "undeliverable" in item:
                settled.add(item["firing_id"])
            else:  # the release before wrote an item before it published the firing
                unsettled.append({"pk": item["pk"], "sk": item["sk"]})
        self._write_all({"DeleteRequest": {"Key": key}} for key in unsettled)
        return settled

    def record(self, firings: Iterable[Settled]) -> None:
        """Write firings.

        Raises
        ------
        Overloaded
            If DynamoDB has no room for all of them for a while.
        """
        items = (self._expiring(firing_item(*firing)) for firing in firings)
        self._write_all({"PutRequest": {"Item": item}} for item in items)

    def _expiring(self, item: Attributes) -> Attributes:
        if self._history_days is None:
            return item
        fired_at_seconds = item["fired_at_microseconds"] // 1_000_000
        return {**item, "expires_at_epoch": fired_at_seconds + self._history_days * 86_400}

    def apply(self, symbol: str, outbox: Outbox) -> None:
        """Write what an outbox does to stored rules.

        Raises
        ------
        Overloaded
            As in `record`.
        """

        def change(entry: tuple[str, Progress]) -> None:
            self._change(symbol, *entry, outbox.version)

        for _ in self._each(change, outbox.changes.items()):
            pass
        keys = [{"pk": line_key(symbol, line), "sk": key} for line, key in outbox.spent]
        keys += [new_rule_key(symbol, rule_id) for rule_id in outbox.checked_rule_ids]
        self._write_all({"DeleteRequest": {"Key": key}} for key in keys)

    def _change(self, symbol: str, rule_id: str, progress: Progress, revision: int) -> None:
        attributes = progress_attributes(progress)
        gone = [name for name in ("disarmed", "trail") if name not in attributes]
        update = setting({**attributes, "schema": SCHEMA, "revision": revision}, gone)
        # The rule may be gone, or be changed by somebody since; and to repeat this is harmless.
        condition = (
            "attribute_exists(pk) AND (attribute_not_exists(#revision) OR #revision < :revision)"
        )
        for key in rule_keys(symbol, rule_id):
            try:
                self._client.update_item(
                    TableName=self._table.name,
                    Key=key,
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **update,
                )
            except ClientError as error:
                if _item_in_the_way(error):
                    return
            else:
                return

    def _update_state(
        self,
        symbol: str,
        condition: str,
        update: Mapping[str, Any],
        nonce: str | None,
        values: str = "NONE",
    ) -> Mapping[str, Any] | None:
        try:
            answer = self._client.update_item(
                TableName=self._table.name,
                Key=state_key(symbol),
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                ReturnValues=values,
                **update,
            )
        except ClientError as error:
            item = _item_in_the_way(error)
            if item and item.get("nonce") == nonce:
                return item  # it was written: the answer got lost, and the client tried again
            current = state_of(symbol, item) if item else self.load(symbol)
            raise Conflict(current) from error
        written: Mapping[str, Any] | None = answer.get("Attributes")
        return written

    def _begun_again(self, symbol: str) -> State:
        """Begin a symbol; with rules its state is lost, and all that are active are new."""
        rules = self.index(symbol).all_rules()
        if not rules:
            return State(symbol)
        active = [rule for rule in rules if rule.progress.status is Status.ACTIVE]
        items = [item for rule in active for item in watch_items(rule)]
        if not self._put_while_lost(symbol, items):
            return self.load(symbol)
        return State(
            symbol,
            # Rules accept only what is newer than what they know.
            version=max((rule.revision for rule in rules), default=0),
            is_lost=True,
            windows={rule.terms.extremes: () for rule in active if rule.terms.is_move},
        )

    def _put_while_lost(self, symbol: str, items: Iterable[Attributes]) -> bool:
        """Write watches while a symbol has no state; return whether it still has none.

        Whoever was slower would else make rules new again that have already seen a tick.
        """
        name = self._table.name
        key, condition = state_key(symbol), "attribute_not_exists(pk)"
        check = {"TableName": name, "Key": key, "ConditionExpression": condition}
        for portion in portions(items, MAX_ACTIONS_PER_TRANSACTION - 1):
            puts = [{"Put": {"TableName": name, "Item": item}} for item in portion]
            if not self._transacted([{"ConditionCheck": check}, *puts]):
                return False
        return True

    def _transacted(self, actions: Sequence[Mapping[str, Any]]) -> bool:
        """Do all of some actions, or none; return whether their conditions held."""
        pauses_seconds = iter(_PAUSES_SECONDS)
        while True:
            try:
                self._client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                reasons = cancellation_reasons(error)
                if "ConditionalCheckFailed" in reasons:
                    return False
                pause_seconds = next(pauses_seconds, None)
                if pause_seconds is None or PASSING_REASONS.isdisjoint(reasons):
                    raise
                time.sleep(pause_seconds)
            else:
                return True

    def _write_all(self, requests: Iterable[Mapping[str, Any]]) -> None:
        for portion in portions(requests, _MAX_ITEMS_PER_BATCH):
            left: Sequence[Mapping[str, Any]] = portion
            pauses_seconds = iter(_PAUSES_SECONDS)
            while left:
                answer = self._client.batch_write_item(RequestItems={self._table.name: left})
                left = answer.get("UnprocessedItems", {}).get(self._table.name, ())
                if left:
                    pause_seconds = next(pauses_seconds, None)
                    if pause_seconds is None:
                        raise Overloaded(f"{len(left)} items were not accepted")
                    time.sleep(pause_seconds)


def new_nonce() -> str:
    """Return something that no other write of a state has."""
    return uuid.uuid4().hex[:8]


def cancellation_reasons(error: ClientError) -> list[str]:
    """Return why a transaction was cancelled, for each action; nothing if it was not."""
    answers: Any = error.response.get("CancellationReasons", ())
    return [answer["Code"] for answer in answers]


def _is(update: dict[str, Any], name: str, value: object) -> str:
    """Add a condition's name and value to an update; returns the condition."""
    update["ExpressionAttributeNames"][f"#{name}"] = name
    update["ExpressionAttributeValues"][f":expected_{name}"] = value
    return f"#{name} = :expected_{name}"


def _item_in_the_way(error: ClientError) -> dict[str, Any] | None:
    """Return the item for which a condition failed; raise `Busy`, or any other error again."""
    code = error.response["Error"]["Code"]
    if code == "TransactionConflictException":
        raise Busy from error
    if code != "ConditionalCheckFailedException":
        raise error
    # boto3's resource layer converts the items of answers, not those of errors.
    item: Mapping[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]  # stubs lack it
    return (
        None
        if item is None
        else {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    )
