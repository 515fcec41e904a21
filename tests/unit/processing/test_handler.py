"""The handler: records in, failures, handovers, lines and metrics out."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from price_alerts.adapters.items import rule_key
from price_alerts.batch import Batch
from price_alerts.domain.ticks import Position, Tick
from tests.unit.doubles import (
    NOW,
    add_rules,
    body_of,
    fail_calls_for,
    items_of,
    recorded,
    rule,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

FIFO = "arn:aws:sqs:us-east-1:123456789012:prices.fifo"
HIGH = body_of(price="200")

Work = list[tuple[list[Tick], Batch]]
Lines = Callable[[], list[dict[str, Any]]]
Sent = list[dict[str, Any]]


class Context(SimpleNamespace):
    """Lambda's context, as far as it is used."""

    def __init__(self, remaining: int = 10_000, name: str = "request-1") -> None:
        super().__init__(aws_request_id=name, get_remaining_time_in_millis=lambda: remaining)


@pytest.fixture
def index(load_index: Callable[[], ModuleType]) -> ModuleType:
    return load_index()


@pytest.fixture
def work(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Work:
    """What the handler gives to its processor, which finishes nothing here, at a fixed time."""
    found: Work = []

    def process(ticks: list[Tick], batch: Batch, symbols: object) -> None:
        found.append((ticks, batch))
        batch.leave_unfinished("AAPL", ticks)

    monkeypatch.setattr(index, "_now_microseconds", lambda: NOW)
    monkeypatch.setattr(index._processor, "process", process)
    return found


def record(
    message_id: str = "m-1",
    body: object = None,
    sent_at: int = NOW // 1_000,
    count: int = 1,
    **more: Any,
) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(count), "SentTimestamp": str(sent_at)}
    attributes |= more.pop("attributes", {})
    body = body_of() if body is None else body
    return {"messageId": message_id, "body": body, "attributes": attributes, **more}


