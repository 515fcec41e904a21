from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.items import rule_key
from price_alerts.batch import Batch
from price_alerts.domain.ticks import Position, Tick
from tests.unit.doubles import NOW, SECOND, Container, add_rules, body_of, items_of, rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MARKER = "confidential"


class Context:
    """Lambda's context, as far as it is used."""

    aws_request_id = "request-1"

    def __init__(self, remaining: int = 10_000) -> None:
        self._remaining = remaining

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining


Lines = Callable[[], list[dict[str, Any]]]
Work = list[tuple[list[Tick], Batch]]


@pytest.fixture
def index(load_index: Callable[[], ModuleType]) -> ModuleType:
    return load_index()


@pytest.fixture
def given_work(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Work:
    """What the handler gives to its processor, which does nothing here, at a fixed time."""
    work: Work = []
    monkeypatch.setattr(index, "_now_microseconds", lambda: NOW)
    monkeypatch.setattr(index._processor, "process", lambda *given: work.append(given[:2]))
    return work


def record(body: object, message_id: str = "m-1") -> dict[str, object]:
    return {"messageId": message_id, "body": body}


def event(*records: dict[str, object]) -> dict[str, object]:
    return {"Records": list(records)}


def failures(*message_ids: str) -> dict[str, object]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in message_ids]}


def fail_calls_for(index: ModuleType, symbol: str) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if symbol.encode() in params["body"]:
            raise ConnectionError("no answer")

    index.table.meta.client.meta.events.register("before-call.dynamodb", fail)


def test_a_high_price_is_recorded_in_the_table(index: ModuleType, table: Table) -> None:
    assert index.handler(event(record(body_of(price="200.0"))), None) == failures()
    items = items_of(table, "FIRINGS#AAPL#")
    assert [(item["price"], item["sent"]) for item in items] == [(200, True)]


def test_a_rule_of_the_table_fires_too(index: ModuleType, table: Table) -> None:
    add_rules(table, rule("r-1", 100))
    bodies = [body_of(price="99", timestamp="1"), body_of(price="101", timestamp="2")]
    assert index.handler(event(record(f"[{', '.join(bodies)}]")), None) == failures()
    (item,) = items_of(table, "FIRINGS#")
    assert (item["rule"], item["price"], item["sent"]) == ("r-1", 101, True)


