"""Rules: what somebody wants to hear about, and when it is so."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

__all__ = ["Condition", "Rule", "high_price_rule"]


class Condition(StrEnum):
    """What a rule watches a price for."""

    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on a price, with its levels in the order in which they are written."""

    rule_id: str
    condition: Condition
    levels: tuple[Decimal, ...]
    owner: str = ""
    note: str = ""

    def holds(self, price: Decimal) -> bool:
        """Tell whether the condition is so at this price."""
        (level,) = self.levels
        return price > level

    def fires(self, previous_price: Decimal | None, price: Decimal) -> bool:
        """Tell whether the rule comes true: it holds now, and was not known to hold before.

        A price before that is unknown (``None``) counts as "not so before".
        """
        return self.holds(price) and (previous_price is None or not self.holds(previous_price))


def high_price_rule(threshold: Decimal) -> Rule:
    """Build the stack's own rule, which applies to every symbol and fires every time."""
    return Rule("high-price-threshold", Condition.ABOVE, (threshold,), owner="stack")
