"""The engine: moves a symbol's state along its ticks and says what fires. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from price_alerts.rules import Condition, Rule
from price_alerts.ticks import Position, Tick

__all__ = ["MAX_FIRINGS_PER_COMMIT", "Firing", "Lease", "State", "evaluate"]

# An outbox of this many stays under a tenth of the 400 KB that an item may have.
MAX_FIRINGS_PER_COMMIT = 100


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a rule came true; ``fired_at`` is when that was decided."""

    firing_id: str
    rule_id: str
    symbol: str
    condition: Condition
    levels: tuple[Decimal, ...]
    previous_price: Decimal | None
    price: Decimal
    timestamp_microseconds: int
    fired_at_microseconds: int
    owner: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is delivering an outbox, and until when nobody else may."""

    owner: str
    until_microseconds: int


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of a symbol between ticks.

    ``version`` 0 is a symbol that was never stored. ``threshold`` is the level at which the
    stack's own rule was checked last: a changed one is a new rule, unknown before.
    """

    symbol: str
    version: int = 0
    price: Decimal | None = None
    position: Position | None = None
    threshold: Decimal | None = None
    outbox: tuple[Firing, ...] = ()
    lease: Lease | None = None


def evaluate(
    state: State, ticks: Sequence[Tick], high_price: Rule | None, fired_at_microseconds: int
) -> State:
    """Move a state along new ticks of its symbol.

    Parameters
    ----------
    state
        Where the symbol stands; its outbox is empty.
    ticks
        At least one tick that the state has not seen, in the order of their positions.
    high_price
        The stack's own rule, if there is one.
    fired_at_microseconds
        The present, for the firings' records.

    Returns
    -------
    State
        The next version, whose outbox holds what fired. It stands at the last tick, or at the
        one that brought the hundredth firing: the rest is for the next call.
    """
    version = state.version + 1
    threshold = high_price.levels[0] if high_price else None
    is_new_rule = threshold != state.threshold
    previous, position = state.price, state.position
    firings: list[Firing] = []
    for tick in ticks:
        if high_price and high_price.fires(None if is_new_rule else previous, tick.price):
            firings.append(
                Firing(
                    firing_id=_firing_id(state.symbol, high_price.rule_id, version, tick.position),
                    rule_id=high_price.rule_id,
                    symbol=state.symbol,
                    condition=high_price.condition,
                    levels=high_price.levels,
                    previous_price=previous,
                    price=tick.price,
                    timestamp_microseconds=tick.position.timestamp_microseconds,
                    fired_at_microseconds=fired_at_microseconds,
                    owner=high_price.owner,
                    note=high_price.note,
                )
            )
        previous, position, is_new_rule = tick.price, tick.position, False
        if len(firings) == MAX_FIRINGS_PER_COMMIT:
            break
    return replace(
        state,
        version=version,
        price=previous,
        position=position,
        threshold=threshold,
        outbox=tuple(firings),
        lease=None,
    )


def _firing_id(symbol: str, rule_id: str, version: int, position: Position) -> str:
    # Derived, so that whoever repeats a delivery writes the very same item; and from the tick as
    # well, since versions begin anew when a table is made anew.
    name = "\n".join(map(str, (symbol, rule_id, version, *position)))
    return hashlib.sha256(name.encode()).hexdigest()[:32]
