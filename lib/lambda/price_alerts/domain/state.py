"""The state of a symbol between ticks, and what is still to be delivered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from price_alerts.domain.conditions import Terms
from price_alerts.domain.portions import portions
from price_alerts.domain.progress import Progress
from price_alerts.domain.recent import Recent
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.watches import Band
from price_alerts.domain.windows import Queue


class Firing(NamedTuple):
    """One firing of a rule, at the tick with this position, decided at ``fired_at``."""

    firing_id: str
    rule_id: str
    symbol: str
    terms: Terms
    previous_price: Decimal | None
    price: Decimal
    position: Position
    fired_at_microseconds: int

    @property
    def timestamp_microseconds(self) -> int:
        """When the price was observed."""
        return self.position.timestamp_microseconds


@dataclass(frozen=True, slots=True)
class Outbox:
    """What a version of a state decided, to be delivered.

    Attributes
    ----------
    firings
        To be recorded and published, in order.
    changes
        The progress of rules, by their ids.
    checked_rule_ids
        New rules that have now seen a tick.
    spent
        Watches of triggered rules, to be deleted: each a line and a key.
    """

    version: int
    firings: tuple[Firing, ...] = ()
    changes: Mapping[str, Progress] = field(default_factory=dict)
    checked_rule_ids: tuple[str, ...] = ()
    spent: tuple[tuple[str, str], ...] = ()

    def parts(self, limit: int) -> Iterator[Outbox]:
        """Yield parts that do at most `limit` things of a kind to stored rules."""
        if max(len(self.changes), len(self.spent) + len(self.checked_rule_ids)) <= limit:
            yield self
            return
        for changes in portions(self.changes.items(), limit):
            yield Outbox(self.version, changes=dict(changes))
        for watches in portions(self.spent, limit):
            yield Outbox(self.version, spent=tuple(watches))
        for rule_ids in portions(self.checked_rule_ids, limit):
            yield Outbox(self.version, checked_rule_ids=tuple(rule_ids))

    @property
    def rule_ids(self) -> set[str]:
        """The ids of the rules that it concerns."""
        return {
            *(firing.rule_id for firing in self.firings),
            *self.changes,
            *self.checked_rule_ids,
            *(key.partition("#")[2] for _, key in self.spent),
        }


class Lease(NamedTuple):
    """Who is delivering an outbox, and until when nobody else may."""

    owner: str
    until_microseconds: int


class Step(NamedTuple):
    """The progress of a tick that moved over more watches than fit into one commit.

    Attributes
    ----------
    before
        Each line's number before the tick.
    line
        The current line; those before it are done.
    after_key
        The last watch on it that is done.
    """

    before: Mapping[str, Decimal]
    line: str
    after_key: str | None


class Threshold(NamedTuple):
    """The stack's own threshold until the time of a tick."""

    level: Decimal | None
    until_microseconds: int


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of a symbol between ticks.

    Attributes
    ----------
    version
        Counts the writes; 0 if the symbol was never stored.
    price, position
        Those of the last tick.
    threshold
        The level of the stack's own rule at the last tick: a different one is a new rule.
    threshold_before
        The level before that, since old and new containers alternate during a deployment.
    windows
        The windows that rules need, by their names in `EXTREMES`; empty ones start now.
    bands
        The quiet bands by line; ``None`` after a change of rules: find them again.
    step
        The unfinished tick, if there is one.
    recent
        The recent ticks, if late ones are applied.
    nonce
        Different for each write, in case a table that was set back counts to the same version.
    is_lost
        Whether there is no stored state although the symbol has rules.
    """

    symbol: str
    version: int = 0
    price: Decimal | None = None
    position: Position | None = None
    threshold: Decimal | None = None
    threshold_before: Threshold | None = None
    windows: Mapping[str, Queue] = field(default_factory=dict)
    bands: Mapping[str, Band] | None = None
    step: Step | None = None
    recent: Recent | None = None
    outbox: Outbox | None = None
    lease: Lease | None = None
    nonce: str | None = None
    is_lost: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether a write must replace an item."""
        return self.version > 0 and not self.is_lost

    @property
    def last_tick(self) -> Tick | None:
        """The last tick in order."""
        if self.price is None or self.position is None:
            return None
        return Tick(self.symbol, self.price, self.position)
