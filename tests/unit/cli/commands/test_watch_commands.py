from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from lib.client.target import Target
from price_alerts.adapters.items import rule_item, rule_key, state_key, state_listing
from price_alerts.domain.progress import Progress, Status
from tests.unit.cli import test_repair
from tests.unit.cli.doubles import answer_with, refusal
from tests.unit.cli.test_history import record
from tests.unit.doubles import NOW, SECOND
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

Run = Callable[..., Any]

DAY = 86_400 * SECOND


def names(ended: Any) -> list[str]:
    return [firing["firing_id"] for firing in ended.json]


def test_the_history_is_that_of_the_last_day(run: Run, alerts: Table) -> None:
    record(alerts, "old", fired_at=NOW - DAY - SECOND)
    record(alerts, "new", symbol="IBM", at=NOW - 9 * DAY, fired_at=NOW)
    assert names(run("history", "--json")) == ["new"]
    assert names(run("history", "--json", "--since", "2d")) == ["old", "new"]
    assert names(run("history", "--json", "--since", "2026-11-20")) == ["old", "new"]


def test_a_symbols_history_is_all_of_it_by_the_time_of_its_prices(run: Run, alerts: Table) -> None:
    record(alerts, "old", at=NOW - 9 * DAY)
    record(alerts, "new")
    record(alerts, "other", symbol="IBM")
    assert names(run("history", "aapl", "--json")) == ["old", "new"]
    assert names(run("history", "aapl", "--json", "--since", "24h")) == ["new"]


def test_the_history_tells_what_a_program_needs(run: Run, alerts: Table) -> None:
    record(alerts, "f-1")
    [firing] = run("history", "--json").json
    wanted = ("rule_id", "symbol", "condition", "timestamp", "previous_price", "price")
    assert [firing[name] for name in wanted] == [
        *("r-1", "AAPL", "crosses-up", "2026-11-22T15:04:05.250000Z"),
        *(None, "200.25"),
    ]


def test_the_history_is_a_table(run: Run, alerts: Table) -> None:
    record(alerts, "f-1")
    record(
        alerts,
        "f-2",
        at=NOW - 250_000,
        condition="rises",
        levels=[5],
        percent=True,
        window="1h",
        previous_price=190,
        sent=True,
    )
    record(alerts, "f-3", at=NOW + SECOND, undeliverable="InvalidParameter")
    head, _, first, second, third = run("history", "AAPL").text.splitlines()
    assert head == "price of symbol condition before price rule published"
    assert third.endswith(" 200.25 r-1 no: InvalidParameter")
    assert first == "2026-11-22T15:04:05Z AAPL rises 5% within 1h 190 200.25 r-1 yes"
    assert second == ("2026-11-22T15:04:05.250000Z AAPL crosses-up 200 none 200.25 r-1 not yet")


@pytest.mark.usefixtures("alerts")
def test_an_empty_history_says_so(run: Run) -> None:
    assert run("history").text == (
        "nothing has fired in the last 24h: --since 30d looks further back"
    )
    assert run("history", "AAPL", "--since", "1h").text == "nothing has fired since 1h"
    assert run("history", "AAPL").text == "nothing has fired"
    assert run("history", "--json").json == []


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--since", "yesterday"], "'yesterday' is no time since 1970: write a duration"),
        (["A B "], "'A B ': symbol must be 1 to 64 printable characters"),
    ],
)
def test_a_history_of_nothing_that_is_is_refused(run: Run, words: list[str], what: str) -> None:
    ended = run("history", *words)
    assert ended.exit_code == 2
    assert ended.error.startswith(what)


@pytest.fixture
def _stack(target: Target, alerts: Table, queue_url: str, dlq_url: str) -> None:
    """A whole stack; moto's Lambda would need more packages."""
    answer_with(
        target.functions,
        "GetFunctionConfiguration",
        lambda _: {"State": "Active", "LastUpdateStatus": "Successful"},
    )
    answer_with(target.functions, "ListEventSourceMappings", lambda _: {"EventSourceMappings": []})
    alerts.put_item(Item={**state_key("A"), **state_listing("A"), "version": 1, "outbox": {}})
    for number, status in enumerate([Status.ACTIVE, Status.ACTIVE, Status.PAUSED]):
        item = rule_item(rule(rule_id=f"r-{number}", symbol="A", progress=Progress(status)))
        alerts.put_item(Item=item)


@pytest.mark.usefixtures("_stack")
def test_the_status_tells_of_the_queues_the_table_and_the_function(
    run: Run, sqs: SQSClient, queue_url: str
) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    assert [line for line in run("status").text.splitlines() if "\u2500" not in line] == [
        "queue waiting in flight delayed",
        "tap-test-prices 1 0 0",
        "tap-test-prices-dlq 0 0 0",
        "",
        "tap-test in us-east-1",
        "rules 2 active, 1 paused",
        "rules set aside none",
        "symbols 1",
        "delivering now none",
        "stuck A (./alerts repair)",
        "firings in 24 h 0",
        "undeliverable none",
        "last firing none",
        "function Active, last update Successful",
        "fed by the queue no",
    ]


@pytest.mark.usefixtures("_stack")
def test_the_status_may_be_told_as_json(run: Run) -> None:
    assert run("status", "--json").json == {
        "stack": "tap-test",
        "region": "us-east-1",
        "queue": {"waiting": 0, "in_flight": 0, "delayed": 0},
        "dead_letter_queue": {"waiting": 0, "in_flight": 0, "delayed": 0},
        "table": {
            "rules": {"active": 2, "paused": 1},
            "rules_set_aside": 0,
            "symbols": 1,
            "delivering": [],
            "stuck": ["A"],
            "firings_of_last_day": 0,
            "undeliverable_firings": 0,
            "last_fired_at": None,
        },
        "function": {"state": "Active", "last_update": "Successful", "mapping": None},
    }


