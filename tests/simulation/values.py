"""Values in DynamoDB's own notation: compared, measured, added, and put into items."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, Inexact, Rounded
from typing import Any

from tests.simulation.errors import invalid

Value = dict[str, Any]  # one type's name, and what it holds
Item = Mapping[str, Value]

_DIGITS = Context(prec=38, Emin=-128, Emax=126, traps=[Inexact, Rounded])
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED = {"S", "N", "B"}
_PATH_IS_WRONG = "The document path provided in the update expression is invalid for update"


def same(one: Value, other: Value | None) -> bool:
    """Tell whether two values are equal; numbers are, however they are written."""
    if one == other:
        return True
    if other is None or one.keys() != other.keys():
        return False
    ((kind, inner),) = one.items()
    others = other[kind]
    if kind == "L":
        return len(inner) == len(others) and all(map(same, inner, others))
    if kind == "M":
        return bool(inner.keys() == others.keys()) and all(
            same(inner[name], others[name]) for name in inner
        )
    read = _READERS.get(kind)
    return read is not None and bool(read(inner) == read(others))


def _numbers(texts: Sequence[str]) -> set[Decimal]:
    return set(map(Decimal, texts))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "N": Decimal,
    "SS": set,
    "BS": set,
    "NS": _numbers,
}


def compare(left: Value | None, comparator: str, right: Value | None) -> bool:
    """Compare two values; what is not there, or of another type, is before or after nothing."""
    if left is None or right is None:
        return comparator == "<>" and (left is None) != (right is None)
    if comparator == "=":
        return same(left, right)
    if comparator == "<>":
        return not same(left, right)
    ((kind, inner),) = left.items()
    if kind not in _ORDERED or kind not in right:
        return False
    if kind == "N":
        return _ORDERS[comparator](Decimal(inner), Decimal(right[kind]))
    return _ORDERS[comparator](inner, right[kind])


def begins_with(value: Value | None, start: Value | None) -> bool:
    """Tell whether a text begins with another."""
    if value is None or start is None or "S" not in value or "S" not in start:
        return False
    return bool(value["S"].startswith(start["S"]))


def contains(value: Value | None, part: Value | None) -> bool:
    """Tell whether a text holds another, or a set or a list a value."""
    if value is None or part is None:
        return False
    ((kind, inner),) = value.items()
    if kind == "S":
        return part.get("S", "\0") in inner
    if kind == "L":
        return any(same(each, part) for each in inner)
    if kind in ("SS", "NS", "BS"):
        return any(same({kind[0]: each}, part) for each in inner)
    return False


def size(value: Value | None) -> Value | None:
    """Measure a text, a list, a map or a set."""
    if value is None:
        return None
    ((kind, inner),) = value.items()
    if kind in ("N", "BOOL", "NULL"):
        return None
    return {"N": str(len(inner.encode()) if kind == "S" else len(inner))}


def total(left: Value, right: Value, sign: str = "+") -> Value:
    """Add two numbers, or take one from the other."""
    if "N" not in left or "N" not in right:
        raise invalid("An operand in the update expression has an incorrect data type")
    numbers = Decimal(left["N"]), Decimal(right["N"])
    try:
        number = (_DIGITS.add if sign == "+" else _DIGITS.subtract)(*numbers)
    except (Inexact, Rounded):
        raise invalid("Attempting to store more than 38 significant digits") from None
    return {"N": str(number)}


def value_at(item: Item, path: Sequence[str | int]) -> Value | None:
    """Find what stands at a path; ``None`` if nothing does."""
    value: Value | None = item.get(str(path[0]))
    for part in path[1:]:
        if value is None:
            return None
        if isinstance(part, int):
            inner = value.get("L", ())
            value = inner[part] if part < len(inner) else None
        else:
            value = value.get("M", {}).get(part)
    return value


def with_value(item: Item, path: Sequence[str | int], value: Value) -> dict[str, Value]:
    """Return an item in which a value stands at a path; the given one is left as it is."""
    first, *others = path
    changed = dict(item)
    if others:
        if first not in item:
            raise invalid(_PATH_IS_WRONG)
        value = _nested(item[str(first)], others, value)
    changed[str(first)] = value
    return changed


def _nested(outer: Value, path: Sequence[str | int], value: Value) -> Value:
    first, *others = path
    if isinstance(first, int):
        if "L" not in outer:
            raise invalid(_PATH_IS_WRONG)
        entries = list(outer["L"])
        if others:
            if first >= len(entries):
                raise invalid(_PATH_IS_WRONG)
            value = _nested(entries[first], others, value)
        entries[first : first + 1] = [value]
        return {"L": entries}
    if "M" not in outer or (others and first not in outer["M"]):
        raise invalid(_PATH_IS_WRONG)
    if others:
        value = _nested(outer["M"][first], others, value)
    return {"M": {**outer["M"], first: value}}


def without_value(item: Item, path: Sequence[str | int]) -> dict[str, Value]:
    """Return an item in which nothing stands at a path."""
    first, *others = path
    changed = dict(item)
    if not others:
        changed.pop(str(first), None)
        return changed
    if first not in item:
        raise invalid(_PATH_IS_WRONG)
    changed[str(first)] = _bare(item[str(first)], others)
    return changed


def _bare(outer: Value, path: Sequence[str | int]) -> Value:
    first, *others = path
    if isinstance(first, int):
        if "L" not in outer:
            raise invalid(_PATH_IS_WRONG)
        entries = list(outer["L"])
        if first < len(entries):
            entries[first : first + 1] = [_bare(entries[first], others)] if others else []
        return {"L": entries}
    if "M" not in outer or (others and first not in outer["M"]):
        raise invalid(_PATH_IS_WRONG)
    inner = dict(outer["M"])
    if others:
        inner[first] = _bare(inner[first], others)
    else:
        inner.pop(first, None)
    return {"M": inner}
