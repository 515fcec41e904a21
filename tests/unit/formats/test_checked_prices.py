from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backtest.columns import chunks_of
from lib.client.publishing import _body
from lib.formats import checked_prices
from lib.formats.checked_prices import checked, in_time_order, numbered
from lib.formats.prices import BadRow, Price, PricesFile
from price_alerts.domain.ticks import parse_message
from tests.unit.doubles import NOW

times = st.integers(0, 4)
rows = st.lists(
    st.builds(Price, st.sampled_from("AB"), st.integers(1, 9).map(Decimal), times, st.just(0)),
    min_size=1,
    max_size=12,
)


@given(
    rows | rows.map(lambda drawn: sorted(drawn, key=lambda row: -(row.timestamp_microseconds or 0)))
)
def test_prices_are_sorted_as_portions_are(given_rows: list[Price]) -> None:
    (portion,) = chunks_of(given_rows)
    columns = (ordered := portion.in_time_order()).columns

    assert in_time_order(given_rows) == [
        Price(ordered.symbols[code], columns.price(place), int(columns.times[place]))
        for place, code in enumerate(ordered.codes.tolist())
    ]


def test_prices_of_one_symbol_and_timestamp_are_numbered() -> None:
    one = Price("A", Decimal(1), 5)
    other = Price("B", Decimal(1), 5)
    next_one = Price("A", Decimal(1), 6)

    found = list(numbered([one, other, one, one, next_one, other]))

    assert [price.sequence for price in found] == [0, 0, 1, 2, 0, 1]
    assert [price._replace(sequence=0) for price in found] == [
        *(one, other, one, one, next_one, other)
    ]


def test_prices_without_a_timestamp_are_not_numbered() -> None:
    untimed = [Price("A", Decimal(1))] * 3

    assert list(numbered(untimed)) == untimed


@given(rows, st.randoms(use_true_random=False))
def test_the_handler_has_prices_of_one_timestamp_in_their_order_however_they_are_sent(
    given_rows: list[Price], random: Random
) -> None:
    meant = in_time_order(given_rows)
    messages = [[price] for price in numbered(meant)]
    random.shuffle(messages)  # all of one request have one time, and any id

    arrived = [
        tick
        for number, message in enumerate(messages)
        for tick in parse_message(_body(message), f"m-{number}", NOW, NOW).ticks
    ]

    for symbol in "AB":
        ticks = sorted(
            (tick for tick in arrived if tick.symbol == symbol), key=lambda tick: tick.position
        )
        assert [tick.price for tick in ticks] == [
            row.price for row in meant if row.symbol == symbol
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
