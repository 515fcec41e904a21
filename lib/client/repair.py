"""Repair: has the function finish what an invocation left behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lib.formats.errors import CliError
from price_alerts.domain.portions import portions

_SYMBOLS_PER_INVOCATION = 10
_ROUNDS = 20  # one takes some thousand firings further


@dataclass(frozen=True, slots=True)
class Repair:
    """The symbols that nothing is left of, and those that something still is."""

    repaired: list[str]
    stuck: list[str]


def repair(functions: Any, function_name: str, symbols: Iterable[str]) -> Repair:
    """Invoke the function for symbols with firings that nobody delivers, until they are out.

    Only the function may announce alerts: nobody else could deliver them.

    Parameters
    ----------
    functions
        A client for it.
    function_name, symbols
        The function, and the symbols.

    Raises
    ------
    CliError
        If an invocation fails.
    """
    wanted = list(symbols)
    stuck = wanted
    for _ in range(_ROUNDS):
        left = [
            symbol
            for portion in portions(stuck, _SYMBOLS_PER_INVOCATION)
            for symbol in _invoke(functions, function_name, portion)
        ]
        if not left:
            return Repair(wanted, [])
        stuck = left
    return Repair([symbol for symbol in wanted if symbol not in stuck], stuck)


def _invoke(functions: Any, function_name: str, symbols: list[str]) -> list[str]:
    answer = functions.invoke(
        FunctionName=function_name, Payload=json.dumps({"repair": symbols}).encode()
    )
    said = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CliError(f"the function failed ({said.get('errorMessage', 'it does not say why')})")
    unfinished: list[str] = said["unfinished"]
    return unfinished
