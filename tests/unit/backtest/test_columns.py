from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.backtest.columns import Columns, Portion, portions_of
from lib.formats.prices import Price

rows = st.lists(
    st.builds(
        Price,
        st.sampled_from(("A", "B", "C")),
        st.integers(1, 9).map(Decimal),
        st.integers(0, 10**15),
        st.just(0),
    ),
    min_size=1,
    max_size=30,
)
# They differ in the last digit, and many of them not at all as floats.
near = st.integers(0, 9).map(lambda digit: Decimal(f"99999999999999999.12345678901234567{digit}"))


def rows_in(portion: Portion) -> dict[str, list[Price]]:
    return {
        symbol: [
            Price(symbol, columns.price(place), int(columns.times[place]))
            for place in range(len(columns))
        ]
        for symbol, columns in portion.by_symbol()
    }


def by_symbol(given_rows: list[Price]) -> dict[str, list[Price]]:
    symbols = dict.fromkeys(row.symbol for row in given_rows)
    return {symbol: [row for row in given_rows if row.symbol == symbol] for symbol in symbols}


@given(rows)
def test_a_portion_is_parted_by_symbol_in_its_order(given_rows: list[Price]) -> None:
    (portion,) = portions_of(given_rows, 100)

    assert rows_in(portion) == by_symbol(given_rows)


@given(rows, st.integers(1, 10))
def test_joined_portions_are_as_one(given_rows: list[Price], rows_at_once: int) -> None:
    portions = list(portions_of(given_rows, rows_at_once))

    assert rows_in(Portion.joined(portions)) == by_symbol(given_rows)
    assert sum(len(portion.columns) for portion in portions) == len(given_rows)


def one_portion(given_rows: list[Price]) -> Portion:
    (portion,) = portions_of(given_rows, 100)
    return portion


def in_order(given_rows: list[Price]) -> list[Price]:
    """Sort rows by time; a stable sort, by a rule that is written here once more."""
    return sorted(given_rows, key=lambda row: row.timestamp_microseconds or 0)


@given(rows)
def test_rows_are_sorted_by_time_and_none_is_left_out(given_rows: list[Price]) -> None:
    given_rows.append(given_rows[-1]._replace(timestamp_microseconds=10**15 + 1))  # a rise

    assert rows_in(one_portion(given_rows).in_time_order()) == by_symbol(in_order(given_rows))


@given(rows, st.integers(1, 4))
def test_of_rows_with_the_newest_first_those_of_one_time_are_reversed_too(
    drawn: list[Price], moments: int
) -> None:
    times = [row.timestamp_microseconds or 0 for row in drawn]
    oldest_first = in_order(
        [
            row._replace(timestamp_microseconds=time % moments)
            for row, time in zip(drawn, times, strict=True)
        ]
    )
    oldest_first += [Price("A", Decimal(1), 10), Price("A", Decimal(2), 11)]  # so that some fall
    newest_first = one_portion(oldest_first[::-1])

    assert rows_in(newest_first.in_time_order()) == by_symbol(oldest_first)


def test_rows_of_one_time_keep_their_order() -> None:
    given_rows = [Price("A", Decimal(number), 5) for number in (3, 1, 2)]

    assert rows_in(one_portion(given_rows).in_time_order()) == {"A": given_rows}


def test_blocks_of_symbols_may_each_have_the_newest_first() -> None:
    given_rows = [
        Price(symbol, Decimal(price), time)
        for symbol in ("A", "B")
        for price, time in ((4, 7), (3, 5), (2, 5), (1, 5))
    ]

    assert [
        (symbol, [int(row.price) for row in its_rows])
        for symbol, its_rows in rows_in(one_portion(given_rows).in_time_order()).items()
    ] == [("A", [1, 2, 3, 4]), ("B", [1, 2, 3, 4])]


def test_without_rows_there_is_no_portion() -> None:
    assert not list(portions_of([]))


def test_columns_are_built_of_texts_or_numbers() -> None:
    columns = Columns.of(["1.50", Decimal("0.1")], np.array([1, 2]))

    (whole,) = Portion.of_symbol("A", columns).by_symbol()

    assert whole == ("A", columns)
    assert [columns.price(0), columns.price(1)] == [Decimal("1.5"), Decimal("0.1")]
    assert f"{columns.price(0):f}" == "1.5"  # as in a tick
    assert columns.floats.tolist() == [1.5, 0.1]
    assert columns.times.tolist() == [1, 2]


@given(st.lists(near, min_size=1, max_size=10))
def test_the_lowest_and_the_highest_are_found_to_the_last_digit(prices: list[Decimal]) -> None:
    columns = Columns.of(prices, range(len(prices)))

    assert (columns.lowest(1), columns.lowest(-1)) == (min(prices), max(prices))
