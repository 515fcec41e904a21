"""The prices and rules that every contestant gets. Pure, and the same every time."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate, chain, count, cycle, islice, repeat
from typing import Any

from price_alerts.adapters.items import (
    Attributes,
    former_rule_key,
    line_key,
    rule_item,
    watch_items,
)
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.rules import Rule
from price_alerts.domain.ticks import format_timestamp
from price_alerts.domain.watches import NEW

Tick = dict[str, str]

_START_CENTS = 10_000
FIRST_PRICE = Decimal(_START_CENTS).scaleb(-2)
_CONDITIONS = (Condition.CROSSES_UP, Condition.CROSSES_DOWN, Condition.ABOVE, Condition.BELOW)
_SEED = 7
_USUAL: dict[str, Any] = {
    "expires_at_microseconds": 4_102_444_800_000_000,  # 2100
    "owner": "trading-desk",
    "note": "sell a third of it here, then raise the stop to the last low",
    "message": "{symbol} {condition} {level}: it is at {price}, and was {previous_price}. {note}",
}


def symbols(how_many: int) -> list[str]:
    """Return names of symbols, the busiest first."""
    return [f"S{number:03d}" for number in range(how_many)]


def rules_of(symbol: str, how_many: int, *, are_bare: bool = False) -> list[Rule]:
    """Invent rules that fire once, at levels up to half the first price away from it.

    None is true at the first price. Unless bare, they have an owner, notes and an expiry.
    """
    chance = random.Random(f"{symbol} {how_many}")  # noqa: S311  # not cryptography
    rules = []
    for number in range(how_many):
        cents = chance.choice((-1, 1)) * chance.randint(50, 5_000)
        condition = _CONDITIONS[chance.randrange(2) * 2 + (cents < 0)]
        level = Decimal(_START_CENTS + cents).scaleb(-2).normalize()
        rule = Rule(
            rule_id=f"{symbol.lower()}-{number:06d}",
            symbol=symbol,
            terms=Terms(condition, (level,)),
        )
        rules.append(rule if are_bare else replace(rule, **_USUAL))
    return rules


def items_of(
    rules: Sequence[Rule], *, on_one_key: bool = False, are_new: bool = True
) -> Iterator[Attributes]:
    """Return rules as items of the table: all of a symbol's on one key, or as prices left them."""
    for rule in rules:
        key = former_rule_key(rule.symbol, rule.rule_id) if on_one_key else {}
        yield {**rule_item(rule), **key}
        new = line_key(rule.symbol, NEW)
        yield from (item for item in watch_items(rule) if are_new or item["pk"] != new)


def walk(seed: str, step_cents: int = 1) -> Iterator[Decimal]:
    """Walk at random from 100, one step at a time."""
    chance = random.Random(seed)  # noqa: S311  # not cryptography
    cents = _START_CENTS
    while True:
        yield Decimal(cents).scaleb(-2)
        cents += chance.choice((-step_cents, step_cents)) if cents > step_cents else step_cents


def tick(symbol: str, price: Decimal, timestamp_microseconds: int) -> Tick:
    """Return a tick as it is sent."""
    timestamp = format_timestamp(timestamp_microseconds)
    return {"symbol": symbol, "price": f"{price:f}", "timestamp": timestamp}


def to_and_fro(symbol: str, start_microseconds: int) -> Iterator[Tick]:
    """Go a cent up and down, crossing no level."""
    prices = cycle((Decimal(100), Decimal("100.01")))
    for price, moment in zip(prices, count(start_microseconds, 100), strict=False):
        yield tick(symbol, price, moment)


def ticks(names: Sequence[str], start_microseconds: int, step_cents: int = 1) -> Iterator[Tick]:
    """Walk each of some symbols at random, ten ticks a millisecond.

    Their frequencies follow Zipf: the second symbol half as often as the first, the third a third.
    The first ticks are one of each, which warms a container up.
    """
    chance = random.Random(_SEED)  # noqa: S311  # not cryptography
    weights = list(accumulate(1 / rank for rank in range(1, len(names) + 1)))
    order = (chance.choices(names, cum_weights=weights)[0] for _ in repeat(None))
    walks = {name: walk(name, step_cents) for name in names}
    for name, moment in zip(chain(names, order), count(start_microseconds, 100), strict=False):
        yield tick(name, next(walks[name]), moment)


def events(prices: Iterator[Tick], batch_size: int) -> Iterator[dict[str, Any]]:
    """Put ticks into events as SQS sends them to Lambda, each in its own message."""
    while batch := list(islice(prices, batch_size)):
        yield {
            "Records": [
                {
                    "messageId": str(uuid.uuid4()),
                    "receiptHandle": "receipt",
                    "body": json.dumps(body),
                    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
                    "eventSource": "aws:sqs",
                }
                for body in batch
            ]
        }
