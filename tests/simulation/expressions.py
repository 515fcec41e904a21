"""DynamoDB's expressions: conditions, conditions on keys, updates and projections.

Only the part of the language is known that the project uses; all else is rejected. Each is parsed
once, into functions of an item and of what its placeholders stand for. Values are as DynamoDB's
protocol has them: ``{"S": "text"}``, ``{"N": "1.5"}`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from tests.simulation.errors import invalid
from tests.simulation.values import Item, Value, begins_with, compare, total

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),.+]|[:#]?[A-Za-z0-9_]+)")
_COMPARATORS = {"=", "<>", "<", "<=", ">", ">="}
_RESERVED = frozenset(ReservedKeywords.get_reserved_keywords())
_EXPRESSIONS = (
    *("ConditionExpression", "UpdateExpression", "KeyConditionExpression"),
    *("FilterExpression", "ProjectionExpression"),
)


class Scope(NamedTuple):
    """What the placeholders of a request stand for."""

    names: Mapping[str, str]
    values: Mapping[str, Value]

    def name(self, written: str) -> str:
        if not written.startswith("#"):
            return written
        if written not in self.names:
            raise invalid(f"An expression attribute name used is not defined: {written}")
        return self.names[written]

    def value(self, written: str) -> Value:
        if written not in self.values:
            raise invalid(f"An expression attribute value used is not defined: {written}")
        return self.values[written]


Operand = Callable[[Item, Scope], Value | None]
Condition = Callable[[Item, Scope], bool]
KeyCondition = tuple[str, str, Operand]  # the name as written, the comparison, the value
Setting = tuple[str, Operand | None]  # the name as written, and its new value; None removes it


@lru_cache(8192)
def _placeholders_in(expression: str) -> frozenset[str]:
    return frozenset(re.findall(r"[:#][A-Za-z0-9_]+", expression))


def reject_unused(params: Mapping[str, Any]) -> None:
    """Reject a request with placeholders that are in none of its expressions."""
    given = [
        *params.get("ExpressionAttributeNames", ()),
        *params.get("ExpressionAttributeValues", ()),
    ]
    if given:
        texts = [params[name] for name in _EXPRESSIONS if name in params]
        if not set().union(*map(_placeholders_in, texts)).issuperset(given):
            raise invalid("Value provided in ExpressionAttributeNames or Values unused")


def _found(item: Item, names: list[str], scope: Scope) -> Value | None:
    """Return what is at a path of names; ``None`` if nothing is."""
    value = item.get(scope.name(names[0]))
    for name in names[1:]:
        value = None if value is None else value.get("M", {}).get(scope.name(name))
    return value


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, expression: str) -> None:
        self._tokens: list[str] = []
        place = 0
        text = expression.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise invalid(f"Invalid expression: syntax error near {text[place:]!r}")
            self._tokens.append(match[1])
            place = match.end()
        self._next = 0

    def is_at_end(self) -> bool:
        return self._next == len(self._tokens)

    def take(self, wanted: str = "") -> str:
        token = "" if self.is_at_end() else self._tokens[self._next]
        if not token or (wanted and token.upper() != wanted):
            raise invalid(f"Invalid expression: syntax error; token: {token or '<EOF>'!r}")
        self._next += 1
        return token

    def has(self, word: str, ahead: int = 0) -> bool:
        """Return whether a token comes next; skip it and those before it if it does."""
        is_next = [token.upper() for token in self._tokens[self._next :][ahead : ahead + 1]]
        if is_next == [word.upper()]:
            self._next += ahead + 1
            return True
        return False

    def name(self) -> str:
        token = self.take()
        if not re.fullmatch(r"#?[A-Za-z0-9_]+", token) or token.upper() in ("AND", "OR"):
            raise invalid(f"Invalid expression: syntax error; token: {token!r}")
        if token.upper() in _RESERVED:
            raise invalid(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def operand(self) -> Operand:
        if not self.is_at_end() and self._tokens[self._next].startswith(":"):
            token = self.take()
            return lambda _, scope: scope.value(token)
        names = [self.name()]
        while self.has("."):
            names.append(self.name())
        return lambda item, scope: _found(item, names, scope)

    def condition(self) -> Condition:
        parts = [self._all_of()]
        while self.has("OR"):
            parts.append(self._all_of())
        return lambda item, scope: any(part(item, scope) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._single()]
        while self.has("AND"):
            parts.append(self._single())
        return lambda item, scope: all(part(item, scope) for part in parts)

    def _single(self) -> Condition:
        if self.has("("):
            inner = self.condition()
            self.take(")")
            return inner
        if self.has("(", ahead=1):
            return self._function(self._tokens[self._next - 2])
        left, comparator = self.operand(), self.take()
        if comparator not in _COMPARATORS:
            raise invalid(f"Invalid expression: syntax error; token: {comparator!r}")
        right = self.operand()
        return lambda item, scope: compare(left(item, scope), comparator, right(item, scope))

    def _function(self, name: str) -> Condition:
        operand = self.operand()
        start = self.operand() if name == "begins_with" and self.take(",") else operand
        self.take(")")
        match name:
            case "attribute_exists":
                return lambda item, scope: operand(item, scope) is not None
            case "attribute_not_exists":
                return lambda item, scope: operand(item, scope) is None
            case "begins_with":
                return lambda item, scope: begins_with(operand(item, scope), start(item, scope))
        raise invalid(f"Invalid expression: Invalid function name; function: {name}")

    def key_conditions(self) -> list[KeyCondition]:
        conditions: list[KeyCondition] = []
        while True:
            if self.has("("):
                conditions += self.key_conditions()
                self.take(")")
            else:
                conditions.append(self._key_condition())
            if not self.has("AND"):
                return conditions

    def _key_condition(self) -> KeyCondition:
        if self.has("begins_with"):
            self.take("(")
            name, _, operand = self.name(), self.take(","), self.operand()
            self.take(")")
            return name, "begins_with", operand
        name, comparator = self.name(), self.take()
        if comparator not in _COMPARATORS - {"<>"}:
            raise invalid(f"Invalid operator used in KeyConditionExpression: {comparator}")
        return name, comparator, self.operand()

    def settings(self) -> list[Setting]:
        settings: list[Setting] = []
        while not self.is_at_end():
            section = self.take().upper()
            if section not in ("SET", "REMOVE"):
                raise invalid(f"Invalid UpdateExpression: syntax error; token: {section!r}")
            while True:
                name = self.name()
                settings.append(
                    (name, self._sum() if section == "SET" and self.take("=") else None)
                )
                if not self.has(","):
                    break
        return settings

    def _sum(self) -> Operand:
        left = self._term()
        if not self.has("+"):
            return left
        right = self._term()

        def added(item: Item, scope: Scope) -> Value:
            values = [operand(item, scope) for operand in (left, right)]
            if None in values:
                raise invalid("The provided expression refers to an attribute that does not exist")
            return total(*(value for value in values if value))

        return added

    def _term(self) -> Operand:
        if not self.has("(", ahead=1):
            return self.operand()
        if (function := self._tokens[self._next - 2]) != "if_not_exists":
            raise invalid(f"Invalid UpdateExpression: Invalid function name; function: {function}")
        operand, _, default = self.operand(), self.take(","), self.operand()
        self.take(")")
        return lambda item, scope: operand(item, scope) or default(item, scope)


@lru_cache(4096)
def condition_of(expression: str) -> Condition:
    """Parse a condition."""
    parser = _Parser(expression)
    condition = parser.condition()
    if not parser.is_at_end():
        parser.take("<EOF>")
    return condition


@lru_cache(1024)
def key_conditions_of(expression: str) -> tuple[KeyCondition, ...]:
    """Parse the conditions on the keys of a query."""
    parser = _Parser(expression)
    conditions = parser.key_conditions()
    if not parser.is_at_end():
        parser.take("<EOF>")
    return tuple(conditions)


@lru_cache(4096)
def update_of(expression: str) -> tuple[Setting, ...]:
    """Parse an update into its actions."""
    settings = _Parser(expression).settings()
    if not settings:
        raise invalid("Invalid UpdateExpression: The expression can not be empty;")
    return tuple(settings)


def names_of(expression: str) -> list[str]:
    """Parse a projection."""
    return [name.strip() for name in expression.split(",")]
