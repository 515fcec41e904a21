"""What the tests of the handler's modules share: builders, a clock, a topic, a container."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.engine import Firing
from price_alerts.notifier import Notifier
from price_alerts.processing import Batch, Processor
from price_alerts.rules import Condition, Rule, high_price_rule
from price_alerts.store import Store
from price_alerts.ticks import InvalidMessage, Position, Tick, parse_message

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

NOW = 1_795_359_845_250_000  # 2026-11-22T15:04:05.250Z
SECOND = 1_000_000
ABOVE_150 = high_price_rule(Decimal(150))
HANDLER_NAMES = ("index", "lib.lambda.index")

_owners = itertools.count()


def tick(
    price: str | int, second: int = 0, symbol: str = "AAPL", message_id: str = "", ordinal: int = 0
) -> Tick:
    """Build a tick; without a name, its message is called after its second."""
    message_id = message_id or f"m-{second}"
    return Tick(symbol, Decimal(price), Position(NOW + second * SECOND, message_id, ordinal))


def ticks(*prices: str | int, symbol: str = "AAPL") -> list[Tick]:
    """Build one tick a second, each in a message of its own: m-0, m-1, ..."""
    return [tick(price, second, symbol) for second, price in enumerate(prices)]


def body_of(**literals: str) -> str:
    """Write a message's body from JSON literals; symbol and price are there anyway."""
    fields = {"symbol": '"AAPL"', "price": "1"} | literals
    return "{" + ", ".join(f'"{name}": {literal}' for name, literal in fields.items()) + "}"


def reason_of(body: Any, *, now: int = NOW) -> str:
    """Return why this body is refused."""
    with pytest.raises(InvalidMessage) as refusal:
        parse_message(body, "m-1", None, now)
    return str(refusal.value)


def firing(**changes: Any) -> Firing:
    """Build a firing that differs from a usual one in what is given."""
    usual = Firing(
        firing_id="0123456789abcdef0123456789abcdef",
        rule_id="high-price-threshold",
        symbol="AAPL",
        condition=Condition.ABOVE,
        levels=(Decimal(150),),
        previous_price=Decimal("149.5"),
        price=Decimal("200.25"),
        timestamp_microseconds=NOW,
        fired_at_microseconds=NOW + SECOND,
        owner="stack",
    )
    return replace(usual, **changes)


def first_seconds_above(prices: Sequence[str]) -> list[int]:
    """Tell where ``ticks`` of these prices must fire: where each stretch above 150 begins."""
    stretches = itertools.groupby(enumerate(prices), lambda pair: Decimal(pair[1]) > 150)
    return [next(stretch)[0] for above, stretch in stretches if above]


def drop_handler() -> None:
    """Forget the handler, so that the next import makes its clients and its logger anew."""
    for name in HANDLER_NAMES:
        sys.modules.pop(name, None)
    # Powertools finds a logger by its service, bound to the stdout of an earlier test.
    logging.Logger.manager.loggerDict.pop("tap-test-price-alerts", None)


class Clock:
    """A clock that only moves when somebody sleeps, or when a test moves it."""

    def __init__(self) -> None:
        self.now = NOW
        self.naps: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += round(seconds * SECOND)
        self.on_sleep()


class Topic:
    """An SNS client's ``publish_batch``: keeps the entries, refuses those that ``refused`` names.

    Like SNS it takes one to ten entries a request.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.published: list[str] = []
        self.refused: Callable[[str], bool] = lambda firing_id: False
        self.on_publish: Callable[[str], object] = lambda when: None

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        self.on_publish("before")
        self.requests.append(request)
        ids = [entry["Id"] for entry in request["PublishBatchRequestEntries"]]
        if not 1 <= len(ids) <= 10:
            raise ValueError("EmptyBatchRequest or TooManyEntriesInBatchRequest")
        failed = [firing_id for firing_id in ids if self.refused(firing_id)]
        self.published.extend(firing_id for firing_id in ids if firing_id not in failed)
        self.on_publish("after")
        return {"Failed": [{"Id": firing_id} for firing_id in failed]} if failed else {}


class Container:
    """A warm Lambda container: a processor that is given one batch after another."""

    def __init__(
        self, table: Table, clock: Clock, topic: Any, high_price: Rule | None = ABOVE_150
    ) -> None:
        self.store = Store(table)
        self._clock = clock
        self._processor = Processor(
            self.store, Notifier(topic, "arn:topic"), high_price, clock, clock.sleep
        )

    def process(self, batch_of: Iterable[Tick], *, seconds: int = 10, owner: str = "") -> Batch:
        """Process a batch that must be done in so many seconds, the last of them in reserve."""
        batch = Batch(
            owner=owner or f"invocation-{next(_owners)}",
            stop_at_microseconds=self._clock.now + (seconds - 1) * SECOND,
            deadline_microseconds=self._clock.now + seconds * SECOND,
        )
        self._processor.process(batch_of, batch)
        return batch
