"""What is remembered of a symbol between ticks, and what is still to be delivered. Pure."""

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
    """One time that a rule came true.

    ``position`` is the tick's; ``fired_at`` is when that was decided.
    """

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
    """What was decided and is not yet delivered.

    Attributes
    ----------
    version
        The state's version that decided it.
    firings
        What is to be recorded and announced, in order.
    changes
        What the rules have come to, by their ids.
    checked_rule_ids
        The new rules that have now seen a tick.
    spent
        Watches of rules that have triggered, each a line and a key: to be deleted.
    """

    version: int
    firings: tuple[Firing, ...] = ()
    changes: Mapping[str, Progress] = field(default_factory=dict)
    checked_rule_ids: tuple[str, ...] = ()
    spent: tuple[tuple[str, str], ...] = ()

    def parts(self, limit: int) -> Iterator[Outbox]:
        """Split what it does to stored rules, so that none does more than `limit` of anything."""
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
        """The rules that it concerns."""
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
    """A tick that moved over more watches than one commit can take, and how far that has come.

    Attributes
    ----------
    before
        What each line's number was before the tick.
    line
        The line that is being worked on; those before it are done.
    after_key
        The last watch on it that is done.
    """

    before: Mapping[str, Decimal]
    line: str
    after_key: str | None


class Threshold(NamedTuple):
    """The stack's own threshold before the present one.

    Attributes
    ----------
    level
        The threshold.
    until_microseconds
        The time of the first tick that was held against the present one.
    """

    level: Decimal | None
    until_microseconds: int


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of a symbol between ticks.

    Attributes
    ----------
    symbol
        The symbol.
    version
        Counts the writes; 0 is a symbol that was never stored.
    price, position
        The last tick that counted, ``None`` before the first.
    threshold
        The level at which the stack's own rule was checked last: a changed one is a new rule,
        unknown before.
    threshold_before
        The level before that, since old and new containers take turns during a deployment.
    windows
        The windows that rules need, by their names in `EXTREMES`; empty ones begin now.
    bands
        The quiet bands by line; ``None`` after a change of rules, when they must be found again.
    step
        The tick that is not yet done, if there is one.
    recent
        The recent ticks, among which a late one may be put; ``None`` if they are not remembered.
    outbox, lease
        What is to be delivered, and who does it.
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
        """Whether there is an item of it that a write must replace."""
        return self.version > 0 and not self.is_lost

    @property
    def last_tick(self) -> Tick | None:
        """The last tick that counted."""
        if self.price is None or self.position is None:
            return None
        return Tick(self.symbol, self.price, self.position)
