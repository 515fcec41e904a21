"""DynamoDB's expressions: conditions, conditions on keys, updates and projections.

Each is parsed once, into functions of an item and of what its placeholders stand for. Values
are as DynamoDB's protocol has them: ``{"S": "text"}``, ``{"N": "1.5"}`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from tests.simulation.errors import invalid
from tests.simulation.values import (
    Item,
    Value,
    begins_with,
    compare,
    contains,
    same,
    size,
    total,
    value_at,
)

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),.\[\]+-]|[:#]?[A-Za-z0-9_]+)")
_COMPARATORS = {"=", "<>", "<", "<=", ">", ">="}
_RESERVED = frozenset(ReservedKeywords.get_reserved_keywords())
_WORDS = {"AND", "OR", "NOT", "IN", "BETWEEN"}
_EXPRESSIONS = (
    *("ConditionExpression", "UpdateExpression", "KeyConditionExpression"),
    *("FilterExpression", "ProjectionExpression"),
)
_SECTIONS = {"SET", "REMOVE", "ADD", "DELETE"}


@dataclass(frozen=True)
class Scope:
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


Part = str | int  # a name as it is written, or a place in a list


@dataclass(frozen=True)
class Path:
    """Where in an item something stands; names may still be placeholders."""

    parts: tuple[Part, ...]

    def resolved(self, scope: Scope) -> tuple[Part, ...]:
        return tuple(scope.name(part) if isinstance(part, str) else part for part in self.parts)


Operand = Callable[[Item, Scope], Value | None]
Condition = Callable[[Item, Scope], bool]
KeyCondition = tuple[str, str, tuple[Operand, ...]]  # the name as written, the comparison, values


@dataclass(frozen=True)
class Setting:
    """One action of an update: SET, REMOVE, ADD or DELETE of a path."""

    kind: str
    path: Path
    operand: Operand | None


Update = tuple[Setting, ...]


@lru_cache(8192)
def _placeholders_in(expression: str) -> frozenset[str]:
    return frozenset(re.findall(r"[:#][A-Za-z0-9_]+", expression))


def refuse_unused(params: Mapping[str, Any]) -> None:
    """Refuse a request with placeholders that stand in none of its expressions."""
    given = [
        *params.get("ExpressionAttributeNames", ()),
        *params.get("ExpressionAttributeValues", ()),
    ]
    if given:
        used: set[str] = set()
        for name in _EXPRESSIONS:
            if text := params.get(name):
                used |= _placeholders_in(text)
        if not used.issuperset(given):
            raise invalid("Value provided in ExpressionAttributeNames or Values unused")


class _Parser:
    """Reads one expression from its left to its right."""

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

    @property
    def is_at_end(self) -> bool:
        return self._next == len(self._tokens)

    def peek(self) -> str:
        return "" if self.is_at_end else self._tokens[self._next]

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token.upper() != wanted):
            raise invalid(f"Invalid expression: syntax error; token: {token or '<EOF>'!r}")
        self._next += 1
        return token

    def has(self, word: str) -> bool:
        if self.peek().upper() == word:
            self._next += 1
            return True
        return False

    def path(self) -> Path:
        parts: list[Part] = [self.name()]
        while self.peek() in (".", "["):
            if self.take() == ".":
                parts.append(self.name())
            else:
                parts.append(int(self.take()))
                self.take("]")
        return Path(tuple(parts))

    def name(self) -> str:
        token = self.take()
        if not re.fullmatch(r"#?[A-Za-z0-9_]+", token) or token.upper() in _WORDS:
            raise invalid(f"Invalid expression: syntax error; token: {token!r}")
        if token.upper() in _RESERVED:
            raise invalid(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def operand(self) -> Operand:
        token = self.peek()
        if token.startswith(":"):
            self.take()
            return lambda _, scope: scope.value(token)
        is_call = self._tokens[self._next + 1 : self._next + 2] == ["("]
        if token == "size" and is_call:
            self._next += 2
            measured = self.operand()
            self.take(")")
            return lambda item, scope: size(measured(item, scope))
        path = self.path()
        return lambda item, scope: value_at(item, path.resolved(scope))

    def condition(self) -> Condition:
        left = self._all_of()
        while self.has("OR"):
            left = _either(left, self._all_of())
        return left

    def _all_of(self) -> Condition:
        left = self._negated()
        while self.has("AND"):
            left = _both(left, self._negated())
        return left

    def _negated(self) -> Condition:
        if self.has("NOT"):
            inner = self._negated()
            return lambda item, scope: not inner(item, scope)
        return self._single()

    def _single(self) -> Condition:
        if self.has("("):
            inner = self.condition()
            self.take(")")
            return inner
        token = self.peek()
        if token in _FUNCTIONS and self._tokens[self._next + 1 : self._next + 2] == ["("]:
            self._next += 2
            operands = self._operands()
            return _FUNCTIONS[token](operands)
        left = self.operand()
        if self.has("BETWEEN"):
            low = self.operand()
            self.take("AND")
            return _between(left, low, self.operand())
        if self.has("IN"):
            self.take("(")
            return _one_of(left, self._operands())
        comparator = self.take()
        if comparator not in _COMPARATORS:
            raise invalid(f"Invalid expression: syntax error; token: {comparator!r}")
        return _compared(left, comparator, self.operand())

    def _operands(self) -> list[Operand]:
        operands = [self.operand()]
        while self.has(","):
            operands.append(self.operand())
        self.take(")")
        return operands

    def key_conditions(self) -> list[KeyCondition]:
        conditions: list[KeyCondition] = []
        while True:
            if self.has("("):
                conditions += self.key_conditions()
                self.take(")")
            else:
                conditions.append(self.key_condition())
            if not self.has("AND"):
                return conditions

    def key_condition(self) -> KeyCondition:
        if self.peek() == "begins_with":
            self.take()
            self.take("(")
            name = self.name()
            self.take(",")
            operand = self.operand()
            self.take(")")
            return name, "begins_with", (operand,)
        name = self.name()
        if self.has("BETWEEN"):
            low = self.operand()
            self.take("AND")
            return name, "BETWEEN", (low, self.operand())
        comparator = self.take()
        if comparator not in _COMPARATORS - {"<>"}:
            raise invalid(f"Invalid operator used in KeyConditionExpression: {comparator}")
        return name, comparator, (self.operand(),)

    def settings(self) -> list[Setting]:
        section = self.take().upper()
        if section not in _SECTIONS:
            raise invalid(f"Invalid UpdateExpression: syntax error; token: {section!r}")
        settings = [self._setting(section)]
        while self.has(","):
            settings.append(self._setting(section))
        return settings

    def _setting(self, section: str) -> Setting:
        path = self.path()
        operand: Operand | None = None
        if section == "SET":
            self.take("=")
            operand = self._sum()
        elif section != "REMOVE":
            operand = self.operand()
        return Setting(section, path, operand)

    def _sum(self) -> Operand:
        left = self._term()
        if self.peek() in ("+", "-"):
            sign = self.take()
            right = self._term()
            return lambda item, scope: total(
                _needed(left, item, scope), _needed(right, item, scope), sign
            )
        return lambda item, scope: _needed(left, item, scope)

    def _term(self) -> Operand:
        if self.has("("):
            inner = self._sum()
            self.take(")")
            return inner
        token = self.peek()
        if self._tokens[self._next + 1 : self._next + 2] != ["("]:
            return self.operand()
        self._next += 2
        first = self._term() if token == "list_append" else None
        path = self.path() if token == "if_not_exists" else None
        if first is None and path is None:
            raise invalid(f"Invalid UpdateExpression: Invalid function name; function: {token}")
        self.take(",")
        second = self._term()
        self.take(")")
        if first is not None:
            return _appended(first, second)
        return _with_default(path, second)


def _both(left: Condition, right: Condition) -> Condition:
    return lambda item, scope: left(item, scope) and right(item, scope)


def _either(left: Condition, right: Condition) -> Condition:
    return lambda item, scope: left(item, scope) or right(item, scope)


def _compared(left: Operand, comparator: str, right: Operand) -> Condition:
    return lambda item, scope: compare(left(item, scope), comparator, right(item, scope))


def _between(operand: Operand, low: Operand, high: Operand) -> Condition:
    def holds(item: Item, scope: Scope) -> bool:
        value = operand(item, scope)
        return compare(value, ">=", low(item, scope)) and compare(value, "<=", high(item, scope))

    return holds


def _one_of(operand: Operand, others: list[Operand]) -> Condition:
    def holds(item: Item, scope: Scope) -> bool:
        value = operand(item, scope)
        return value is not None and any(same(value, other(item, scope)) for other in others)

    return holds


def _is_of_type(value: Value | None, kind: Value | None) -> bool:
    return value is not None and kind is not None and kind.get("S") in value


_FUNCTIONS: Mapping[str, Callable[[list[Operand]], Condition]] = {
    "attribute_exists": lambda of: lambda item, scope: of[0](item, scope) is not None,
    "attribute_not_exists": lambda of: lambda item, scope: of[0](item, scope) is None,
    "attribute_type": lambda of: (
        lambda item, scope: _is_of_type(of[0](item, scope), of[1](item, scope))
    ),
    "begins_with": lambda of: (
        lambda item, scope: begins_with(of[0](item, scope), of[1](item, scope))
    ),
    "contains": lambda of: lambda item, scope: contains(of[0](item, scope), of[1](item, scope)),
}


def _needed(operand: Operand, item: Item, scope: Scope) -> Value:
    value = operand(item, scope)
    if value is None:
        raise invalid(
            "The provided expression refers to an attribute that does not exist in the item"
        )
    return value


def _appended(first: Operand, second: Operand) -> Operand:
    def joined(item: Item, scope: Scope) -> Value:
        lists = [_needed(operand, item, scope) for operand in (first, second)]
        if not all("L" in each for each in lists):
            raise invalid("An operand in the update expression has an incorrect data type")
        return {"L": [*lists[0]["L"], *lists[1]["L"]]}

    return joined


def _with_default(path: Path | None, default: Operand) -> Operand:
    assert path is not None

    def chosen(item: Item, scope: Scope) -> Value | None:
        value = value_at(item, path.resolved(scope))
        return default(item, scope) if value is None else value

    return chosen


@lru_cache(4096)
def condition_of(expression: str) -> Condition:
    """Parse a condition."""
    parser = _Parser(expression)
    condition = parser.condition()
    if not parser.is_at_end:
        parser.take("<EOF>")
    return condition


@lru_cache(1024)
def key_conditions_of(expression: str) -> tuple[KeyCondition, ...]:
    """Parse the conditions on the keys of a query."""
    parser = _Parser(expression)
    conditions = parser.key_conditions()
    if not parser.is_at_end:
        parser.take("<EOF>")
    return tuple(conditions)


@lru_cache(4096)
def update_of(expression: str) -> Update:
    """Parse an update into its actions."""
    parser = _Parser(expression)
    settings: list[Setting] = []
    while not parser.is_at_end:
        settings += parser.settings()
    if not settings:
        raise invalid("Invalid UpdateExpression: The expression can not be empty;")
    return tuple(settings)


@lru_cache(1024)
def paths_of(expression: str) -> tuple[Path, ...]:
    """Parse a projection."""
    parser = _Parser(expression)
    paths = [parser.path()]
    while parser.has(","):
        paths.append(parser.path())
    return tuple(paths)
