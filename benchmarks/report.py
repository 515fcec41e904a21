"""The report: findings beside their targets, on the screen and in docs/performance.md. Pure."""

from __future__ import annotations

from dataclasses import dataclass


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


def _number(figure: float) -> str:
    """Write a number with three digits that count, or whole."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