def test_without_a_threshold_nothing_fires(
    load_index: Callable[[], ModuleType], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGH_PRICE_THRESHOLD", "")
    assert load_index().handler(event(record(body_of(price="200.0"))), None) == failures()
    assert [item["sk"] for item in table.scan()["Items"]] == ["STATE"]


@pytest.mark.parametrize("nothing", [{}, {"Records": []}])
def test_an_event_without_records_has_no_failures(
    index: ModuleType, nothing: dict[str, object]
) -> None:
    assert index.handler(nothing, None) == failures()


def test_only_the_bad_messages_come_back_in_their_order(index: ModuleType, table: Table) -> None:
    records = [
        record("{", "m-9"),
        record(body_of(), "m-2"),
        record(None, "m-1"),
        record("[" * 200_000, "m-5"),
        record([], "m-0"),
    ]
    assert index.handler(event(*records), None) == failures("m-9", "m-1", "m-5", "m-0")
    assert [item["message_id"] for item in table.scan()["Items"]] == ["m-2"]


def test_the_good_ticks_of_a_bad_message_are_applied_and_the_message_fails(
    index: ModuleType, table: Table
) -> None:
    body = f"[{body_of(price='200', timestamp='1700000000')}, {body_of(price='true')}]"
    assert index.handler(event(record(body)), None) == failures("m-1")
    assert [item["price"] for item in items_of(table, "FIRINGS#")] == [200]
    before = items_of(table, "")
    assert index.handler(event(record(body)), None) == failures("m-1")
    assert items_of(table, "") == before


def test_a_message_that_came_twice_is_named_once(index: ModuleType) -> None:
    assert index.handler(event(record("{"), record("{")), None) == failures("m-1")


def test_a_bad_message_without_a_name_brings_the_whole_batch_back(index: ModuleType) -> None:
    assert index.handler({"Records": [{"body": "{"}]}, None) == failures("")


def test_a_message_comes_back_if_one_of_its_symbols_fails(
    index: ModuleType, table: Table, lines: Lines
) -> None:
    fail_calls_for(index, "BAD")
    both = f"[{body_of(symbol=json.dumps('BAD'))}, {body_of(symbol=json.dumps('GOOD'))}]"
    good = record(body_of(symbol='"FINE"'), "m-2")
    assert index.handler(event(record(both), good), None) == failures("m-1")
    assert {item["pk"] for item in table.scan()["Items"]} == {"SYMBOL#GOOD", "SYMBOL#FINE"}
    (error,) = [line for line in lines() if line.get("level") == "ERROR"]
    assert (error["message"], error["message_ids"]) == ("symbol failed", ["m-1"])
    assert (error["exception_name"], "no answer" in error["exception"]) == ("ConnectionError", True)


def test_without_time_every_message_comes_back(index: ModuleType) -> None:
    records = [record(body_of(), "m-1"), record(body_of(), "m-2")]
    assert index.handler(event(*records), Context(remaining=0)) == failures("m-1", "m-2")


@pytest.mark.parametrize(
    ("context", "stop", "deadline"),
    [
        pytest.param(None, 9_000, 10_000, id="no context"),
        pytest.param(Context(30_000), 29_000, 30_000, id="a second in reserve"),
        pytest.param(Context(4_000), 3_000, 4_000, id="just a quarter"),
        pytest.param(Context(1_000), 750, 1_000, id="a quarter of a short time"),
    ],
)
def test_work_stops_in_good_time(
    index: ModuleType,
    given_work: Work,
    context: Context | None,
    stop: int,
    deadline: int,
) -> None:
    index.handler(event(), context)
    ((_, batch),) = given_work
    assert batch.deadline.stop_at_microseconds == NOW + stop * 1_000
    assert batch.deadline.ends_at_microseconds == NOW + deadline * 1_000


def test_every_invocation_is_an_owner_of_its_own(index: ModuleType, given_work: Work) -> None:
    index.handler(event(), Context())
    index.handler(event(), Context())
    assert len({batch.deadline.owner for _, batch in given_work}) == 2


@pytest.mark.parametrize(
    ("more", "timestamp", "sent_at"),
    [
        (
            {"attributes": {"SentTimestamp": "1700000000123"}},
            1_700_000_000_123_000,
            1_700_000_000_123_000,
        ),
        ({"attributes": {"SentTimestamp": "soon"}}, NOW, 0),
        ({"attributes": {}}, NOW, 0),
        ({"attributes": None}, NOW, 0),
        ({}, NOW, 0),
    ],
)
def test_a_tick_without_a_timestamp_is_as_old_as_its_message(
    index: ModuleType,
    given_work: Work,
    more: dict[str, object],
    timestamp: int,
    sent_at: int,
) -> None:
    index.handler(event(record(body_of()) | more), None)
    ((given_ticks, _),) = given_work
    assert [tick.position for tick in given_ticks] == [Position(timestamp, 0, sent_at, "m-1", 0)]


def test_prices_of_one_timestamp_count_in_the_order_in_which_they_were_sent(
    index: ModuleType, table: Table
) -> None:
    sent_at = {"m-3": 1, "m-1": 2, "m-4": 3, "m-2": 4}
    prices = zip(sent_at, ("99", "151", "99", "151"), strict=True)
    records = [
        record(body_of(price=price, timestamp="1700000000"), name)
        | {"attributes": {"SentTimestamp": str(1_700_000_000_000 + sent_at[name])}}
        for name, price in prices
    ]
    for batch in (reversed(records), records):  # the second is a redelivery, in another order
        assert index.handler(event(*batch), None) == failures()
    assert len(items_of(table, "FIRINGS#")) == 2


def test_prices_of_one_timestamp_count_in_the_order_of_the_feed(
    index: ModuleType, table: Table
) -> None:
    sequences = {"m-3": 1, "m-1": 2, "m-4": 3, "m-2": 10}
    prices = zip(sequences, ("99", "151", "99", "151"), strict=True)
    bodies = {
        name: body_of(price=price, timestamp="1700000000", sequence=str(sequences[name]))
        for name, price in prices
    }
    records = [record(bodies[name], name) for name in sorted(bodies)]
    assert index.handler(event(*records), None) == failures()
    assert len(items_of(table, "FIRINGS#")) == 2


def test_the_clock_counts_microseconds(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000 + 999)
    assert index._now_microseconds() == NOW


def test_a_hanging_call_can_be_tried_again_in_time(index: ModuleType) -> None:
    for client in (index.table.meta.client, index.sns):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (1, 3)
        assert config.retries["total_max_attempts"] == 3


def test_a_refusal_is_logged_with_message_and_reason(index: ModuleType, lines: Lines) -> None:
    index.handler(event(record("{")), Context())
    (warning,) = [line for line in lines() if line.get("level") == "WARNING"]
    assert {
        name: warning[name] for name in ("message", "message_id", "reason", "request_id", "service")
    } == {
        "message": "message rejected",
        "message_id": "m-1",
        "reason": "the body is not JSON",
        "request_id": "request-1",
        "service": "tap-test-price-alerts",
    }


def test_a_published_firing_is_logged(index: ModuleType, table: Table, lines: Lines) -> None:
    index.handler(event(record(body_of(price="200"))), None)
    (line,) = [line for line in lines() if line.get("level") == "INFO"]
    (firing_id,) = [item["firing_id"] for item in table.scan()["Items"] if "firing_id" in item]
    assert (line["message"], line["firing_id"], line["rule_id"], line["message_id"]) == (
        "firing published",
        firing_id,
        "high-price-threshold",
        "m-1",
    )


def test_a_line_names_no_request_of_an_earlier_invocation(index: ModuleType, lines: Lines) -> None:
    index.handler(event(), Context())
    index.handler(event(record("{")), None)
    (warning,) = [line for line in lines() if line.get("level") == "WARNING"]
    assert "request_id" not in warning


def test_no_line_holds_anything_of_a_body(
    index: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_calls_for(index, "BAD")
    secret = json.dumps(MARKER)
    bodies = [
        MARKER,
        body_of(price=secret),
        body_of(timestamp=secret),
        body_of(symbol=json.dumps(f"{MARKER} ")),
        body_of(price="200", note=secret),
        body_of(symbol='"BAD"', note=secret),
    ]
    records = [record(body, f"m-{number}") for number, body in enumerate(bodies)]
    failed = index.handler(event(*records), None)
    assert failed == failures("m-0", "m-1", "m-2", "m-3", "m-5")
    printed = capsys.readouterr()
    assert len([json.loads(line) for line in printed.out.splitlines()]) == 7
    assert MARKER not in printed.out + printed.err


def test_the_metrics_count_what_happened(
    index: ModuleType, container: Container, lines: Lines
) -> None:
    fail_calls_for(index, "BAD")
    index.handler(event(record(body_of(timestamp="1000"))), None)
    container.process([Tick("AAPL", Decimal(1), Position(1_001 * SECOND, 0, 0, "m-2", 0))])
    lines()
    records = [
        record(f"[{body_of(price='200', timestamp='1002')}, {body_of()}]", "m-3"),
        record("{", "m-4"),
        record(body_of(symbol='"BAD"'), "m-5"),
    ]
    index.handler(event(*records), None)
    (metrics,) = [line for line in lines() if "_aws" in line]
    (declared,) = metrics["_aws"]["CloudWatchMetrics"]
    counts = {metric["Name"]: metrics[metric["Name"]] for metric in declared["Metrics"]}
    (lag,) = counts.pop("Lag")
    assert lag > 0
    assert counts == {
        "Messages": [3.0],
        "Ticks": [3.0],
        "LateTicks": [0.0],
        "PublishFailures": [0.0],
        "Firings": [1.0],
        "InvalidMessages": [1.0],
        "FailedMessages": [2.0],
        "Conflicts": [1.0],
        "HandedOverMessages": [0.0],
        "UndeliverableFirings": [0.0],
        "RulesSetAside": [0.0],
    }
    units = {metric["Name"]: metric["Unit"] for metric in declared["Metrics"]}
    assert (units.pop("Lag"), set(units.values())) == ("Milliseconds", {"Count"})
    assert (declared["Namespace"], metrics["service"]) == ("PriceAlerts", "tap-test-price-alerts")


def test_a_message_that_has_come_before_brings_no_late_ticks(
    load_index: Callable[[], ModuleType], lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATE_TICKS", "0")
    index = load_index()
    index.handler(event(record(body_of(timestamp="1001"), "m-0")), None)
    for count in ("2", "1"):
        again = record(body_of(timestamp="1000")) | {
            "attributes": {"ApproximateReceiveCount": count}
        }
        index.handler(event(again), None)
    assert [line["LateTicks"] for line in lines() if "_aws" in line] == [[0.0], [0.0], [1.0]]


def test_every_invocation_reports_its_own_counts(index: ModuleType, lines: Lines) -> None:
    for number in range(2):
        index.handler(event(record(body_of(), f"m-{number}")), None)
    assert [line["Ticks"] for line in lines() if "_aws" in line] == [[1.0], [1.0]]


@pytest.mark.parametrize(("remaining", "message"), [(10_000, "unfinished"), (0, "out of time")])
def test_who_is_not_done_says_so_and_names_what_comes_again(
    index: ModuleType,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    remaining: int,
    message: str,
) -> None:
    def process(ticks: list[Tick], batch: Batch, symbols: object) -> None:
        batch.unfinished("AAPL", ticks)

    monkeypatch.setattr(index._processor, "process", process)
    assert index.handler(event(record(body_of())), Context(remaining)) == failures("m-1")
    (warning,) = [line for line in lines() if line.get("level") == "WARNING"]
    assert (warning["message"], warning["message_ids"]) == (message, ["m-1"])


def test_a_firing_that_is_undeliverable_is_logged_and_counted(
    index: ModuleType, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(**request: Any) -> dict[str, Any]:
        (entry,) = request["PublishBatchRequestEntries"]
        return {"Failed": [{"Id": entry["Id"], "Code": "InvalidParameter", "SenderFault": True}]}

    monkeypatch.setattr(index.sns, "publish_batch", reject)
    assert index.handler(event(record(body_of(price="200"))), None) == failures()
    printed = lines()
    (error,) = [line for line in printed if line.get("level") == "ERROR"]
    assert (error["message"], error["rule_id"], error["message_id"], error["reason"]) == (
        "firing undeliverable",
        "high-price-threshold",
        "m-1",
        "InvalidParameter",
    )
    (metrics,) = [line for line in printed if "_aws" in line]
    assert (metrics["UndeliverableFirings"], metrics["Firings"]) == ([1.0], [0.0])


def test_a_rule_that_is_set_aside_is_logged_and_counted(
    index: ModuleType, table: Table, lines: Lines
) -> None:
    add_rules(table, rule("broken", 100), rule("whole", 100))
    table.update_item(
        Key=rule_key("AAPL", "broken"),
        UpdateExpression="REMOVE levels",
    )
    bodies = [body_of(price="99", timestamp="1"), body_of(price="101", timestamp="2")]
    assert index.handler(event(record(f"[{', '.join(bodies)}]")), None) == failures()
    printed = lines()
    (error,) = [line for line in printed if line.get("level") == "ERROR"]
    assert (error["message"], error["rule_id"], "KeyError" in error["reason"]) == (
        "rule set aside",
        "broken",
        True,
    )
    (metrics,) = [line for line in printed if "_aws" in line]
    assert (metrics["RulesSetAside"], metrics["Firings"]) == ([1.0], [1.0])


def test_in_a_fifo_queue_what_comes_after_a_message_that_fails_is_tried_again_with_it(
    index: ModuleType,
) -> None:
    fail_calls_for(index, "BAD")
    fifo = {"eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:prices.fifo"}
    groups = [("m-1", '"FINE"', "a"), ("m-2", '"BAD"', "a"), ("m-3", '"AAPL"', "a")]
    others = [("m-4", '"IBM"', "b")]
    records = [
        record(body_of(symbol=symbol), message_id)
        | fifo
        | {"attributes": {"MessageGroupId": group}}
        for message_id, symbol, group in groups + others
    ]
    assert index.handler(event(*records), None) == failures("m-2", "m-3")


def test_in_a_fifo_queue_nothing_waits_for_an_invalid_message(index: ModuleType) -> None:
    fifo = {"eventSourceARN": "arn:prices.fifo", "attributes": {"MessageGroupId": "a"}}
    records = [record("{", "m-1") | fifo, record(body_of(), "m-2") | fifo]
    assert index.handler(event(*records), None) == failures("m-1")
