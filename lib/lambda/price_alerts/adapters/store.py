"""The store: states, rules and firings in DynamoDB; every write is idempotent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
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
    state_key,
    state_listing,
    update_of,
    watch_items,
)
from price_alerts.adapters.state_items import firing_item, state_attributes, state_of
from price_alerts.adapters.symbol_index import SymbolIndex, read_all
from price_alerts.domain.portions import portions
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.state import Firing, Outbox, State
from price_alerts.ports import Busy, Conflict, Each, Settled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_MAX_ITEMS_PER_BATCH = 25  # DynamoDB, BatchWriteItem
MAX_ACTIONS_PER_TRANSACTION = 100  # DynamoDB, TransactWriteItems
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)  # before a batch or a transaction is retried
# Why a transaction is cancelled that may succeed when it is retried.
PASSING_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
# Where the release before kept recent ticks; they must not outlive a change that it did not see.
_FORMER = ("past",)
_DESERIALIZER = TypeDeserializer()


class Overloaded(Exception):
    """DynamoDB repeatedly did not accept all items of a batch."""


class Store:
    """Symbols' states, rules and firings in one table.

    Parameters
    ----------
    table
        The table, with keys ``pk`` and ``sk``. Threads share its client.
    each
        Maps a function over things, like ``map``; or a pool's, in several threads.
    history_days
        How long firings are kept; ``None`` for ever.
    """

    def __init__(self, table: Table, each: Each = map, history_days: int | None = None) -> None:
        self._table = table
        self._client: Any = table.meta.client  # accepts plain values, which the stubs deny
        self._each = each
        self._history_days = history_days

    def load(self, symbol: str) -> State:
        """Read a symbol's state consistently; version 0 if there is none.

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
        items = answer["Items"]
        return state_of(symbol, items[0]) if items else self._restarted(symbol)

    def index(self, symbol: str) -> SymbolIndex:
        """Return a symbol's watches and rules, which are read on demand."""
        return SymbolIndex(self._table, symbol, self._each)

    def commit(self, before: State, after: State) -> State:
        """Replace a state in one conditional write, and return it as it is stored.

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
        update = update_of(changed, [*sorted(old.keys() - new.keys()), *_FORMER])
        condition = "attribute_not_exists(pk)"
        if before.is_stored:
            condition = _is(update, "version", before.version)
            if before.nonce:
                condition += f" AND {_is(update, 'nonce', before.nonce)}"
        self._update_state(after.symbol, condition, update, after.nonce)
        return after

    def clear(self, state: State) -> State:
        """Remove a delivered outbox from a state, whatever else has changed.

        Returns
        -------
        State
            The state as it is stored: the symbol's rules may have changed since the commit.

        Raises
        ------
        Conflict
            If another invocation has the lease.
        Busy
            If a change of the symbol's rules is under way.
        """
        nonce = new_nonce()
        assignments = "#version = #version + :one, #nonce = :nonce"
        if state.recent:
            assignments += ", recent_version = recent_version + :one"
        removed = "outbox, lease_owner, lease_until_microseconds"
        update: dict[str, Any] = {
            "UpdateExpression": f"SET {assignments} REMOVE {removed}",
            "ExpressionAttributeNames": {"#version": "version", "#nonce": "nonce"},
            "ExpressionAttributeValues": {
                ":one": 1,
                ":nonce": nonce,
                ":decided": state.outbox and state.outbox.version,
            },
        }
        owner = state.lease and state.lease.owner
        condition = f"{_is(update, 'lease_owner', owner)} AND outbox.#version = :decided"
        item = self._update_state(state.symbol, condition, update, nonce, "ALL_NEW")
        return state_of(state.symbol, item)

    def release(self, state: State) -> None:
        """Let others deliver at once; if that fails, they wait until the lease expires."""
        lease = state.lease and state.lease._replace(until_microseconds=0)
        with suppress(Conflict, Busy, UnreadableItem, BotoCoreError, ClientError):
            self.commit(state, replace(state, version=state.version + 1, lease=lease))

    def recorded(self, firings: Iterable[Firing]) -> set[str]:
        """Return the ids of those firings that were published, or are undeliverable."""
        keys = [key(firing) for firing in firings for key in (firing_key, former_firing_key)]
        settled, unsettled = set(), []
        for item in read_all(self._table, keys):
            if item["sent"] or "undeliverable" in item:
                settled.add(item["firing_id"])
            else:  # the release before wrote an item before it published the firing
                unsettled.append({"pk": item["pk"], "sk": item["sk"]})
        self._delete_all(unsettled)
        return settled

    def record(self, firings: Iterable[Settled]) -> None:
        """Record firings.

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
        """Apply an outbox to the stored rules.

        Raises
        ------
        Overloaded
            As in `record`.
        """
        change = partial(self._change, symbol, outbox.version)
        list(self._each(change, outbox.changes.items()))
        keys = [{"pk": line_key(symbol, line), "sk": key} for line, key in outbox.spent]
        keys += [new_rule_key(symbol, rule_id) for rule_id in outbox.checked_rule_ids]
        self._delete_all(keys)

    def _change(self, symbol: str, revision: int, change: tuple[str, Progress]) -> None:
        rule_id, progress = change
        attributes = progress_attributes(progress)
        gone = [name for name in ("disarmed", "trail") if name not in attributes]
        update = update_of({**attributes, "schema": SCHEMA, "revision": revision}, gone)
        # The rule may be gone, or have changed since; and repeating this must be harmless.
        condition = (
            "attribute_exists(pk) AND (attribute_not_exists(#revision) OR #revision < :revision)"
        )
        for key in rule_keys(symbol, rule_id):
            try:
                self._update(key, condition, update)
            except ClientError as error:
                if _item_in_the_way(error):
                    return
            else:
                return

    def _update(self, key: Any, condition: str, update: Mapping[str, Any], **more: Any) -> Any:
        return self._client.update_item(
            TableName=self._table.name,
            Key=key,
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **update,
            **more,
        )

    def _update_state(
        self,
        symbol: str,
        condition: str,
        update: Mapping[str, Any],
        nonce: str | None,
        values: str = "NONE",
    ) -> Mapping[str, Any] | None:
        try:
            answer = self._update(state_key(symbol), condition, update, ReturnValues=values)
        except ClientError as error:
            item = _item_in_the_way(error)
            if item and item.get("nonce") == nonce:
                return item  # it was written, but the answer was lost, and the client retried
            current = state_of(symbol, item) if item else self.load(symbol)
            raise Conflict(current) from error
        written: Mapping[str, Any] | None = answer.get("Attributes")
        return written

    def _restarted(self, symbol: str) -> State:
        """Return the state of a symbol without one; if it has rules, all active ones are new."""
        rules = self.index(symbol).all_rules()
        if not rules:
            return State(symbol)
        active = [rule for rule in rules if rule.progress.status is Status.ACTIVE]
        items = [item for rule in active for item in watch_items(rule)]
        if not self._put_while_lost(symbol, items):
            return self.load(symbol)
        return State(
            symbol,
            # Rules accept only changes that are newer than their revision.
            version=max(rule.revision for rule in rules),
            is_lost=True,
            windows={rule.terms.extremes: () for rule in active if rule.terms.is_move},
        )

    def _put_while_lost(self, symbol: str, items: Iterable[Attributes]) -> bool:
        """Write watches while a symbol has no state; return whether it still has none.

        A slower invocation would otherwise make rules new again that have already seen a tick.
        """
        name = self._table.name
        key, condition = state_key(symbol), "attribute_not_exists(pk)"
        check = {"TableName": name, "Key": key, "ConditionExpression": condition}
        return all(
            self._transacted(
                [
                    {"ConditionCheck": check},
                    *({"Put": {"TableName": name, "Item": item}} for item in portion),
                ]
            )
            for portion in portions(items, MAX_ACTIONS_PER_TRANSACTION - 1)
        )

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

    def _delete_all(self, keys: Iterable[Mapping[str, str]]) -> None:
        self._write_all({"DeleteRequest": {"Key": key}} for key in keys)

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
    """Return a value that no other write of a state has."""
    return uuid.uuid4().hex[:8]


def cancellation_reasons(error: ClientError) -> list[str]:
    """Return why a transaction was cancelled, for each action; empty if it was not."""
    answers: Any = error.response.get("CancellationReasons", ())
    return [answer["Code"] for answer in answers]


def _is(update: dict[str, Any], name: str, value: object) -> str:
    """Add a condition's name and value to an update; return the condition."""
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
    if item is None:
        return None
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
