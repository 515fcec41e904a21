"""Repair: the function is invoked until nothing is stuck."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lib.client.repair import Repair, repair
from lib.formats.errors import CliError


class Functions:
    """A Lambda client; its function finishes each symbol after so many calls, or fails."""

    def __init__(self, error: dict[str, str] | None = None, **calls: int) -> None:
        self.left = calls
        self.asked: list[list[str]] = []
        self.error = error

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's
        assert FunctionName == "tap-test-price-alerts"
        if self.error is not None:
            body = io.BytesIO(json.dumps(self.error).encode())
            return {"FunctionError": "Unhandled", "Payload": body}
        symbols = json.loads(Payload)["repair"]
        self.asked.append(symbols)
        for symbol in symbols:
            self.left[symbol] -= 1
        left = [symbol for symbol in symbols if self.left[symbol] > 0]
        return {"Payload": io.BytesIO(json.dumps({"unfinished": left}).encode())}


def repaired(functions: Functions) -> Repair:
    return repair(functions, "tap-test-price-alerts", list(functions.left))


def test_symbols_are_repaired_in_tens_and_up_to_twenty_times() -> None:
    many = Functions()
    many.left = {f"S{number}": 1 + number // 24 for number in range(25)}
    assert repaired(many) == Repair(list(many.left), [])
    assert [len(symbols) for symbols in many.asked] == [10, 10, 5, 1]
    hard = Functions(AAPL=1, IBM=20, MSFT=21)
    assert repaired(hard) == Repair(["AAPL", "IBM"], ["MSFT"])
    assert len(hard.asked) == 20


@pytest.mark.parametrize(
    ("payload", "why"), [({"errorMessage": "no table"}, "no table"), ({}, "it does not say why")]
)
def test_a_function_that_fails_says_why(payload: dict[str, str], why: str) -> None:
    with pytest.raises(CliError) as error:
        repaired(Functions(payload, AAPL=1))
    assert str(error.value) == f"the function failed ({why})"
