"""Repair: the function is called until nothing is stuck."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lib.client.repair import Repair, repair
from lib.formats.errors import CliError


class Functions:
    """A Lambda client: its function finishes each symbol at so many calls."""

    def __init__(self, **calls: int) -> None:
        self.left = calls
        self.asked: list[list[str]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's
        assert FunctionName == "function"
        symbols = json.loads(Payload)["repair"]
        self.asked.append(symbols)
        for symbol in symbols:
            self.left[symbol] -= 1
        left = [symbol for symbol in symbols if self.left[symbol] > 0]
        return {"Payload": io.BytesIO(json.dumps({"unfinished": left}).encode())}


def test_symbols_are_asked_for_again_until_they_are_finished() -> None:
    functions = Functions(AAPL=1, MSFT=3)
    assert repair(functions, "function", ["AAPL", "MSFT"]) == Repair(["AAPL", "MSFT"], [])
    assert functions.asked == [["AAPL", "MSFT"], ["MSFT"], ["MSFT"]]


def test_what_is_not_finished_after_twenty_calls_is_still_stuck() -> None:
    functions = Functions(AAPL=1, MSFT=99)
    assert repair(functions, "function", ["AAPL", "MSFT"]) == Repair(["AAPL"], ["MSFT"])
    assert len(functions.asked) == 20


def test_many_symbols_are_asked_for_in_tens() -> None:
    functions = Functions(**{f"S{number}": 1 for number in range(25)})
    assert len(repair(functions, "function", list(functions.left)).repaired) == 25
    assert [len(symbols) for symbols in functions.asked] == [10, 10, 5]


@pytest.mark.parametrize(
    ("payload", "why"),
    [({"errorMessage": "no table"}, "no table"), ({}, "it does not say why")],
)
def test_a_function_that_fails_says_why(payload: dict[str, str], why: str) -> None:
    class Failing:
        def invoke(self, **_: Any) -> dict[str, Any]:
            body = io.BytesIO(json.dumps(payload).encode())
            return {"FunctionError": "Unhandled", "Payload": body}

    with pytest.raises(CliError) as error:
        repair(Failing(), "function", ["AAPL"])
    assert str(error.value) == f"the function failed ({why})"
