"""A DynamoDB of one table, kept in memory: what it answers, and when it rejects.

A transaction takes a while: from its beginning to its end its items are its own, and other
writes to them are rejected. A read of several items can see some of them before, and others
after, something else was written.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore import xform_name

from tests.simulation.answers import (
    Key,
    Params,
    answered,
    holds,
    is_in_range,
    key_of,
    places_of,
    projected,
    returned,
    scope_of,
    written,
)
from tests.simulation.errors import AwsError, condition_failed, invalid
from tests.simulation.expressions import key_conditions_of, reject_unused
from tests.simulation.values import Item, Value, same

# How many microseconds pass between the parts of a call; at the end, the answer.
Steps = Generator[int, None, dict[str, Any]]
Written = Callable[[Any, Mapping[Key, tuple[Item | None, Item | None]]], None]

MAX_ACTIONS, MAX_KEYS, MAX_WRITES = 100, 100, 25
INDEXES = {"by_day": ("day", "fired_at"), "by_rule": ("rule_id", "")}
_ONLY_KEYS = {"by_rule": ("pk", "sk", "rule_id")}
_CONFLICT = "Transaction is ongoing for the item"
_CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons"


@dataclass
class _Transaction:
    token: str
    until: int
    writes: dict[Key, Item | None]
    checked: set[Key]
    tag: Any

    @property
    def keys(self) -> set[Key]:
        return self.checked | self.writes.keys()


def _nothing_heard(tag: Any, changes: Mapping[Key, tuple[Item | None, Item | None]]) -> None:
    pass


@dataclass
class Database:
    """The table, with its keys ``pk`` and ``sk`` and its two indexes.

    Parameters
    ----------
    table_name
        What it is called.
    now
        Returns the time in microseconds.
    random
        Decides how long transactions take, and where reads are cut in two.
    is_adverse
        Whether reads are cut, answers come in any order, and batches are answered in part.
    tag
        Names who is calling; passed on to ``on_write``.
    on_write
        Told of all that is written: who did, and each item before and after.
    """

    table_name: str
    now: Callable[[], int]
    random: Random
    is_adverse: bool = False
    tag: Callable[[], Any] = lambda: None
    on_write: Written = _nothing_heard
    ignores_conditions_of_updates: bool = False
    partitions: dict[str, dict[str, Item]] = field(default_factory=dict)
    _sorted: dict[str, list[str]] = field(default_factory=dict)
    _running: list[_Transaction] = field(default_factory=list)
    _done_tokens: set[str] = field(default_factory=set)

    def call(self, operation: str, params: Params) -> Any:
        """Answer a request; or return its steps, which return the answer."""
        self.settle()
        answer = getattr(self, f"_{xform_name(operation)}", None)
        if answer is None:
            raise AwsError("UnknownOperationException", operation)
        return answer(params)

    def settle(self) -> None:
        """End the transactions whose time has come."""
        now = self.now()
        while self._running and self._running[0].until <= now:
            transaction = self._running.pop(0)
            self._done_tokens.add(transaction.token)
            self._write(transaction.writes, transaction.tag)

    def settle_all(self) -> None:
        """End all transactions."""
        for transaction in self._running:
            transaction.until = 0
        self.settle()

    def items(self, pk_start: str = "") -> list[Item]:
        """Return all items of some partitions, in the order of their keys."""
        return [
            self.partitions[pk][sk]
            for pk in sorted(self.partitions)
            if pk.startswith(pk_start)
            for sk in self._sorted[pk]
        ]

    def put(self, items: Iterable[Item]) -> None:
        """Put items, whatever is under way."""
        self._write({key_of(item): item for item in items}, None)

    def item(self, key: Key) -> Item | None:
        return self.partitions.get(key[0], {}).get(key[1])

    def _write(self, writes: Mapping[Key, Item | None], tag: Any) -> None:
        changes = {key: (self.item(key), after) for key, after in writes.items()}
        for (pk, sk), (before, after) in changes.items():
            if after is not None:
                if before is None:
                    insort(self._sorted.setdefault(pk, []), sk)
                self.partitions.setdefault(pk, {})[sk] = after
            elif before is not None:
                del self.partitions[pk][sk]
                self._sorted[pk].remove(sk)
        self.on_write(tag, changes)

    def _check_table(self, params: Params) -> None:
        if params.get("TableName", self.table_name) != self.table_name:
            raise AwsError("ResourceNotFoundException", "Requested resource not found")
        reject_unused(params)

    def _reject_held(self, key: Key) -> None:
        if any(key in transaction.keys for transaction in self._running):
            raise AwsError("TransactionConflictException", _CONFLICT)

    # Writes of one item.

    def _put_item(self, params: Params) -> dict[str, Any]:
        return self._alone(params, "Put", key_of(params["Item"]))

    def _delete_item(self, params: Params) -> dict[str, Any]:
        return self._alone(params, "Delete", key_of(params["Key"]))

    def _update_item(self, params: Params) -> dict[str, Any]:
        return self._alone(params, "Update", key_of(params["Key"]))

    def _alone(self, params: Params, kind: str, key: Key) -> dict[str, Any]:
        self._check_table(params)
        self._reject_held(key)
        before = self.item(key)
        is_blind = kind == "Update" and self.ignores_conditions_of_updates
        if not is_blind and not holds(params, before):
            wants_item = params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise condition_failed(before if wants_item and before is not None else None)
        after = written(kind, params, before)
        self._write({key: after}, self.tag())
        return returned(params, before, after)

    # Reads.

    def _get_item(self, params: Params) -> dict[str, Any]:
        self._check_table(params)
        item = self.item(key_of(params["Key"]))
        return {} if item is None else {"Item": projected(params, item)}

    def _batch_get_item(self, params: Params) -> Steps:
        ((table_name, asked),) = params["RequestItems"].items()
        self._check_table({"TableName": table_name})
        keys = [key_of(key) for key in asked["Keys"]]
        if not 1 <= len(keys) <= MAX_KEYS:
            raise invalid("Too many items requested for the BatchGetItem call")
        if len(set(keys)) < len(keys):
            raise invalid("Provided list of item keys contains duplicates")
        return self._batch(asked, keys)

    def _batch(self, asked: Params, keys: list[Key]) -> Steps:
        left: list[Key] = []
        cut = len(keys)
        if self.is_adverse and len(keys) > 1:
            self.random.shuffle(keys)
            if self.random.random() < 0.1:
                keys, left = keys[:-1], keys[-1:]
            cut = self._cut(len(keys))
        found = [self.item(key) for key in keys[:cut]]
        if cut < len(keys):
            yield 1_000
            self.settle()
            found += [self.item(key) for key in keys[cut:]]
        items = [projected(asked, item) for item in found if item is not None]
        answer: dict[str, Any] = {"Responses": {self.table_name: items}, "UnprocessedKeys": {}}
        if left:
            again = {**asked, "Keys": [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in left]}
            answer["UnprocessedKeys"] = {self.table_name: again}
        return answer

    def _cut(self, length: int) -> int:
        """Choose where a read is cut in two; mostly it is not."""
        if self.is_adverse and length > 1 and self.random.random() < 0.3:
            return self.random.randrange(1, length)
        return length

    def _query(self, params: Params) -> Any:
        self._check_table(params)
        scope = scope_of(params)
        conditions = [
            (scope.name(name), comparator, operand({}, scope) or {})
            for name, comparator, operand in key_conditions_of(params["KeyConditionExpression"])
        ]
        hash_name, range_name = INDEXES.get(params.get("IndexName", ""), ("pk", "sk"))
        hashes = [value for name, sign, value in conditions if (name, sign) == (hash_name, "=")]
        ranges = [(sign, value) for name, sign, value in conditions if name == range_name]
        if len(hashes) != 1 or len(hashes) + len(ranges) != len(conditions) or len(ranges) > 1:
            raise invalid("Query condition missed key schema element")
        if "IndexName" in params:
            return self._query_index(params, (hash_name, hashes[0]), range_name, ranges)
        return self._query_table(params, hashes[0]["S"], ranges)

    def _query_table(self, params: Params, pk: str, ranges: Sequence[tuple[str, Value]]) -> Steps:
        sort_keys = self._sorted.get(pk, [])
        low, high = 0, len(sort_keys)
        for sign, value in ranges:
            low, high = places_of(sort_keys, sign, value.get("S", ""))
        is_forward = params.get("ScanIndexForward", True)
        if start := params.get("ExclusiveStartKey"):
            if is_forward:
                low = max(low, bisect_right(sort_keys, start["sk"]["S"]))
            else:
                high = min(high, bisect_left(sort_keys, start["sk"]["S"]))
        keys = sort_keys[low:high]
        if not is_forward:
            keys.reverse()
        partition = self.partitions.get(pk, {})
        limit = params.get("Limit", len(keys) + 1)
        page, rest = keys[:limit], keys[limit:]
        cut = self._cut(len(page))
        items = [partition[sk] for sk in page[:cut]]
        if cut < len(page):
            yield 1_000
            self.settle()
            # What has been deleted meanwhile is not there any more.
            items += [partition[sk] for sk in page[cut:] if sk in partition]
        answer = answered(params, items)
        if rest or (len(page) == limit and page):
            answer["LastEvaluatedKey"] = {"pk": {"S": pk}, "sk": {"S": page[-1]}}
        return answer

    def _query_index(
        self,
        params: Params,
        wanted: tuple[str, Value],
        range_name: str,
        ranges: Sequence[tuple[str, Value]],
    ) -> dict[str, Any]:
        hash_name, hash_value = wanted
        items = [
            item
            for item in self._indexed(params["IndexName"])
            if same(hash_value, item[hash_name])
            and all(is_in_range(item[range_name], sign, value) for sign, value in ranges)
        ]
        if range_name:
            items.sort(key=lambda item: item[range_name]["S"])
        if not params.get("ScanIndexForward", True):
            items.reverse()
        return self._paged(params, items)

    def _scan(self, params: Params) -> dict[str, Any]:
        self._check_table(params)
        if "IndexName" not in params:
            return self._paged(params, self.items())
        return self._paged(params, self._indexed(params["IndexName"]))

    def _indexed(self, name: str) -> list[Item]:
        """Return what an index holds, in no order of its own."""
        keys = [key for key in INDEXES[name] if key]
        items = [item for item in self.items() if all(key in item for key in keys)]
        kept = _ONLY_KEYS.get(name)
        return [{key: item[key] for key in kept} for item in items] if kept else items

    def _paged(self, params: Params, items: list[Item]) -> dict[str, Any]:
        if start := params.get("ExclusiveStartKey"):
            places = [place for place, item in enumerate(items) if key_of(item) == key_of(start)]
            items = items[places[0] + 1 :] if places else []
        limit = params.get("Limit", len(items) + 1)
        answer = answered(params, items[:limit])
        if len(items) >= limit:
            last = items[limit - 1]
            names = {"pk", "sk", *filter(None, INDEXES.get(params.get("IndexName", ""), ()))}
            answer["LastEvaluatedKey"] = {name: last[name] for name in names}
        return answer

    # Many items at once.

    def _batch_write_item(self, params: Params) -> dict[str, Any]:
        ((table_name, requests),) = params["RequestItems"].items()
        self._check_table({"TableName": table_name})
        writes: dict[Key, Item | None] = {}
        for request in requests:
            if put := request.get("PutRequest"):
                key, after = key_of(put["Item"]), put["Item"]
            else:
                key, after = key_of(request["DeleteRequest"]["Key"]), None
            if key in writes:
                raise invalid("Provided list of item keys contains duplicates")
            self._reject_held(key)
            writes[key] = after
        if len(writes) > MAX_WRITES:
            raise invalid("Too many items requested for the BatchWriteItem call")
        self._write(writes, self.tag())
        return {"UnprocessedItems": {}}

    def _transact_write_items(self, params: Params) -> Any:
        token = params.get("ClientRequestToken", "")
        if token and token in self._done_tokens:
            return {}
        if token and any(token == transaction.token for transaction in self._running):
            raise AwsError("TransactionInProgressException", "in progress")
        actions = [next(iter(action.items())) for action in params["TransactItems"]]
        if not 1 <= len(actions) <= MAX_ACTIONS:
            raise invalid("Member must have length less than or equal to 100")
        for _, asked in actions:
            self._check_table(asked)
        keys = [key_of(asked["Item" if kind == "Put" else "Key"]) for kind, asked in actions]
        _reject_twice(keys)
        held = {key for transaction in self._running for key in transaction.keys}
        reasons = [
            self._reason(asked, key, held) for (_, asked), key in zip(actions, keys, strict=True)
        ]
        writes = {
            key: written(kind, asked, self.item(key))
            for (kind, asked), key, reason in zip(actions, keys, reasons, strict=True)
            if kind != "ConditionCheck" and reason["Code"] == "None"
        }
        if any(reason["Code"] != "None" for reason in reasons):
            raise _cancelled(reasons)
        lasts = self.random.randrange(2_000, 12_000)
        until = max(self.now() + lasts, self._running[-1].until if self._running else 0)
        transaction = _Transaction(token, until, writes, set(keys), self.tag())
        self._running.append(transaction)
        return self._transaction(transaction)

    def _reason(self, asked: Params, key: Key, held: set[Key]) -> dict[str, Any]:
        """Say why a transaction is cancelled for one of its actions, if it is."""
        if key in held:
            return {"Code": "TransactionConflict", "Message": _CONFLICT}
        before = self.item(key)
        if holds(asked, before):
            return {"Code": "None"}
        reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        wants_item = asked.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return {**reason, "Item": dict(before)} if wants_item and before else reason

    def _transaction(self, transaction: _Transaction) -> Steps:
        while transaction in self._running:
            yield max(transaction.until - self.now(), 0)
            self.settle()
        return {}


def finished(steps: Steps, wait: Callable[[int], object]) -> dict[str, Any]:
    """Take a call to its end, waiting some microseconds at each step; return its answer."""
    while True:
        try:
            wait(next(steps))
        except StopIteration as end:
            answer: dict[str, Any] = end.value
            return answer


def _reject_twice(keys: Sequence[Key]) -> None:
    if len(set(keys)) < len(keys):
        raise invalid("Transaction request cannot include multiple operations on one item")


def _cancelled(reasons: list[dict[str, Any]]) -> AwsError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return AwsError(
        "TransactionCanceledException",
        f"{_CANCELLED} [{codes}]",
        more={"CancellationReasons": reasons},
    )
