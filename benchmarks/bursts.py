"""A price crosses the level of very many rules; compared with as many bare puts and publishes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from benchmarks.counting import HOUR_MICROSECONDS
from benchmarks.stage import OURS, Contestant, Stage, now_microseconds
from benchmarks.streams import events, symbols, tick
from price_alerts.adapters.notifier import message
from price_alerts.adapters.state_items import firing_item
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.notices import notice
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import Position

_LEVEL = Decimal(150)
_TERMS = Terms(Condition.CROSSES_UP, (_LEVEL,))
_AT_ONCE = 8  # as many as the handler
_RULE = Rule(rule_id="s000-000000", symbol="S000", terms=_TERMS)
_FIRING = Firing(
    firing_id="0" * 32,
    rule_id=_RULE.rule_id,
    symbol=_RULE.symbol,
    terms=_TERMS,
    previous_price=_LEVEL - 1,
    price=_LEVEL + 1,
    position=Position(1_790_000_000_000_000, 0, 0, "00000000-0000-0000-0000-000000000000", 0),
    fired_at_microseconds=1_790_000_000_000_000,
)


def set_up(stage: Stage, count: int) -> tuple[Contestant, Mapping[str, Any]]:
    """Give our handler very many rules at one level; returns it, and the batch that crosses it."""
    (symbol,) = symbols(1)
    rules = [
        Rule(rule_id=f"{symbol.lower()}-{number:06d}", symbol=symbol, terms=_TERMS)
        for number in range(count)
    ]
    start = now_microseconds() - HOUR_MICROSECONDS
    before, after = (tick(symbol, _LEVEL + move, start + move) for move in (-1, 1))
    first, second = events(iter((before, after)), 1)
    contestant = stage.enter(OURS, rules)
    contestant.handle(first)
    return contestant, second


def over_bare(stage: Stage, count: int) -> float:
    """Return how many times as long as bare puts and publishes a burst of firings takes.

    For each firing, the latter put an item as large as its record and publish a message as large
    as its alert, with as many threads as the handler has: no rule is found, read or changed.
    """
    contestant, batch = set_up(stage, count)
    start = time.perf_counter()
    contestant.handle(batch)
    ours_seconds = time.perf_counter() - start

    table_name = stage.new_table()
    dynamodb, sns = contestant.clients  # accept plain values, and are configured alike

    def put_and_publish(number: int) -> None:
        announced = notice(_FIRING._replace(firing_id=f"{number:032x}"), _RULE)
        dynamodb.put_item(TableName=table_name, Item=firing_item(announced, now_microseconds()))
        entry: Any = message(announced)
        del entry["Id"]
        sns.publish(TopicArn=stage.outputs["topic_arn"], **entry)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        start = time.perf_counter()
        for _ in pool.map(put_and_publish, range(count)):
            pass
        return ours_seconds / (time.perf_counter() - start)
