"""Examples for the second evaluator as a text that a person can work out.

An example holds prices, with a star at those that fire, ``@`` and a time in seconds before the
next price (else it comes a second later), and what is done to the rule in between. Unless that
begins by adding it, the rule is there from the start.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.oracle import Oracle, Spec

_CHANGES = {
    "add": lambda oracle, rule: oracle.add(rule),
    "pause": lambda oracle, rule: oracle.pause(rule.rule_id),
    "resume": lambda oracle, rule: oracle.resume(rule.rule_id),
    "remove": lambda oracle, rule: oracle.remove(rule.rule_id),
}


def spec(condition: str, levels: str, *, rearm: str | None = None, **options: Any) -> Spec:
    """Build a rule that fires every time from ``"90 110"``, ``"5%"`` and the like."""
    return Spec(
        rule_id="r",
        symbol="AAPL",
        condition=condition,
        levels=tuple(Decimal(level) for level in levels.rstrip("%").split()),
        is_percent=levels.endswith("%"),
        rearm=Decimal(rearm.rstrip("%")) if rearm else None,
        rearm_is_percent=bool(rearm and rearm.endswith("%")),
        **{"trigger": "every", **options},
    )


def played(example: str, rule: Spec, *others: Spec) -> str:
    """Play an example without its stars, and put them where the rule really fires."""
    oracle = Oracle()
    for other in others:
        oracle.add(other)
    words = example.replace("*", "").split()
    changes = [word for word in words if word in _CHANGES]
    if changes[:1] != ["add"]:
        oracle.add(rule)
    time = 0
    for place, word in enumerate(words):
        if word in _CHANGES:
            _CHANGES[word](oracle, rule)
        elif word.startswith("@"):
            time = int(Decimal(word[1:]) * 1_000_000)
        else:
            fired = oracle.tick(rule.symbol, Decimal(word), time)
            if rule.rule_id in [each[0] for each in fired]:
                words[place] = f"*{word}"
            time += 1_000_000
    return " ".join(words)
