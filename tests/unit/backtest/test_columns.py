from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backtest.columns import Chunk, Columns, chunks_of
from lib.formats.prices import Price

rows = st.lists(
    st.builds(
        Price,
        st.sampled_from(("A", "B", "C")),
        st.integers(1, 9).map(Decimal),
        st.integers(0, 5),
        st.just(0),
    ),
    min_size=1,
    max_size=30,
)
# They differ in the last digit, and many of them not at all as floats.
near = st.integers(0, 9).map(lambda digit: Decimal(f"99999999999999999.12345678901234567{digit}"))

few = settings(max_examples=40)


def rows_in(chunk: Chunk) -> dict[str, list[Price]]:
    return {
        symbol: [
            Price(symbol, columns.price(n), int(columns.times[n])) for n in range(len(columns))
        ]
        for symbol, columns in chunk.by_symbol()
    }


def by_symbol(given_rows: list[Price]) -> dict[str, list[Price]]:
    symbols = dict.fromkeys(row.symbol for row in given_rows)
    return {symbol: [row for row in given_rows if row.symbol == symbol] for symbol in symbols}


def in_order(given_rows: list[Price]) -> list[Price]:
    return sorted(given_rows, key=lambda row: row.timestamp_microseconds or 0)


def chunk_of(given_rows: list[Price]) -> Chunk:
    (chunk,) = chunks_of(given_rows, 100)
    return chunk


@few
@given(rows, st.integers(1, 31))
def test_chunks_of_any_size_joined_have_each_symbols_rows_in_order(
    given_rows: list[Price], rows_at_once: int
) -> None:
    chunks = list(chunks_of(given_rows, rows_at_once))

    assert len(chunks) == -(-len(given_rows) // rows_at_once)
    assert rows_in(chunks[0]) == by_symbol(given_rows[:rows_at_once])
    assert rows_in(Chunk.joined(chunks)) == by_symbol(given_rows)


def test_without_rows_there_is_no_chunk() -> None:
    assert not list(chunks_of([]))


@few
@given(rows)
def test_rows_are_sorted_by_time_and_those_of_one_time_keep_their_order(
    given_rows: list[Price],
) -> None:
    given_rows.append(given_rows[-1]._replace(timestamp_microseconds=6))  # the time rises

    assert rows_in(chunk_of(given_rows).in_time_order()) == by_symbol(in_order(given_rows))


@few
@given(rows)
def test_of_rows_with_the_newest_first_those_of_one_time_are_reversed_too(
    drawn: list[Price],
) -> None:
    oldest_first = in_order(drawn)
    oldest_first += [Price("A", Decimal(1), 10), Price("A", Decimal(2), 11)]  # so that some fall

    sorted_rows = rows_in(chunk_of(oldest_first[::-1]).in_time_order())

    assert sorted_rows == by_symbol(oldest_first)


@pytest.mark.parametrize("times", [(5, 5, 5), (7, 5, 5)])
def test_each_symbols_rows_may_have_the_newest_first_or_all_one_time(
    times: tuple[int, ...],
) -> None:
    given_rows = [
        Price(symbol, Decimal(n), time) for symbol in "AB" for n, time in enumerate(times)
    ]
    falls = times[0] > times[-1]

    sorted_rows = rows_in(chunk_of(given_rows).in_time_order())

    found = [[int(row.price) for row in its_rows] for its_rows in sorted_rows.values()]
    assert found == [[2, 1, 0] if falls else [0, 1, 2]] * 2


def test_columns_are_built_of_texts_or_numbers() -> None:
    columns = Columns.of(["1.50", Decimal("0.1")], np.array([1, 2]))

    assert list(Chunk.of_symbol("A", columns).by_symbol()) == [("A", columns)]
    assert [f"{columns.price(place):f}" for place in (0, 1)] == ["1.5", "0.1"]  # as in a tick
    assert (columns.floats.tolist(), columns.times.tolist()) == ([1.5, 0.1], [1, 2])


@few
@given(st.lists(near, min_size=1, max_size=10))
def test_the_lowest_and_the_highest_are_found_to_the_last_digit(prices: list[Decimal]) -> None:
    columns = Columns.of(prices, range(len(prices)))

    assert (columns.lowest(1), columns.lowest(-1)) == (min(prices), max(prices))
