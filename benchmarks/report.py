"""Findings with their targets, on the screen and in docs/performance.md. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure and its bound: at least that for a floor, else at most that; ``x`` is a ratio."""

    what: str
    figure: float
    bound: float
    is_floor: bool
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.figure >= self.bound if self.is_floor else self.figure <= self.bound

    @property
    def row(self) -> list[str]:
        """The finding as a row of a table."""
        sign = "≥" if self.is_floor else "≤"
        return [
            self.what,
            f"{_number(self.figure)} {self.unit}",
            f"{sign} {_number(self.bound)} {self.unit}",
            "yes" if self.is_met else "no",
        ]


def _number(figure: float) -> str:
    """Format a number with three significant digits, or as an integer."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
