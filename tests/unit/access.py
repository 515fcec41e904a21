"""What a policy allows: IAM's own logic, as far as the policies of tap-ci use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str | list[str]]


def may(policy: str, action: str, resource: str, **context: str | list[str]) -> bool:
    """Tell whether a policy allows an action; ``__`` stands for a colon in a key of the context."""
    keys: Context = {name.replace("__", ":"): value for name, value in context.items()}
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, each) for each in _list(statement["Action"]))
        and any(fnmatchcase(resource, each) for each in _list(statement["Resource"]))
        and _holds(statement.get("Condition", {}), keys)
        for statement in json.loads(policy)["Statement"]
    )


def _holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _matches(operator, context.get(key), _list(wanted))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _matches(operator: str, value: str | list[str] | None, wanted: list[str]) -> bool:
    if value is None:
        return operator.endswith("IfExists") or operator.startswith("ForAllValues")
    kind = operator.removesuffix("IfExists").removeprefix("ForAllValues:")
    assert kind in {"ArnEquals", "Bool", "StringEquals", "StringLike"}, operator
    is_exact = kind in {"Bool", "StringEquals"}
    return all(
        any(each == want if is_exact else fnmatchcase(each, want) for want in wanted)
        for each in _list(value)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
