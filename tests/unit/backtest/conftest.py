from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lib.backtest.backtest import run
from lib.backtest.columns import portions_of
from lib.backtest.plot import plot
from lib.formats.prices import Price
from price_alerts.domain.rules import Rule
from tests.unit.backtest.pictures import Draw


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Draw a backtest, and return the picture instead of writing it."""

    def draw(rules: Sequence[Rule], prices: Sequence[Price]) -> Figure:
        figures: list[Figure] = []
        monkeypatch.setattr(Path, "replace", lambda *_: None)
        monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
        firings = run(rules, portions_of(prices), lambda rows: None).firings
        plot(rules, portions_of(prices), firings, Path("picture.png"))
        (figure,) = figures
        return figure

    return draw
