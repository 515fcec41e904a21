from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.cli import checked_prices
from lib.cli.checked_prices import checked, in_time_order
from lib.cli.columns import portions_of
from lib.cli.prices import BadRow, Price, PricesFile

times = st.integers(0, 4)
rows = st.lists(
    st.builds(Price, st.sampled_from("AB"), st.integers(1, 9).map(Decimal), times),
    min_size=1,
    max_size=12,
)


@given(
    rows | rows.map(lambda drawn: sorted(drawn, key=lambda row: -(row.timestamp_microseconds or 0)))
)
def test_prices_are_sorted_as_portions_are(given_rows: list[Price]) -> None:
    (portion,) = portions_of(given_rows)
    columns = (ordered := portion.in_time_order()).columns

    assert in_time_order(given_rows) == [
        Price(ordered.symbols[code], columns.price(place), int(columns.times[place]))
        for place, code in enumerate(ordered.codes.tolist())
    ]


@pytest.mark.parametrize("is_pipe", [False, True])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("symbol,price\nB,1\nA,2\nB,1\n", "B1 A2 B1"),
        ("symbol,price,timestamp\nB,1,2010-03-02\nA,2,2010-03-02\nA,3,2010-03-03\n", "B1 A2 A3"),
        ("symbol,price,timestamp\nB,1,2010-03-02\nA,2,2010-03-01\nA,3,2010-03-02\n", "A2 B1 A3"),
    ],
    ids=["without times", "in order", "in another order"],
)
def test_prices_are_given_in_the_order_of_time(
    tmp_path: Path, content: str, expected: str, is_pipe: bool
) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(content)

    found = checked(PricesFile(path), is_pipe=is_pipe, on_progress=lambda: None)

    assert " ".join(f"{price.symbol}{price.price}" for price in found.prices) == expected
    assert (found.count, found.bad_rows) == (3, [])


def test_bad_rows_are_counted_apart(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("symbol,price\nA\nA,1\n")

    found = checked(PricesFile(path), is_pipe=False, on_progress=lambda: None)

    assert list(found.prices) == [Price("A", Decimal(1))]
    assert (found.count, found.bad_rows) == (
        1,
        [BadRow(2, 2, "must have 2 fields, one for each column")],
    )


def test_progress_is_told_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked_prices, "_ROWS_PER_REPORT", 2)
    path = tmp_path / "prices.csv"
    path.write_text("symbol,price\n" + "A,1\n" * 5)
    told: list[None] = []

    checked(PricesFile(path), is_pipe=False, on_progress=lambda: told.append(None))

    assert len(told) == 2
