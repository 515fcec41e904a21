"""Which calls a client makes, and the capacity that they take."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.capacity import Index, Units, read_units, write_units
from benchmarks.hooks import hooked

_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}


@dataclass(slots=True)
class Meter:
    """Counts what goes through clients while it is `connected`.

    Parameters
    ----------
    eye
        A DynamoDB client that is not metered: it looks at items before and after a write.

    Attributes
    ----------
    calls
        How often each operation was called.
    units
        The capacity that DynamoDB's take.
    written
        The write units by partition key, without those of indexes.
    published
        How many messages were sent to SNS.
    """

    eye: Any
    calls: Counter[str] = field(default_factory=Counter)
    units: Units = field(default_factory=Units)
    written: Counter[str] = field(default_factory=Counter)
    published: int = 0
    _indexes: dict[str, list[Index]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def connected(self, *clients: Any) -> Iterator[Meter]:
        """Count the calls of some clients."""
        with hooked(clients, {"before-call.*.*": self._begin, "after-call.*.*": self._end}):
            yield self

    def _begin(self, model: Any, params: Any, context: Any, **_: Any) -> None:
        with self._lock:
            self.calls[model.name] += 1
            self.published += _published(model.name, params)
        if model.service_model.service_name == "dynamodb":
            request = json.loads(params["body"])
            context["metered"] = request, self._looked_at(model.name, request)

    def _end(self, model: Any, http_response: Any, context: Any, **_: Any) -> None:
        if "metered" not in context:
            return
        request, before = context.pop("metered")
        answer = json.loads(http_response.content)
        if model.name == "Query":
            units = Units(read=read_units(answer["Items"], is_consistent=_is_consistent(request)))
        elif model.name == "BatchGetItem":
            units = _read(request, answer)
        else:
            units = self._written(model.name, request, before)
        with self._lock:
            self.units += units

    def _written(self, operation: str, request: Any, before: list[Any]) -> Units:
        after = self._looked_at(operation, request)
        units = Units()
        is_transactional = operation == "TransactWriteItems"
        for (table, key, item), (_, _, changed) in zip(before, after, strict=True):
            alone = write_units(item, changed, is_transactional=is_transactional)
            indexes = self._indexes_of(table)
            units += Units(
                write=write_units(item, changed, indexes, is_transactional=is_transactional)
            )
            with self._lock:
                self.written[key["pk"]["S"]] += alone
        return units

    def _looked_at(self, operation: str, request: Any) -> list[tuple[str, Any, Any]]:
        """Look at the items that a write is for."""
        looked = []
        for table, action in _written_to(operation, request):
            item = action.get("Key") or action["Item"]
            key = {name: item[name] for name in ("pk", "sk")}
            answer = self.eye.get_item(TableName=table, Key=key, ConsistentRead=True)
            looked.append((table, key, answer.get("Item")))
        return looked

    def _indexes_of(self, table: str) -> list[Index]:
        if table not in self._indexes:
            described = self.eye.describe_table(TableName=table)["Table"]
            self._indexes[table] = [
                Index(
                    keys=[key["AttributeName"] for key in index["KeySchema"]],
                    holds_all=index["Projection"]["ProjectionType"] == "ALL",
                )
                for index in described.get("GlobalSecondaryIndexes", ())
            ]
        return self._indexes[table]


def _written_to(operation: str, request: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what an operation writes: a table, and the request for an item of it."""
    if operation in _WRITES:
        yield request["TableName"], request
    elif operation == "BatchWriteItem":
        for table, entries in request["RequestItems"].items():
            yield from ((table, action) for entry in entries for action in entry.values())
    elif operation == "TransactWriteItems":
        for entry in request["TransactItems"]:
            yield from ((action["TableName"], action) for action in entry.values())


def _published(operation: str, params: Any) -> int:
    match operation:
        case "Publish":
            return 1
        case "PublishBatch":
            return sum(name.endswith(".Id") for name in params["body"])
    return 0


def _read(request: Any, answer: Any) -> Units:
    units = Units()
    for table, asked in request["RequestItems"].items():
        found = answer["Responses"].get(table, [])
        nothing: list[Any] = [{}] * (len(asked["Keys"]) - len(found))
        is_consistent = _is_consistent(asked)
        units += Units(
            read=read_units([*found, *nothing], is_consistent=is_consistent, each_alone=True)
        )
    return units


def _is_consistent(request: Any) -> bool:
    return bool(request.get("ConsistentRead", False))
