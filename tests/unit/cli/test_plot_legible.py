"""Whether a picture can be read: with one symbol, and with twenty."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lib.backtest import plot as plot_module
from lib.backtest.backtest import run
from lib.backtest.columns import portions_of
from lib.backtest.plot import plot
from lib.formats.prices import Price
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.rules import Rule, Trigger
from tests.unit.doubles import NOW, SECOND

HOUR = 3600 * SECOND


def rule(symbol: str, terms: Terms) -> Rule:
    levels = "-".join(map(str, terms.levels))
    rule_id = f"{symbol}-{terms.condition}-{levels}"
    return Rule(rule_id=rule_id, symbol=symbol, terms=terms, trigger=Trigger.EVERY)


def many(symbols: int) -> tuple[list[Rule], list[Price]]:
    """Return rules of many kinds, at prices of very different sizes."""
    random = Random(1)
    rules: list[Rule] = []
    prices: list[Price] = []
    for number in range(symbols):
        symbol, base = f"SYM{number}", 10.0 ** random.randrange(-4, 6)
        for each, *factors in (
            (Condition.CROSSES_UP, 1.05),
            (Condition.CROSSES_DOWN, 0.95),
            (Condition.EXITS, 0.97, 1.03),
            (Condition.CROSSES, 1.031),
            (Condition.ABOVE, 3),
        ):
            levels = tuple(Decimal(f"{base * factor:.5g}") for factor in factors)
            rules.append(rule(symbol, Terms(each, levels)))
        rules += [
            rule(symbol, Terms(each, (Decimal(4),), is_percent=True, window="1d"))
            for each in (Condition.FALLS, Condition.RISES)
        ]
        price = base
        for hour in range(150):
            price *= 1 + random.gauss(0, 0.015)
            prices.append(Price(symbol, Decimal(f"{price:.8f}"), NOW + hour * HOUR))
    return rules, prices


def visible_texts(figure: Figure) -> Iterator[Text]:
    """Yield the texts that are seen; axes keep some for ticks that are out of sight."""
    unseen = set()
    for axes in figure.axes:
        for axis, (first, last) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            unseen |= {
                label
                for tick in ticks
                for label in (tick.label1, tick.label2)
                if not first <= tick.get_loc() <= last
            }
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip() and text not in unseen:
            yield text


@pytest.mark.parametrize("symbols", [1, 20])
def test_no_text_lies_over_another_or_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, symbols: int
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plot_module, "_save", lambda figure, *_: figures.append(figure))
    rules, prices = many(symbols)
    plot(
        rules,
        portions_of(prices),
        run(rules, portions_of(prices), lambda rows: None).firings,
        Path("picture.png"),
    )
    (figure,) = figures

    texts = list(visible_texts(figure))
    extents = [Text.get_window_extent(text).extents for text in texts]
    left, bottom, right, top = np.transpose(extents)

    assert len(texts) > 20 * symbols
    across = (left[:, None] + 0.5 < right) & (right[:, None] - 0.5 > left)
    along = (bottom[:, None] + 0.5 < top) & (top[:, None] - 0.5 > bottom)
    pairs = [(texts[one], texts[other]) for one, other in np.argwhere(across & along)]
    assert [pair for pair in pairs if pair[0] is not pair[1]] == []
    assert min(*left, *bottom) >= 0
    assert max(right) <= figure.bbox.width
    assert max(top) <= figure.bbox.height
