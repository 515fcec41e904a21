"""The yardsticks: fair ones, and what we ask of AWS beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice

import pytest

from benchmarks.counting import HOUR_MICROSECONDS, Counts, count, warm
from benchmarks.handlers import usual_rules
from benchmarks.scale import FULL
from benchmarks.stage import CONTESTANTS, OURS, REGION, Contestant, Stage, now_microseconds
from benchmarks.streams import events, rules_of, symbols, ticks
from tests.integration.conftest import Deployed

pytestmark = pytest.mark.deep

EVALUATING = [name for name in CONTESTANTS if name != "seed_like"]
_, BATCH_SIZE, _ = FULL.batch_sizes
SYMBOLS = symbols(FULL.symbols)


@pytest.fixture(scope="module")
def stage(deployed: Deployed) -> Iterator[Stage]:
    """The deployment, with a topic on which not only the function's role may publish."""
    topic = deployed.emulator.client("sns").create_topic(Name="yardsticks")
    with pytest.MonkeyPatch.context() as patch:
        variables = {**deployed.emulator.variables, "AWS_DEFAULT_REGION": REGION}
        for name in ("HIGH_PRICE_THRESHOLD", "TABLE_NAME", "TOPIC_ARN"):
            patch.setenv(name, "")
        for name, value in variables.items():
            patch.setenv(name, value)
        stage = Stage(deployed.emulator, {**deployed.outputs, "topic_arn": topic["TopicArn"]})
        yield stage
    deployed.emulator.client("sns").delete_topic(TopicArn=topic["TopicArn"])
    for table_name in stage.eye.list_tables()["TableNames"]:
        if table_name != deployed.outputs["table_name"]:
            stage.eye.delete_table(TableName=table_name)
    for name in CONTESTANTS.values():
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def counts(stage: Stage) -> dict[str, Counts]:
    """What we and `scanning` take, with a hundred rules a symbol."""
    found = {}
    for name, tick_count in ((OURS, 1_000), ("scanning", 200)):
        contestant = stage.enter(name, usual_rules(FULL))
        found[name] = count(
            contestant, stage.eye, warm(contestant, BATCH_SIZE, SYMBOLS), tick_count
        )
    return found


def triggered(stage: Stage, contestant: Contestant) -> set[str]:
    """Name the rules that fired in a contestant's table."""
    pages = stage.eye.get_paginator("scan").paginate(
        TableName=contestant.table_name,
        FilterExpression="#status = :triggered",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":triggered": {"S": "triggered"}},
    )
    return {item["rule_id"]["S"] for page in pages for item in page["Items"]}


def test_all_that_evaluate_find_that_the_same_rules_come_true(stage: Stage) -> None:
    names = symbols(5)
    rules = [rule for name in names for rule in rules_of(name, 40)]
    fired = {}
    for name in EVALUATING:
        contestant = stage.enter(name, rules)
        prices = ticks(names, now_microseconds() - HOUR_MICROSECONDS, step_cents=200)
        for event in islice(events(prices, 50), 4):
            assert contestant.handle(event) == {"batchItemFailures": []}
        fired[name] = triggered(stage, contestant)
    assert len(fired[OURS]) > 20
    assert fired["scanning"] == fired["powertools"] == fired[OURS]


def test_a_warm_batch_is_one_write_a_symbol_and_no_read(counts: dict[str, Counts]) -> None:
    contents = events(ticks(SYMBOLS, now_microseconds()), BATCH_SIZE)
    moved = [
        len({json.loads(record["body"])["symbol"] for record in event["Records"]})
        for event in islice(contents, 2, 12)
    ]
    ours = counts[OURS]
    assert (ours.calls, ours.writes, ours.reads) == (sum(moved), sum(moved), 0)


def test_we_call_aws_at_most_a_quarter_as_often_as_scanning(counts: dict[str, Counts]) -> None:
    assert counts[OURS].calls <= counts["scanning"].calls / 4


def test_we_take_at_most_a_twentieth_of_the_capacity(counts: dict[str, Counts]) -> None:
    assert counts[OURS].units <= counts["scanning"].units / 20