@pytest.mark.usefixtures("_stack")
def test_the_status_tells_of_what_cannot_be_read_or_delivered(run: Run, alerts: Table) -> None:
    alerts.put_item(Item={**rule_key("A", "r-9"), "rule_id": "r-9"})
    record(alerts, "f-1", undeliverable="InvalidParameter")
    lines = run("status").text.splitlines()
    assert "rules set aside 1 (./alerts list says why)" in lines
    assert "undeliverable 1 (./alerts history says why)" in lines


def test_dead_letters_are_listed_with_why_they_were_refused(
    run: Run, sqs: SQSClient, dlq_url: str
) -> None:
    message_id = sqs.send_message(QueueUrl=dlq_url, MessageBody='{"symbol": "[b]"}')["MessageId"]
    head, _, letter = run("dlq", "list").text.splitlines()
    assert head == "message sent received reason begins with"
    assert letter.startswith(message_id)
    assert letter.endswith('1 tick 0: price is missing {"symbol": "[b]"}')


def test_dead_letters_may_be_listed_as_json(run: Run, sqs: SQSClient, dlq_url: str) -> None:
    message_id = sqs.send_message(QueueUrl=dlq_url, MessageBody="x")["MessageId"]
    [letter] = run("dlq", "list", "--json").json
    assert letter.pop("sent_at").endswith("Z")
    assert letter == {
        "message_id": message_id,
        "receive_count": 1,
        "is_refused": True,
        "reason": "the body is not JSON",
        "preview": "x",
    }


@pytest.mark.usefixtures("dlq_url")
def test_an_empty_dead_letter_queue_says_so(run: Run) -> None:
    assert run("dlq", "list").text == "the dead-letter queue is empty"
    assert run("dlq", "list", "--json").json == []


@pytest.mark.usefixtures("queue_url")
def test_dead_letters_are_sent_back(run: Run, sqs: SQSClient, dlq_url: str) -> None:
    assert run("dlq", "redrive").text == "moved 0 messages back"
    sqs.send_message(QueueUrl=dlq_url, MessageBody='{"symbol": "AAPL", "price": 1}')
    assert run("dlq", "redrive").text == "moved 1 message back"
    sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    assert run("dlq", "redrive").text == "moved 1 message back; 1 will be rejected again"
    assert run("dlq", "redrive", "--json").json == {"moved": 0, "refused": 0, "unsent": {}}


@pytest.mark.usefixtures("queue_url")
def test_a_dead_letter_that_cannot_be_sent_back_is_told_in_one_line(
    run: Run, sqs: SQSClient, dlq_url: str
) -> None:
    message_id = sqs.send_message(QueueUrl=dlq_url, MessageBody="x")["MessageId"]
    answer_with(sqs, "SendMessage", lambda _: refusal("InvalidParameterValue", "too long"))
    ended = run("dlq", "redrive")
    assert (ended.exit_code, ended.out) == (1, "moved 0 messages back\n")
    assert ended.err == (
        "error: SQS rejected messages, which stay in the dead-letter queue: "
        f"{message_id}: too long\n"
    )
    ended = run("dlq", "redrive", "--json")
    assert json.loads(ended.out) == {"moved": 0, "refused": 0, "unsent": {message_id: "too long"}}
    assert ended.exit_code == 1


@pytest.mark.usefixtures("queue_url")
def test_a_redrive_that_ends_early_says_how_far_it_has_come(
    run: Run, sqs: SQSClient, dlq_url: str
) -> None:
    for _ in range(2):
        sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    answers = [None, refusal("ExpiredToken")]
    answer_with(sqs, "SendMessage", lambda _: answers.pop(0))
    assert run("dlq", "redrive").error == (
        "the AWS credentials have expired: log in again (aws sso login), or set new keys "
        "(moved 1 message back)"
    )


@pytest.fixture
def stuck(alerts: Table, queue_url: str, dlq_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stack with a symbol that is stuck; the function needs so many calls for it."""
    alerts.put_item(Item={**state_key("AAPL"), **state_listing("AAPL"), "version": 1, "step": {}})

    class Functions(test_repair.Functions):
        def get_function_configuration(self, **_: str) -> dict[str, str]:
            return {"State": "Active", "LastUpdateStatus": "Successful"}

        def list_event_source_mappings(self, **_: str) -> dict[str, list[Any]]:
            return {"EventSourceMappings": []}

        def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's
            return super().invoke(FunctionName="function", Payload=Payload)

    functions = Functions(AAPL=1)
    monkeypatch.setattr(Target, "functions", functions)
    return functions


def test_what_is_stuck_is_repaired(run: Run, stuck: Any) -> None:
    assert "stuck AAPL (./alerts repair)" in run("status").text
    assert run("repair").text == "repaired AAPL"
    stuck.left["AAPL"] = 1
    assert run("repair", "--json").json == {"repaired": ["AAPL"], "stuck": []}


def test_what_cannot_be_repaired_is_a_failure(run: Run, stuck: Any) -> None:
    stuck.left["AAPL"] = 99
    assert run("repair").error == (
        "still stuck: AAPL: the function's log says why, and docs/runbook.md what to do "
        "(publish-failures)"
    )


def test_where_nothing_is_stuck_nobody_is_called(run: Run, stuck: Any, alerts: Table) -> None:
    alerts.delete_item(Key=state_key("AAPL"))
    assert run("repair").text == "nothing is stuck"
    assert stuck.asked == []
