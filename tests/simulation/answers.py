"""What DynamoDB makes of an item: changed by a write, held against a condition, answered with."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulation.errors import invalid
from tests.simulation.expressions import Scope, condition_of, names_of, update_of
from tests.simulation.values import Item, Value, begins_with, compare

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
    return None if kind == "Delete" else _updated(params, before)


def _updated(params: Params, before: Item | None) -> Item:
    scope, old = scope_of(params), before or {}
    item = dict(params["Key"] if before is None else before)
    for written_name, operand in update_of(params["UpdateExpression"]):
        name = scope.name(written_name)
        if name in ("pk", "sk"):
            raise invalid("One or more parameter values were invalid: Cannot update attribute")
        if operand is None:
            item.pop(name, None)
        elif (value := operand(old, scope)) is None:
            raise invalid("The provided expression refers to an attribute that does not exist")
        else:
            item[name] = value
    return item


def returned(params: Params, before: Item | None, after: Item | None) -> dict[str, Any]:
    wanted = params.get("ReturnValues", "NONE")
    source = {"NONE": None, "ALL_OLD": before, "ALL_NEW": after}[wanted]
    return {} if source is None else {"Attributes": dict(source)}


def places_of(sort_keys: list[str], sign: str, value: str) -> tuple[int, int]:
    """Return from where to where sort keys meet a condition."""
    start, end = bisect_left(sort_keys, value), bisect_right(sort_keys, value)
    places = {
        "=": (start, end),
        "<": (0, start),
        "<=": (0, end),
        ">": (end, len(sort_keys)),
        ">=": (start, len(sort_keys)),
        "begins_with": (start, bisect_left(sort_keys, value + "\U0010ffff")),
    }
    return places[sign]


def is_in_range(value: Value, sign: str, other: Value) -> bool:
    return begins_with(value, other) if sign == "begins_with" else compare(value, sign, other)


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
    if "ProjectionExpression" not in params:
        return dict(item)
    names = map(scope_of(params).name, names_of(params["ProjectionExpression"]))
    return {name: item[name] for name in names if name in item}
