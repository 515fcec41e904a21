from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from lib.backtest.labels import place_labels, place_notes, spread

DOTS_PER_INCH = 100


@pytest.fixture
def axes() -> Axes:
    """Axes from 0 to 100 on both sides, 300 by 300 pixels large."""
    figure = Figure((5, 5), DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.2, 0.2, 0.6, 0.6))
    axes.set(xlim=(0, 100), ylim=(0, 100))
    return axes


def labels_at(axes: Axes, heights: Sequence[float]) -> list[Annotation]:
    return [
        axes.annotate(
            f"{height}",
            (1, height),
            (8, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            size=8,
        )
        for height in heights
    ]


def notes_at(axes: Axes, spots: Sequence[tuple[float, float]]) -> list[Annotation]:
    return [axes.annotate("moved", spot, (0, 0), textcoords="offset points") for spot in spots]


def overlaps(texts: Sequence[Annotation]) -> int:
    boxes = [text.get_window_extent() for text in texts]
    return sum(box.count_overlaps(boxes) - 1 for box in boxes)


@given(st.lists(st.floats(0, 100), max_size=11).map(sorted))
def test_heights_are_spread_within_what_there_is(heights: list[float]) -> None:
    places = spread(heights, 10, 100)

    assert all(after - before > 10 - 1e-6 for before, after in pairwise(places))
    assert all(-1e-6 < place < 100 + 1e-6 for place in places)


def test_heights_that_are_apart_stay() -> None:
    assert spread([0, 10, 45.5, 100], 10, 100) == [0, 10, 45.5, 100]


def test_heights_that_meet_move_to_both_sides() -> None:
    assert spread([50, 50, 50], 10, 100) == [40, 50, 60]


def test_labels_move_apart_with_their_height_kept_where_it_can_be(axes: Axes) -> None:
    labels = labels_at(axes, [10, 50, 50.5, 51, 90])

    place_labels(axes, labels, DOTS_PER_INCH)

    assert overlaps(labels) == 0
    assert [round(label.xyann[1], 3) for label in labels] == [0, -8.92, 0, 8.92, 0]


def test_of_too_many_labels_some_stay(axes: Axes) -> None:
    labels = labels_at(axes, range(100))

    place_labels(axes, labels, DOTS_PER_INCH)

    assert list(axes.texts) == labels[::5]
    assert overlaps(labels[::5]) == 0


def test_without_labels_nothing_is_placed(axes: Axes) -> None:
    place_labels(axes, [], DOTS_PER_INCH)

    assert not axes.texts


def test_a_note_finds_a_place_around_its_marker(axes: Axes) -> None:
    spots = [(50.0, 50.0), (50.0, 98.0), (2.0, 20.0), (98.0, 20.0)]
    notes = notes_at(axes, spots)

    place_notes(axes, notes, spots, DOTS_PER_INCH)

    assert [note.get_verticalalignment() for note in notes] == ["bottom", "top", "center", "center"]
    assert [note.get_horizontalalignment() for note in notes[2:]] == ["left", "right"]
    assert list(axes.texts) == notes


def test_a_note_without_a_place_is_taken_away(axes: Axes) -> None:
    spots = [(50.0, 50.0)] * 5
    notes = notes_at(axes, spots)

    place_notes(axes, notes, spots, DOTS_PER_INCH)

    assert list(axes.texts) == notes[:4]
    assert overlaps(notes[:4]) == 0


def test_a_note_does_not_lie_over_a_marker(axes: Axes) -> None:
    (note,) = notes_at(axes, [(50.0, 50.0)])

    place_notes(axes, [note], [(50.0, 50.0), (50.0, 55.0)], DOTS_PER_INCH)

    assert note.get_verticalalignment() == "top"
