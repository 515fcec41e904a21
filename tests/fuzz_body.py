"""Feeds the parser of messages with what libFuzzer makes up; nothing but a refusal may come out.

Runs on a Python that has atheris: ``python tests/fuzz_body.py -max_total_time=60``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it is in an environment of its own

sys.path.insert(0, str(Path(__file__).parents[1] / "lib" / "lambda"))
with atheris.instrument_imports():
    from price_alerts.domain.ticks import is_number, parse_message

NOW = 1_795_359_845_250_000
# For the test that the fuzzer finds something: what is to be taken for a mistake.
PLANTED = os.environ.get("FUZZ_PLANTED")


def check(data: bytes) -> None:
    """Parse data as a message's body."""
    body = data.decode("utf-8", "surrogateescape")  # what is no UTF-8 becomes lone surrogates
    if PLANTED and PLANTED in body:
        raise ArithmeticError("planted")
    ticks, faults = parse_message(body, "m-1", None, NOW)
    assert 1 <= len(ticks) + len(faults) <= 500
    assert all(is_number(tick.price) for tick in ticks)


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
