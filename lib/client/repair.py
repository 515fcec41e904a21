"""Repair: the function finishes what an invocation left behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lib.formats.errors import CliError
from price_alerts.domain.portions import portions

_SYMBOLS_PER_INVOCATION = 10
_ROUNDS = 20  # each delivers some thousand firings


@dataclass(frozen=True, slots=True)
class Repair:
    """The symbols that have nothing left to deliver, and those that still have."""

    repaired: list[str]
    stuck: list[str]


def repair(functions: Any, function_name: str, symbols: Sequence[str]) -> Repair:
    """Invoke the function for stuck symbols until their firings are delivered.

    Raises
    ------
    CliError
        If an invocation fails.
    """
    stuck = list(symbols)
    for _ in range(_ROUNDS):
        stuck = [
            symbol
            for some in portions(stuck, _SYMBOLS_PER_INVOCATION)
            for symbol in _invoke(functions, function_name, some)
        ]
    return Repair([symbol for symbol in symbols if symbol not in stuck], stuck)


def _invoke(functions: Any, function_name: str, symbols: list[str]) -> list[str]:
    answer = functions.invoke(
        FunctionName=function_name, Payload=json.dumps({"repair": symbols}).encode()
    )
    result = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CliError(f"the function failed ({result.get('errorMessage', 'it does not say why')})")
    unfinished: list[str] = result["unfinished"]
    return unfinished
