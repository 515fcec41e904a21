"""What the tests of pictures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from matplotlib.figure import Figure

from lib.formats.prices import Price
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.rules import Rule, Trigger
from tests.unit.doubles import NOW, SECOND

HOUR = 3600 * SECOND

Draw = Callable[[Sequence[Rule], Sequence[Price]], Figure]


def rule(condition: str, *levels: str, symbol: str = "AAPL", window: str | None = None) -> Rule:
    """Build a rule that fires every time."""
    numbers = tuple(Decimal(level.rstrip("%")) for level in levels)
    terms = Terms(Condition(condition), numbers, levels[0].endswith("%"), window)
    rule_id = f"{condition}-{'-'.join(levels)}-{window}-{symbol}".replace("%", "-percent")
    return Rule(rule_id=rule_id, symbol=symbol, terms=terms, trigger=Trigger.EVERY)


def hourly(*texts: str, symbol: str = "AAPL") -> list[Price]:
    """Return a price an hour."""
    return [Price(symbol, Decimal(text), NOW + hour * HOUR) for hour, text in enumerate(texts)]
