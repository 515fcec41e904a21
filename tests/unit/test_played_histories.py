"""Random histories through the table and the commit protocol, held against the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import pytest

from lib.client.rule_store import RuleStore
from price_alerts.domain import engine
from price_alerts.domain.rules import high_price_rule
from price_alerts.domain.ticks import Tick
from tests.histories import play, random_history, rule_of, tick_of
from tests.history_writer import Event
from tests.oracle import Fired, Oracle
from tests.unit.doubles import Clock, Container, Topic, create_table, items_of, returning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

THRESHOLD = Decimal(100)


class Pipeline:
    """Two warm containers on one table, and the rules that the command line writes there."""

    def __init__(self, table: Table, random: Random) -> None:
        self._table, self._random, self._clock, self.topic = table, random, Clock(), Topic()
        self._rules = RuleStore(table, self._clock.sleep)
        self._containers = [
            Container(table, self._clock, self.topic, high_price_rule(THRESHOLD)) for _ in range(2)
        ]

    def perform(self, event: Event) -> None:
        match event:
            case ("add", spec):
                self._rules.add(rule_of(spec))
            case ("ticks", ticks):
                for batch in self._cut([tick_of(tick) for tick in ticks]):
                    container = self._random.choice(self._containers)
                    assert not returning(container.process(batch))
            case (change, rule_id):
                getattr(self._rules, change)(rule_id)

    def firings(self) -> list[Fired]:
        return sorted(
            (
                item["rule"],
                int(item["timestamp_microseconds"]),
                item.get("previous_price"),
                item["price"],
            )
            for item in items_of(self._table, "FIRINGS#")
        )

    def _cut(self, ticks: list[Tick]) -> Iterator[list[Tick]]:
        """Cut ticks into batches anywhere; some come again, and in any order."""
        start = 0
        while start < len(ticks):
            end = start + self._random.randint(1, 8)
            again = self._random.sample(ticks[:start], self._random.randint(0, min(start, 2)))
            batch = ticks[start:end] + again
            self._random.shuffle(batch)
            yield batch
            start = end


@pytest.mark.parametrize(("changes_per_commit", "histories"), [(100, 3), (1, 2)])
def test_what_is_recorded_is_what_the_oracle_says(
    aws: None, monkeypatch: pytest.MonkeyPatch, changes_per_commit: int, histories: int
) -> None:
    """So few because moto takes a second or more for each; hundreds were played by hand."""
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", changes_per_commit)
    random = Random(changes_per_commit)
    for number in range(histories):
        table = create_table(f"history-{number}")
        pipeline, fired = Pipeline(table, random), []
        for event, firings in play(random_history(random), Oracle(THRESHOLD)):
            pipeline.perform(event)
            fired += firings
        assert pipeline.firings() == sorted(fired)
        assert len(pipeline.topic.published) == len(fired)
        table.delete()
