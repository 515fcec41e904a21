"""The report: findings beside their targets, on the screen and in docs/performance.md. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Finding", "markdown", "with_block"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure, and what it should be.

    Attributes
    ----------
    what
        What is measured.
    figure
        The figure.
    bound
        It should be at least that, or at most.
    is_floor
        Whether it should be at least that.
    unit
        What stands behind the number; ``x`` is a ratio.
    """

    what: str
    figure: float
    bound: float
    is_floor: bool
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        """Whether it is as it should be."""
        return self.figure >= self.bound if self.is_floor else self.figure <= self.bound

    @property
    def row(self) -> list[str]:
        """The finding in words."""
        sign = "≥" if self.is_floor else "≤"
        return [
            self.what,
            f"{_number(self.figure)} {self.unit}",
            f"{sign} {_number(self.bound)} {self.unit}",
            "yes" if self.is_met else "no",
        ]


def markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown; all columns but the first hold numbers."""
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_block(page: str, name: str, text: str) -> str:
    """Return a page with another text between a block's two marks.

    Raises
    ------
    ValueError
        If the page has no such block.
    """
    begin, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"there is no block {name} in the page")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def _number(figure: float) -> str:
    """Write a number with three digits that count, or whole."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
