"""What the benchmark tells: ratios, dollars, tables and the stream that all get."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice

import pytest

from benchmarks.costs import PRICES, Cost, Traffic, cost, dynamodb_dollars
from benchmarks.counting import Counts
from benchmarks.report import Finding
from benchmarks.streams import events, rules_of, symbols, ticks
from benchmarks.timing import Timings, side_by_side
from price_alerts.domain.conditions import Condition

COUNTS = Counts(calls=500, reads=8_000, writes=1_000, published=2)


def test_a_ratio_is_that_of_each_round_s_own_pair() -> None:
    timings = Timings({"a": [1.0, 20.0, 3.0], "b": [2.0, 10.0, 6.0]})
    assert timings.ratio("a", "b") == 0.5


def test_runs_take_turns() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    timings = side_by_side({"a": lambda: run("a"), "b": lambda: run("b")}, rounds=2)
    assert (order, timings.seconds) == (["a", "b", "a", "b"], {"a": [1, 3], "b": [2, 4]})
    assert timings.median_of("a") == 2


@pytest.mark.parametrize(
    ("figure", "is_floor", "is_met"),
    [(2, True, True), (1.9, True, False), (2, False, True), (2.1, False, False)],
)
def test_a_finding_is_met_up_to_its_bound(figure: float, is_floor: bool, is_met: bool) -> None:
    finding = Finding("speed", figure, 2, is_floor=is_floor)
    assert (finding.is_met, finding.row[3]) == (is_met, "yes" if is_met else "no")


def test_a_finding_is_told_with_three_digits() -> None:
    finding = Finding("speed", 1_234_567.8, 0.25, is_floor=True, unit="rows/s")
    assert finding.row == ["speed", "1,234,568 rows/s", "≥ 0.25 rows/s", "yes"]


def test_dollars_of_dynamodb_are_those_of_its_units() -> None:
    assert dynamodb_dollars(COUNTS) == pytest.approx(1 * 0.625 + 8 * 0.125)


def test_a_million_ticks_cost_what_the_list_says() -> None:
    found = cost(COUNTS, Traffic(10, 100), cpu_seconds=0.1, calls_at_once=1)
    cpu_seconds = 100 * (1_769 / 1_024) / 0.5
    waiting_seconds = 500_000 * 0.005
    function = 0.01 * 0.20 + (cpu_seconds + waiting_seconds) * 0.5 * 0.0000133334
    wanted = Cost(dynamodb_dollars(COUNTS), 0.3 * 0.40, 0.002 * 0.50, function)
    assert found.total == pytest.approx(wanted.total)
    assert found.sqs == pytest.approx(wanted.sqs)
    assert found.sns == pytest.approx(wanted.sns)


def test_calls_that_wait_together_cost_as_much_as_the_longer_of_waiting_and_work() -> None:
    alone = cost(COUNTS, Traffic(10, 100), cpu_seconds=0, calls_at_once=1).function
    together = cost(COUNTS, Traffic(10, 100), cpu_seconds=0, calls_at_once=8).function
    requests = 0.01 * PRICES["Lambda request"]
    assert (together - requests) == pytest.approx((alone - requests) / 8)


def test_several_ticks_in_a_message_cost_less_of_the_queue() -> None:
    alone, many = (
        cost(COUNTS, Traffic(10, 100, each), cpu_seconds=0, calls_at_once=1).sqs for each in (1, 50)
    )
    assert many == pytest.approx(alone / 50)


def test_the_stream_is_the_same_every_time_and_follows_zipf() -> None:
    names = symbols(200)
    found = list(islice(ticks(names, 0), 20_200))
    assert found == list(islice(ticks(names, 0), 20_200))
    assert [tick["symbol"] for tick in found[:200]] == names
    counts = Counter(tick["symbol"] for tick in found[200:])
    assert counts["S000"] / counts["S001"] == pytest.approx(2, rel=0.15)
    assert counts["S000"] / counts["S009"] == pytest.approx(10, rel=0.25)


def test_the_times_of_the_stream_go_up() -> None:
    times = [tick["timestamp"] for tick in islice(ticks(symbols(200), 0), 1_000)]
    assert times == sorted(set(times))


def test_every_tick_is_a_message_with_a_name_of_its_own() -> None:
    event = next(events(ticks(symbols(200), 0), 100))
    assert len({record["messageId"] for record in event["Records"]}) == 100
    assert json.loads(event["Records"][3]["body"])["symbol"] == "S003"


def test_no_rule_is_true_at_the_first_price() -> None:
    for rule in rules_of("S000", 500):
        level = rule.terms.levels[0]
        is_above = rule.terms.condition in (Condition.ABOVE, Condition.CROSSES_UP)
        assert (level > 100) == is_above
