"""What the benchmark reports: ratios, dollars, findings, and the stream that all get."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice

import pytest

from benchmarks.costs import PRICES, Traffic, cost, dynamodb_dollars
from benchmarks.counting import Counts
from benchmarks.report import Finding
from benchmarks.streams import events, rules_of, symbols, ticks
from benchmarks.timing import side_by_side
from price_alerts.domain.conditions import Condition

COUNTS = Counts(calls=500, reads=8_000, writes=1_000, published=2)


def test_runs_take_turns_and_a_ratio_is_that_of_each_rounds_own_pair() -> None:
    order: list[str] = []
    seconds = iter((1.0, 2.0, 20.0, 10.0, 3.0, 6.0))

    def run(name: str) -> float:
        order.append(name)
        return next(seconds)

    timings = side_by_side({"a": lambda: run("a"), "b": lambda: run("b")}, rounds=3)
    assert (order, timings.seconds) == (list("ababab"), {"a": [1, 20, 3], "b": [2, 10, 6]})
    assert (timings.median_of("a"), timings.ratio("a", "b")) == (3, 0.5)


@pytest.mark.parametrize(
    ("figure", "is_floor", "row"),
    [
        (2, True, ["2 x", "≥ 2 x", "yes"]),
        (1.9, True, ["1.9 x", "≥ 2 x", "no"]),
        (2, False, ["2 x", "≤ 2 x", "yes"]),
        (1_234_567.8, False, ["1,234,568 x", "≤ 2 x", "no"]),
    ],
)
def test_a_finding_is_met_up_to_its_bound(figure: float, is_floor: bool, row: list[str]) -> None:
    assert Finding("speed", figure, 2, is_floor=is_floor).row == ["speed", *row]


def test_a_million_ticks_cost_what_the_list_says() -> None:
    found = cost(COUNTS, Traffic(10, 100), cpu_seconds=0.1, calls_at_once=1)
    cpu_seconds = 100 * (1_769 / 1_024) / 0.5
    waiting_seconds = 500_000 * 0.005
    assert found.dynamodb == pytest.approx(1 * 0.625 + 8 * 0.125) == dynamodb_dollars(COUNTS)
    assert found.sqs == pytest.approx(0.3 * 0.40)
    assert found.sns == pytest.approx(0.002 * 0.50)
    seconds = cpu_seconds + waiting_seconds
    assert found.function == pytest.approx(0.01 * 0.20 + seconds * 0.5 * 0.0000133334)
    assert found.total == found.dynamodb + found.sqs + found.sns + found.function


def test_calls_that_wait_together_cost_as_much_as_the_longer_of_waiting_and_work() -> None:
    requests = 0.01 * PRICES["Lambda request"]
    alone, together = (
        cost(COUNTS, Traffic(10, 100), cpu_seconds=0, calls_at_once=calls).function - requests
        for calls in (1, 8)
    )
    assert together == pytest.approx(alone / 8)


def test_several_ticks_in_a_message_cost_less_of_the_queue() -> None:
    alone, many = (
        cost(COUNTS, Traffic(10, 100, each), cpu_seconds=0, calls_at_once=1).sqs for each in (1, 50)
    )
    assert many == pytest.approx(alone / 50)


def test_the_stream_is_the_same_every_time_follows_zipf_and_its_times_go_up() -> None:
    names = symbols(200)
    found = list(islice(ticks(names, 0), 10_200))
    assert found == list(islice(ticks(names, 0), 10_200))
    assert [tick["symbol"] for tick in found[:200]] == names
    counts = Counter(tick["symbol"] for tick in found[200:])
    assert counts["S000"] / counts["S001"] == pytest.approx(2, rel=0.15)
    assert counts["S000"] / counts["S009"] == pytest.approx(10, rel=0.25)
    times = [tick["timestamp"] for tick in found]
    assert times == sorted(set(times))


def test_every_tick_is_a_message_of_its_own() -> None:
    event = next(events(ticks(symbols(200), 0), 100))
    assert len({record["messageId"] for record in event["Records"]}) == 100
    assert json.loads(event["Records"][3]["body"])["symbol"] == "S003"


def test_no_rule_is_true_at_the_first_price() -> None:
    for rule in rules_of("S000", 500):
        is_above = rule.terms.condition in (Condition.ABOVE, Condition.CROSSES_UP)
        assert (rule.terms.levels[0] > 100) == is_above
