"""What DynamoDB makes of an item: changed by a write, held against a condition, answered with."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulation.errors import invalid
from tests.simulation.expressions import Scope, condition_of, paths_of, update_of
from tests.simulation.values import (
    Item,
    Value,
    begins_with,
    compare,
    total,
    value_at,
    with_value,
    without_value,
)

Key = tuple[str, str]
Params = Mapping[str, Any]


def key_of(attributes: Item) -> Key:
    """Return an item's key."""
    try:
        return attributes["pk"]["S"], attributes["sk"]["S"]
    except KeyError:
        raise invalid("The provided key element does not match the schema") from None


def scope_of(params: Params) -> Scope:
    return Scope(
        params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
    )


def holds(params: Params, item: Item | None) -> bool:
    expression = params.get("ConditionExpression")
    return not expression or condition_of(expression)(item or {}, scope_of(params))


def written(kind: str, params: Params, before: Item | None) -> Item | None:
    if kind == "Put":
        item: Item = params["Item"]
        return item
    if kind == "Delete":
        return None
    return _updated(params, before)


def _updated(params: Params, before: Item | None) -> Item:
    scope, old = scope_of(params), before or {}
    item: Item = before if before is not None else dict(params["Key"])
    if "UpdateExpression" not in params:
        return item
    removals: list[tuple[str | int, ...]] = []
    for setting in update_of(params["UpdateExpression"]):
        path = setting.path.resolved(scope)
        if path[0] in ("pk", "sk"):
            raise invalid("One or more parameter values were invalid: Cannot update attribute")
        value = setting.operand(old, scope) if setting.operand else None
        if setting.kind == "REMOVE":
            removals.append(path)
        elif setting.kind == "SET":
            assert value is not None
            item = with_value(item, path, value)
        else:
            item = _added(item, path, setting.kind, value or {})
    for path in sorted(removals, key=str, reverse=True):  # the last of a list first
        item = without_value(item, path)
    return item


def _added(item: Item, path: tuple[str | int, ...], kind: str, value: Value) -> Item:
    before = value_at(item, path)
    if kind == "ADD" and "N" in value:
        return with_value(item, path, total(before or {"N": "0"}, value))
    ((set_kind, entries),) = value.items()
    if set_kind not in ("SS", "NS", "BS") or (before is not None and set_kind not in before):
        raise invalid("An operand in the update expression has an incorrect data type")
    there = before[set_kind] if before else []
    if kind == "ADD":
        return with_value(item, path, {set_kind: [*there, *(e for e in entries if e not in there)]})
    left = [each for each in there if each not in entries]
    return with_value(item, path, {set_kind: left}) if left else without_value(item, path)


def returned(params: Params, before: Item | None, after: Item | None) -> dict[str, Any]:
    wanted = params.get("ReturnValues", "NONE")
    source = before if wanted.endswith("OLD") else after
    if wanted == "NONE" or source is None:
        return {}
    if wanted.startswith("ALL"):
        return {"Attributes": dict(source)}
    scope = scope_of(params)
    names = [
        str(setting.path.resolved(scope)[0]) for setting in update_of(params["UpdateExpression"])
    ]
    touched = {name: source[name] for name in names if name in source}
    return {"Attributes": touched} if touched else {}


def places_of(sort_keys: list[str], sign: str, values: Sequence[str]) -> tuple[int, int]:
    """Tell from where to where sort keys meet a condition."""
    first, last = values[0], values[-1]
    from_first, behind_first = bisect_left(sort_keys, first), bisect_right(sort_keys, first)
    end = len(sort_keys)
    places = {
        "=": (from_first, behind_first),
        "<": (0, from_first),
        "<=": (0, behind_first),
        ">": (behind_first, end),
        ">=": (from_first, end),
        "BETWEEN": (from_first, bisect_right(sort_keys, last)),
        "begins_with": (from_first, bisect_left(sort_keys, first + "\U0010ffff")),
    }
    return places[sign]


def is_in_range(value: Value, sign: str, values: Sequence[Value]) -> bool:
    if sign == "begins_with":
        return begins_with(value, values[0])
    if sign == "BETWEEN":
        return compare(value, ">=", values[0]) and compare(value, "<=", values[1])
    return compare(value, sign, values[0])


def answered(params: Params, items: Sequence[Item]) -> dict[str, Any]:
    kept = items
    if expression := params.get("FilterExpression"):
        scope, is_kept = scope_of(params), condition_of(expression)
        kept = [item for item in items if is_kept(item, scope)]
    answer: dict[str, Any] = {"Count": len(kept), "ScannedCount": len(items)}
    if params.get("Select") != "COUNT":
        answer["Items"] = [projected(params, item) for item in kept]
    return answer


def projected(params: Params, item: Item) -> dict[str, Value]:
    """Copy an item, or what is asked of it: whoever gets it may change it."""
    expression = params.get("ProjectionExpression")
    if not expression:
        return dict(item)
    scope = scope_of(params)
    projected: dict[str, Value] = {}
    for path in paths_of(expression):
        parts = path.resolved(scope)
        value = value_at(item, parts)
        if value is not None:
            for part in reversed(parts[1:]):
                value = {"L": [value]} if isinstance(part, int) else {"M": {part: value}}
            projected[str(parts[0])] = value
    return projected
