"""Rules that are set aside: their items cannot be read, and the function passes them over. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from price_alerts.adapters.items import Item, UnreadableItem, rule_of, symbol_in
from price_alerts.domain.rules import Rule


@dataclass(frozen=True, slots=True)
class SetAside:
    """What is known of a rule that cannot be read: its key, and the reason."""

    rule_id: str
    symbol: str
    reason: str


def rule_in(item: Item) -> Rule | SetAside:
    """Read a rule's item, or say why it cannot be read."""
    try:
        return rule_of(item)
    except UnreadableItem as reason:
        rule_id = item["sk"].partition("#")[2]
        return SetAside(rule_id, symbol_in(item["pk"]), str(reason))