def handle(index: ModuleType, *records: Mapping[str, Any], context: Any = None) -> list[str]:
    """Handle a batch; returns the ids of the messages that fail."""
    answer = index.handler({"Records": list(records)}, context)
    assert answer.keys() == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def metrics_in(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts in the one line of metrics."""
    (line,) = [line for line in lines if "_aws" in line]
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: line[metric["Name"]] for metric in declared["Metrics"]}


def logged(lines: list[dict[str, Any]], *names: str) -> list[list[Any]]:
    """Return some fields of all lines that are not metrics."""
    return [[line.get(name) for name in names] for line in lines if "_aws" not in line]


# --- which messages fail ---------------------------------------------------------------------


def test_high_prices_of_many_symbols_are_recorded(index: ModuleType, table: Table) -> None:
    names = [f"S{number}" for number in range(20)]
    bodies = [body_of(symbol=json.dumps(name), price="200") for name in names]
    assert handle(index, *map(record, names, bodies), context=Context(300_000)) == []
    assert recorded(table) == [("high-price-threshold", "200", True)] * 20
    assert [item["message_id"] for item in items_of(table, "SYMBOL#")] == sorted(names)


def test_without_a_threshold_only_rules_of_the_table_fire(
    load_index: Callable[[], ModuleType], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGH_PRICE_THRESHOLD", "")
    add_rules(table, rule("r-1", 100))
    bodies = [body_of(price="99", timestamp="1"), body_of(price="200", timestamp="2")]
    assert handle(load_index(), record("m-1", f"[{', '.join(bodies)}]")) == []
    assert recorded(table) == [("r-1", "200", True)]


def test_only_the_bad_messages_fail_in_their_order_and_each_once(
    index: ModuleType, table: Table
) -> None:
    bodies = {"m-9": "{", "m-2": body_of(), "m-1": 5, "m-5": "[" * 200_000, "m-0": []}
    records = [record(name, body) for name, body in bodies.items()]
    assert handle(index, *records, records[0]) == ["m-9", "m-1", "m-5", "m-0"]
    assert [item["message_id"] for item in table.scan()["Items"]] == ["m-2"]
    assert handle(index, {"body": "{"}) == [""]  # SQS takes that to mean the whole batch
    assert handle(index) == []
    assert index.handler({}, None) == {"batchItemFailures": []}


def test_the_good_ticks_of_a_bad_message_are_applied_and_the_message_fails(
    index: ModuleType, table: Table
) -> None:
    body = f"[{body_of(price='200', timestamp='1700000000')}, {body_of(price='true')}]"
    assert handle(index, record("m-1", body)) == ["m-1"]
    assert recorded(table) == [("high-price-threshold", "200", True)]
    before = items_of(table, "")
    assert handle(index, record("m-1", body)) == ["m-1"]
    assert items_of(table, "") == before


def test_in_a_fifo_queue_what_follows_a_message_that_fails_fails_too(index: ModuleType) -> None:
    """But nothing waits for an invalid message, which has no place in any order."""
    fail_calls_for(index.table, "BAD")
    sent = [("m-0", "", "a"), ("m-1", "FINE", "a"), ("m-2", "BAD", "a")]
    sent += [("m-3", "AAPL", "a"), ("m-4", "IBM", "b")]
    records = [
        record(
            name,
            body_of(symbol=json.dumps(symbol)),
            eventSourceARN=FIFO,
            attributes={"MessageGroupId": group},
        )
        for name, symbol, group in sent
    ]
    assert handle(index, *records) == ["m-0", "m-2", "m-3"]


@pytest.mark.parametrize(
    ("more", "timestamp", "sent_at"),
    [
        ({"attributes": {"SentTimestamp": "1700000000123"}}, 1_700_000_000_123_000, None),
        ({"attributes": {"SentTimestamp": "soon"}}, NOW, 0),
        ({"attributes": None}, NOW, 0),
        ({}, NOW, 0),
    ],
    ids=str,
)
def test_a_tick_without_a_timestamp_is_as_old_as_its_message(
    index: ModuleType, work: Work, more: dict[str, Any], timestamp: int, sent_at: int | None
) -> None:
    handle(index, {"messageId": "m-1", "body": body_of(), **more})
    ((ticks, _),) = work
    sent_at = timestamp if sent_at is None else sent_at
    assert [tick.position for tick in ticks] == [Position(timestamp, 0, sent_at, "m-1", 0)]


# --- time, threads and clients ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "stop", "end"),
    [
        pytest.param(None, 9_000, 10_000, id="no context"),
        pytest.param(Context(30_000), 29_000, 30_000, id="a second in reserve"),
        pytest.param(Context(4_000), 3_000, 4_000, id="just a quarter"),
        pytest.param(Context(1_000), 750, 1_000, id="a quarter of a short time"),
    ],
)
def test_work_stops_in_good_time_and_each_invocation_is_an_owner_of_its_own(
    index: ModuleType, work: Work, context: Context | None, stop: int, end: int
) -> None:
    for _ in range(2):
        handle(index, context=context)
    (_, first), (_, second) = work
    assert first.deadline[1:] == (NOW + stop * 1_000, NOW + end * 1_000)
    assert first.deadline.owner != second.deadline.owner


def test_the_clock_counts_microseconds(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000 + 999)
    assert index._now_microseconds() == NOW


def test_a_hanging_call_can_be_tried_again_in_time(index: ModuleType) -> None:
    for client in (index.table.meta.client, index.sns):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (1, 3)
        assert (config.retries["total_max_attempts"], config.max_pool_connections) == (3, 16)
    assert index._processor.memory_bytes == 64 * 2**20


@pytest.mark.usefixtures("table", "_fresh_handler")
def test_no_garbage_is_looked_for_while_and_among_what_the_handler_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_for: list[bool] = []
    make = boto3.client

    def make_client(*arguments: Any, **options: Any) -> Any:
        looked_for.append(gc.isenabled())
        return make(*arguments, **options)

    monkeypatch.setattr(boto3, "client", make_client)
    gc.unfreeze()
    index = importlib.import_module("index")
    assert (looked_for, gc.isenabled(), gc.get_freeze_count() > 0) == ([False], True, True)
    assert all(each is not vars(index) for each in gc.get_objects())


# --- lines and metrics -----------------------------------------------------------------------


def test_what_happens_is_logged_by_its_ids_and_counted(
    index: ModuleType, table: Table, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rules(table, rule("broken", 100), rule("whole", 100))
    handle(index, record("m-0", body_of(price="99", timestamp="1")))
    table.update_item(Key=rule_key("AAPL", "broken"), UpdateExpression="REMOVE levels")
    fail_calls_for(index.table, "BAD")
    publish = index.sns.publish_batch

    def reject_own(**request: Any) -> Any:
        entries = request.pop("PublishBatchRequestEntries")
        own = [entry for entry in entries if "above 150" in entry["Subject"]]
        others = [entry for entry in entries if entry not in own]
        publish(PublishBatchRequestEntries=others, **request)
        failure = {"Code": "InvalidParameter", "SenderFault": True}
        return {"Failed": [{**failure, "Id": entry["Id"]} for entry in own]}

    monkeypatch.setattr(index.sns, "publish_batch", reject_own)
    lines()
    records = [
        record("m-3", f"[{body_of(price='200', timestamp='3')}, {body_of(timestamp='4')}]"),
        record("m-4", "{"),
        record("m-5", body_of(symbol='"BAD"')),
    ]
    assert handle(index, *records, context=Context()) == ["m-4", "m-5"]
    printed = lines()
    fields = ("level", "message", "message_id", "rule_id", "reason")
    assert sorted(logged(printed, *fields), key=str) == [
        ["ERROR", "firing undeliverable", "m-3", "high-price-threshold", "InvalidParameter"],
        ["ERROR", "rule set aside", None, "broken", "it cannot be read (KeyError)"],
        ["ERROR", "symbol failed", None, None, None],
        ["INFO", "firing published", "m-3", "whole", None],
        ["WARNING", "message rejected", "m-4", None, "the body is not JSON"],
    ]
    assert {line.get("request_id") for line in printed if "_aws" not in line} == {"request-1"}
    assert {line["service"] for line in printed} == {"tap-test-price-alerts"}
    firing_ids = {line["firing_id"] for line in printed if "firing" in line.get("message", "")}
    assert firing_ids == {item["firing_id"] for item in items_of(table, "FIRINGS#")}
    metrics = metrics_in(printed)
    assert len(metrics.pop("Lag")) == 1
    counts = {name: count for name, (count,) in metrics.items()}
    assert [name for name, count in counts.items() if not count] == [
        *("HandedOverMessages", "LateTicks", "Conflicts", "PublishFailures"),
    ]
    assert {name: count for name, count in counts.items() if count} == {
        "Messages": 3,
        "Ticks": 3,
        "InvalidMessages": 1,
        "FailedMessages": 2,
        "Firings": 1,
        "UndeliverableFirings": 1,
        "RulesSetAside": 1,
    }
    handle(index, record("m-6", "{"))  # counts and names nothing of an earlier invocation
    printed = lines()
    assert (logged(printed, "request_id"), metrics_in(printed)["Messages"]) == ([[None]], [1])


def test_a_message_that_has_come_before_brings_no_late_ticks(
    load_index: Callable[[], ModuleType], lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATE_TICKS", "0")
    index = load_index()
    handle(index, record("m-0", body_of(timestamp="1001")))
    for count in (2, 1):
        handle(index, record("m-1", body_of(timestamp="1000"), count=count))
    assert [line["LateTicks"] for line in lines() if "_aws" in line] == [[0], [0], [1]]


@pytest.mark.parametrize(("remaining", "message"), [(10_000, "unfinished"), (0, "out of time")])
def test_who_is_not_done_says_so_and_names_what_comes_again(
    index: ModuleType, work: Work, lines: Lines, remaining: int, message: str
) -> None:
    records = [record("m-2"), record("m-1")]
    assert handle(index, *records, context=Context(remaining)) == ["m-2", "m-1"]
    fields = ("level", "message", "message_ids")
    assert logged(lines(), *fields) == [["WARNING", message, ["m-1", "m-2"]]]


# --- nothing of a message is in any line -----------------------------------------------------

# As a symbol it is accepted, and its price fires.
MARKER, PRICE = "XSECRETX", "987.654321"
_texts = st.text() | st.sampled_from([MARKER, f"{MARKER}\ud800", f'{MARKER}"', f"x{MARKER}\n"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(float(PRICE)) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_ticks = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from([MARKER, f"{MARKER}1", f"{MARKER} "]) | _values,
        "price": st.sampled_from([PRICE, float(PRICE), MARKER]) | _values,
    },
    optional={"timestamp": st.integers(1, 10**9) | _values, MARKER: _values},
)
_bodies = (
    (_ticks | st.lists(_ticks, max_size=3) | _values).map(json.dumps)
    | _texts
    | st.just(f'{{"{MARKER}": 1, "{MARKER}": 2}}')
)


def lines_for(index: ModuleType, body: str = f'{{"symbol": "{MARKER}", "price": {PRICE}}}') -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        index.handler({"Records": [{"messageId": "m-1", "body": body}]}, None)
    assert MARKER not in printed.getvalue()
    assert PRICE not in printed.getvalue()
    return printed.getvalue()


def test_no_line_holds_anything_of_a_message(index: ModuleType) -> None:
    fired = 0

    @settings(max_examples=60)
    @given(_bodies)
    def check(body: str) -> None:
        nonlocal fired
        fired += '"firing published"' in lines_for(index, body)

    check()
    assert fired


def _fail(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_calls_for(index.table, MARKER)


def _conflict(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an error come up while a conflict is dealt with: it shows the conflict, too."""
    lines_for(index, json.dumps({"symbol": MARKER, "price": 1, "timestamp": 1}))
    index.table.delete_item(Key={"pk": f"SYMBOL#{MARKER}", "sk": "STATE"})
    monkeypatch.setattr(index.table.meta.client, "query", lambda **_: 1 / 0)


def _spoil(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    add_rules(index.table, rule("r-1", 100, symbol=MARKER))
    index.table.update_item(
        Key=rule_key(MARKER, "r-1"),
        UpdateExpression="SET #owner = :text, levels = :text",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":text": MARKER},
    )
    lines_for(index, json.dumps({"symbol": MARKER, "price": 99, "timestamp": 1}))


def _reject(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def reject(**request: Any) -> dict[str, Any]:
        (entry,) = request["PublishBatchRequestEntries"]
        failure = {"Id": entry["Id"], "Code": "InvalidParameter", "Message": MARKER}
        return {"Failed": [{**failure, "SenderFault": True}]}

    monkeypatch.setattr(index.sns, "publish_batch", reject)


def _hand_over(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/gone"
    monkeypatch.setattr(index, "config", index.config._replace(queue_url=url))
    monkeypatch.setattr(
        index._processor, "process", lambda ticks, batch, _: batch.leave_unfinished(MARKER, ticks)
    )


@pytest.mark.parametrize(
    ("trouble", "texts"),
    [
        (_fail, ["symbol failed", "no answer"]),
        (_conflict, ["symbol failed", "ConditionalCheckFailed"]),
        (_spoil, ["rule set aside"]),
        (_reject, ["firing undeliverable"]),
        (_hand_over, ["unfinished", "not handed over"]),
    ],
)
def test_no_line_holds_anything_of_a_message_that_is_in_trouble(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch, trouble: Any, texts: list[str]
) -> None:
    trouble(index, monkeypatch)
    printed = lines_for(index)
    assert [text for text in texts if text not in printed] == []


# --- handovers -------------------------------------------------------------------------------


@pytest.fixture
def sent() -> Iterator[Sent]:
    """The parameters of the messages that are sent to SQS from now on."""
    requests: Sent = []
    name = "before-parameter-build.sqs.SendMessage"

    def keep(params: Any, **_: Any) -> None:
        requests.append(dict(params))

    boto3.setup_default_session()
    session: Any = boto3.DEFAULT_SESSION
    session.events.register(name, keep)
    yield requests
    session.events.unregister(name, keep)


@pytest.fixture
def queued(
    load_index: Callable[[], ModuleType], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The handler with a queue, to which it may send messages again."""
    url = boto3.client("sqs").create_queue(QueueName="prices")["QueueUrl"]
    monkeypatch.setenv("QUEUE_URL", url)
    return load_index()


@pytest.fixture
def waiting(queued: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Work:
    """The same, which finishes nothing; and a symbol BAD that fails."""
    found: Work = []

    def process(ticks: list[Tick], batch: Batch, symbols: object) -> None:
        found.append((ticks, batch))
        batch.leave_unfinished("AAPL", ticks)
        if bad := [tick for tick in ticks if tick.symbol == "BAD"]:
            batch.fail("BAD", bad, ConnectionError("no answer"))

    monkeypatch.setattr(queued._processor, "process", process)
    monkeypatch.setattr(queued, "_now_microseconds", lambda: NOW)
    return found


@pytest.fixture
def unfinished(queued: ModuleType, waiting: Work, sent: Sent) -> tuple[ModuleType, Sent]:
    return queued, sent


def carrying(**texts: str) -> dict[str, Any]:
    """Build message attributes as Lambda passes them on."""
    return {name: {"stringValue": text, "dataType": "String"} for name, text in texts.items()}


_ids = itertools.count()


def arrived(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build the record of a message that was sent, under the next id and a later time."""
    texts = {name: value["StringValue"] for name, value in request["MessageAttributes"].items()}
    return record(
        f"copy-{next(_ids)}",
        request["MessageBody"],
        NOW // 1_000 + 90_000,
        messageAttributes=carrying(**texts),
    )


def first_ids(sent: Sent) -> list[str]:
    return [each["MessageAttributes"]["first_message_id"]["StringValue"] for each in sent]


def test_a_message_is_sent_again_fifteen_times_and_then_fails(
    queued: ModuleType, waiting: Work, sent: Sent
) -> None:
    following = record("m-1")
    for _ in range(15):
        assert handle(queued, following) == []
        following = arrived(sent[-1])
    assert handle(queued, following) == [following["messageId"]]
    assert len(sent) == 15
    assert {(each["QueueUrl"], each["MessageBody"]) for each in sent} == {
        (queued.config.queue_url, body_of())
    }
    assert {each["DelaySeconds"] for each in sent} == {1}
    positions = {tick.position for ticks, _ in waiting for tick in ticks}
    assert positions == {Position(NOW, 0, NOW, "m-1", 0)}
    assert [batch.repeated_message_ids for _, batch in waiting] == [set(), *[{"m-1"}] * 15]


BAD = body_of(symbol='"BAD"')
IN_GROUP: dict[str, Any] = {"eventSourceARN": FIFO, "attributes": {"MessageGroupId": "AAPL"}}
COPY: dict[str, Any] = {"messageAttributes": carrying(first_message_id="m-1")}


@pytest.mark.parametrize(
    ("records", "failed", "handed_over"),
    [
        pytest.param([record("m-1"), record("m-1")], "", "m-1", id="it is there twice"),
        pytest.param([record("m-1", **IN_GROUP)], "m-1", "", id="it would lose its place"),
        pytest.param([record("m-1", "{")], "m-1", "", id="it is invalid"),
        pytest.param([record("m-1", BAD), record("m-2")], "m-1", "m-2", id="one fails"),
        pytest.param([record("m-1"), record("c", **COPY)], "", "m-1 m-1", id="a copy is there"),
        pytest.param([record("c", BAD, **COPY)], "c", "", id="a copy fails by its own id"),
    ],
)
def test_only_what_needs_more_time_is_sent_again_and_counted(
    unfinished: tuple[ModuleType, Sent], lines: Lines, records: Any, failed: str, handed_over: str
) -> None:
    index, sent = unfinished
    assert handle(index, *records) == failed.split()
    assert first_ids(sent) == handed_over.split()
    metrics = metrics_in(lines())
    assert metrics["FailedMessages"] == [len(failed.split())]
    assert metrics["HandedOverMessages"] == [len(sent)]


@pytest.mark.usefixtures("waiting")
def test_without_a_queue_without_time_and_for_a_repair_nothing_is_sent(
    queued: ModuleType, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handle(queued, record("m-1"), context=Context(0)) == ["m-1"]
    assert queued.handler({"repair": ["AAPL"]}, None) == {"unfinished": ["AAPL"]}
    monkeypatch.setattr(queued, "config", queued.config._replace(queue_url=""))
    assert handle(queued, record("m-1")) == ["m-1"]
    assert sent == []


@pytest.mark.usefixtures("waiting")
def test_where_time_runs_out_those_with_the_fewest_tries_left_were_sent_first(
    queued: ModuleType, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of ten seconds the last one is in reserve, and half of that for sending.
    monkeypatch.setattr(queued, "_now_microseconds", lambda: NOW + len(sent) * 4_750_000)
    records = [record(f"m-{count}", count=count) for count in (1, 4, 2)]
    assert handle(queued, *records) == ["m-1"]
    assert first_ids(sent) == ["m-4", "m-2"]


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(("is_reached", "errors"), [(True, ["m-1", "m-2"]), (False, ["m-1"])])
def test_what_sqs_does_not_accept_fails(
    queued: ModuleType,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    is_reached: bool,
    errors: list[str],
) -> None:
    def send_message(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    if is_reached:
        boto3.client("sqs").delete_queue(QueueUrl=queued.config.queue_url)
    else:
        monkeypatch.setattr(queued, "_queue", lambda: SimpleNamespace(send_message=send_message))
    assert handle(queued, record("m-1"), record("m-2")) == ["m-1", "m-2"]
    found = logged(lines(), "level", "message", "message_id")
    assert [each for each in found if each[0] == "ERROR"] == [
        ["ERROR", "not handed over", name] for name in errors
    ]


def test_what_a_message_did_before_it_was_sent_again_is_not_done_twice(
    queued: ModuleType, table: Table, sent: Sent
) -> None:
    """One symbol of it is done, and another waits for somebody's delivery."""
    add_rules(table, rule("up", 100))
    busy: dict[str, Any] = {"pk": "SYMBOL#BUSY", "sk": "STATE", "version": 1}
    outbox = {"version": 1, "firings": [], "changes": {}, "checked_rule_ids": []}
    lease = {"lease_owner": "somebody", "lease_until_microseconds": 2**53, "outbox": outbox}
    table.put_item(Item=busy | lease)
    bodies = [body_of(price="99"), body_of(price="101"), body_of(symbol='"BUSY"', price="200")]
    queued._processor.sleep = lambda _: None
    assert handle(queued, record("m-1", f"[{', '.join(bodies)}]")) == []
    table.put_item(Item=busy)
    vars(queued)["_processor"] = queued.build_processor(queued.config, queued.table, queued.sns)
    (request,) = sent
    copy = arrived(request)
    assert handle(queued, copy, copy) == []
    fired = [(item["rule"], item["message_id"]) for item in items_of(table, "FIRINGS#")]
    assert fired == [("up", "m-1"), ("high-price-threshold", "m-1")]
    assert len(sent) == 1
