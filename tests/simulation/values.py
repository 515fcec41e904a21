"""Values in DynamoDB's own notation: compared, and added.

Of types, only those are known that the project's tables hold: no sets.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, Rounded
from typing import Any

from tests.simulation.errors import invalid

Value = dict[str, Any]  # one type's name, and what it holds
Item = Mapping[str, Value]

_DIGITS = Context(prec=38, Emin=-128, Emax=126, traps=[Inexact, Rounded])
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_ORDERED = {"S", "N", "B"}


def same(one: Value, other: Value | None) -> bool:
    """Return whether two values are equal; numbers are, however they are written."""
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
    return kind == "N" and Decimal(inner) == Decimal(others)


def compare(left: Value | None, comparator: str, right: Value | None) -> bool:
    """Compare two values; what is not there, or of another type, is before or after nothing."""
    if left is None or right is None:
        return comparator == "<>" and (left is None) != (right is None)
    if comparator in ("=", "<>"):
        return same(left, right) == (comparator == "=")
    ((kind, inner),) = left.items()
    if kind not in _ORDERED or kind not in right:
        return False
    read = Decimal if kind == "N" else lambda written: written
    return bool(_ORDERS[comparator](read(inner), read(right[kind])))


def begins_with(value: Value | None, start: Value | None) -> bool:
    """Return whether a text begins with another."""
    if value is None or start is None or "S" not in value or "S" not in start:
        return False
    return bool(value["S"].startswith(start["S"]))


def total(left: Value, right: Value) -> Value:
    """Add two numbers."""
    if "N" not in left or "N" not in right:
        raise invalid("An operand in the update expression has an incorrect data type")
    try:
        number = _DIGITS.add(Decimal(left["N"]), Decimal(right["N"]))
    except (Inexact, Rounded):
        raise invalid("Attempting to store more than 38 significant digits") from None
    return {"N": str(number)}
