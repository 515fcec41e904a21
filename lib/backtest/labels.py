"""Labels: where a picture's small texts go, so that none lies over another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

_LINE_SPACING = 1.25
_POINTS_PER_INCH = 72
_MARKER_POINTS = 6


class _Place(NamedTuple):
    """A place beside a marker: how far from it, in points, and how the text is aligned there."""

    offset: tuple[float, float]
    horizontal: Literal["left", "center", "right"]
    vertical: Literal["bottom", "center", "top"]


_AROUND = (
    _Place((0, 6), "center", "bottom"),
    _Place((0, -6), "center", "top"),
    _Place((7, 0), "left", "center"),
    _Place((-7, 0), "right", "center"),
)


def spread(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Move heights apart so that they keep a distance, each as little as can be.

    Parameters
    ----------
    heights
        Ascending heights, from 0 to ``top``.
    gap
        The least distance.
    top
        The highest place; all of them fit under it.
    """
    upward: list[float] = []
    for height in heights:
        upward.append(max(height, upward[-1] + gap) if upward else height)
    downward: list[float] = []
    for height in reversed(heights):
        downward.append(min(height, downward[-1] - gap) if downward else height)
    last = len(heights) - 1
    # Both keep the distance, and so does what lies midway.
    return [
        (min(high, top - (last - number) * gap) + max(low, number * gap)) / 2
        for number, (high, low) in enumerate(zip(upward, reversed(downward), strict=True))
    ]


def place_labels(axes: Axes, labels: Sequence[Annotation], dots_per_inch: float) -> None:
    """Move labels at the right of axes apart; if there is no room for all, some are removed.

    Parameters
    ----------
    axes
        The axes, of which the place in the picture is known.
    labels
        The labels from the lowest to the highest level, of one size.
    dots_per_inch
        The picture's resolution.
    """
    if not labels:
        return
    points_per_pixel = _POINTS_PER_INCH / dots_per_inch
    top = axes.bbox.height * points_per_pixel
    gap = float(labels[0].get_fontsize()) * _LINE_SPACING
    step = -(-len(labels) // (int(top // gap) + 1))
    kept = labels[::step]
    for label in set(labels).difference(kept):
        label.remove()
    heights = [
        (axes.transData.transform((0, label.xy[1]))[1] - axes.bbox.y0) * points_per_pixel
        for label in kept
    ]
    for label, height, place in zip(kept, heights, spread(heights, gap, top), strict=True):
        label.xyann = (label.xyann[0], place - height)


def place_notes(
    axes: Axes,
    notes: Sequence[Annotation],
    markers: Sequence[tuple[float, float]],
    dots_per_inch: float,
) -> None:
    """Place notes beside their markers, clear of all others; those without a place are removed.

    Parameters
    ----------
    axes
        The axes, of which the place in the picture is known.
    notes
        The notes.
    markers
        All markers, by day and price.
    dots_per_inch
        The picture's resolution.
    """
    half = _MARKER_POINTS * dots_per_inch / _POINTS_PER_INCH / 2
    taken = [
        Bbox.from_extents(x - half, y - half, x + half, y + half)
        for x, y in map(axes.transData.transform, markers)
    ]
    for note in notes:
        for place in _AROUND:
            note.xyann = place.offset
            note.set(horizontalalignment=place.horizontal, verticalalignment=place.vertical)
            box = note.get_window_extent()
            if _is_inside(box, axes.bbox) and not box.count_overlaps(taken):
                taken.append(box)
                break
        else:
            note.remove()


def _is_inside(box: BboxBase, outer: BboxBase) -> bool:
    return bool(
        outer.x0 <= box.x0 and box.x1 <= outer.x1 and outer.y0 <= box.y0 and box.y1 <= outer.y1
    )
