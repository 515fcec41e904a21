from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from lib.client import history as history_module
from lib.client.target import Target
from price_alerts.adapters.items import rule_item, rule_key, state_key, state_listing
from price_alerts.domain.progress import Progress, Status
from tests.unit.cli.conftest import in_zone
from tests.unit.client import test_repair
from tests.unit.client.doubles import answer_with, refusal
from tests.unit.client.test_history import DAY, record
from tests.unit.doubles import NOW, SECOND
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

Run = Callable[..., Any]
Replay = Callable[[str], None]


def names(ended: Any) -> list[str]:
    return [firing["firing_id"] for firing in ended.json]


def test_the_history_is_a_table(replay: Replay, alerts: Table) -> None:
    replay("""
        $ history
        nothing has fired in the last 24h: --since 30d looks further back
        $ history AAPL --since 1h
        nothing has fired since 1h
        $ history AAPL
        nothing has fired
        $ history --since yesterday
        error: 'yesterday' is no time since 1970: write a duration…
        ? 2
        $ history "A B "
        error: 'A B ': symbol must be 1 to 64 printable characters…
        ? 2
        """)
    move: dict[str, Any] = {"condition": "rises", "levels": [5], "percent": True, "window": "1h"}
    record(alerts, "f-1")
    record(alerts, "f-2", at=NOW - 250_000, previous_price=190, sent=True, **move)
    record(alerts, "f-3", at=NOW + SECOND, undeliverable="InvalidParameter")
    replay("""
        $ history AAPL
        price of symbol condition before price rule published
        2026-11-22T15:04:05Z AAPL rises 5% within 1h 190 200.25 r-1 yes
        2026-11-22T15:04:05.250000Z AAPL crosses-up 200 none 200.25 r-1 not yet
        2026-11-22T15:04:06.250000Z AAPL crosses-up 200 none 200.25 r-1 no: InvalidParameter
        """)


def test_a_history_can_be_csv_of_the_newest_and_in_another_zone(
    run: Run, replay: Replay, alerts: Table
) -> None:
    record(alerts, "f-1")
    record(alerts, "f-2", at=NOW + SECOND)
    [row] = csv.DictReader(io.StringIO(run("history", "AAPL", "--limit", "1", "--csv").out))
    [firing] = run("history", "AAPL", "--limit", "1", "--json").json
    given = {"levels": "200", "sent": "false"}
    assert row == {name: value or "" for name, value in (firing | given).items()}
    with in_zone("Asia/Kolkata"):
        replay("""
            $ history AAPL --limit 1
            price of symbol condition before price rule published
            2026-11-22T20:34:06.250000+05:30 AAPL crosses-up 200 none 200.25 r-1 not yet
            $ history AAPL --limit 1 --utc
            price of symbol condition before price rule published
            2026-11-22T15:04:06.250000Z AAPL crosses-up 200 none 200.25 r-1 not yet
            """)


def test_a_history_is_followed_until_it_is_interrupted(
    run: Run, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(history_module.followed, "__kwdefaults__", {"sleep": interrupt})
    record(alerts, "f-1")
    ended = run("history", "AAPL", "--follow")
    assert (ended.exit_code, ended.err) == (130, "interrupted\n")
    line = "2026-11-22T15:04:05.250000Z  AAPL crosses-up 200: 200.25, none before  (r-1)\n"
    assert ended.out == line
    assert json.loads(run("history", "--follow", "--json").out)["firing_id"] == "f-1"
    assert "leave out --csv" in run("history", "--follow", "--csv").error


def test_the_history_is_that_of_the_last_day_or_of_a_symbol(run: Run, alerts: Table) -> None:
    record(alerts, "old", at=NOW - 9 * DAY, fired_at=NOW - DAY - SECOND)
    record(alerts, "new", symbol="IBM", at=NOW - 9 * DAY)
    record(alerts, "now")
    assert names(run("history", "--json")) == ["new", "now"]
    assert names(run("history", "--json", "--since", "2d")) == ["old", "new", "now"]
    assert names(run("history", "--json", "--since", "2026-11-20")) == ["old", "new", "now"]
    assert names(run("history", "aapl", "--json")) == ["old", "now"]
    assert names(run("history", "aapl", "--json", "--since", "24h")) == ["now"]


def test_the_status_names_the_queues_the_table_and_the_function(
    run: Run, replay: Replay, stack: Target, alerts: Table
) -> None:
    for number, status in enumerate([Status.ACTIVE, Status.ACTIVE, Status.PAUSED]):
        item = rule_item(rule(rule_id=f"r-{number}", symbol="A", progress=Progress(status)))
        alerts.put_item(Item=item)
    alerts.put_item(Item={**state_key("A"), **state_listing("A"), "version": 1, "outbox": {}})
    no_messages = {"waiting": 0, "in_flight": 0, "delayed": 0}
    assert run("status", "--json").json == {
        "stack": "tap-test",
        "region": "us-east-1",
        "queue": no_messages,
        "dead_letter_queue": no_messages,
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
        "function": {"state": "Active", "last_update": "Successful", "mapping": "Enabled"},
    }
    alerts.put_item(Item={**rule_key("A", "r-9"), "rule_id": "r-9"})
    record(alerts, "f-1", undeliverable="InvalidParameter")
    stack.sqs.send_message(QueueUrl=stack.queue_url, MessageBody="x")
    replay("""
        $ status
        queue waiting in flight delayed
        tap-test-prices 1 0 0
        tap-test-prices-dlq 0 0 0
        tap-test in us-east-1
        rules 2 active, 1 paused
        rules set aside 1 (./alerts list says why)
        symbols 1
        delivering now none
        stuck A (./alerts repair)
        firings in 24 h 1
        undeliverable 1 (./alerts history says why)
        last firing 2026-11-22T15:04:05.250000Z
        function Active, last update Successful
        fed by the queue Enabled
        """)


def test_a_new_stack_has_a_status(
    replay: Replay, stack: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed_by = {"EventSourceMappings": list[Any]()}
    monkeypatch.setattr(stack.functions, "list_event_source_mappings", lambda **_: fed_by)
    replay("""
        $ status
        queue waiting in flight delayed
        tap-test-prices 0 0 0
        tap-test-prices-dlq 0 0 0
        tap-test in us-east-1
        rules none
        rules set aside none
        symbols 0
        delivering now none
        stuck none
        firings in 24 h 0
        undeliverable none
        last firing none
        function Active, last update Successful
        fed by the queue no
        """)


def test_dead_letters_are_listed_with_the_reason(
    run: Run, replay: Replay, sqs: SQSClient, dlq_url: str
) -> None:
    assert run("dlq", "list", "--json").json == []
    replay("""
        $ dlq list
        the dead-letter queue is empty
        """)
    message_id = sqs.send_message(QueueUrl=dlq_url, MessageBody='{"symbol": "[b]"}')["MessageId"]
    head, _, letter = run("dlq", "list").out.strip().splitlines()
    assert head.split() == ["message", "sent", "received", "reason", "begins", "with"]
    assert letter.split()[:1] == [message_id]
    assert " ".join(letter.split()).endswith('Z 1 tick 0: price is missing {"symbol": "[b]"}')
    [document] = run("dlq", "list", "--json").json
    assert document.pop("sent_at").endswith("Z")
    assert document == {
        "message_id": message_id,
        "receive_count": 2,
        "is_refused": True,
        "reason": "tick 0: price is missing",
        "preview": '{"symbol": "[b]"}',
    }


@pytest.mark.usefixtures("queue_url")
def test_dead_letters_are_sent_back(run: Run, replay: Replay, sqs: SQSClient, dlq_url: str) -> None:
    assert run("dlq", "redrive", "--json").json == {"moved": 0, "refused": 0, "unsent": {}}
    sqs.send_message(QueueUrl=dlq_url, MessageBody='{"symbol": "AAPL", "price": 1}')
    replay("""
        $ dlq redrive
        moved 1 message back
        """)
    for _ in range(2):
        sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    answers = [None, refusal("ExpiredToken")]
    answer_with(sqs, "SendMessage", lambda _: answers.pop(0) if answers else None)
    assert run("dlq", "redrive").error == (
        "the AWS credentials have expired: log in again (aws sso login), or set new keys "
        "(moved 1 message back)"
    )
    sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    replay("""
        $ dlq redrive
        moved 2 messages back; 2 will be rejected again
        """)


@pytest.mark.usefixtures("queue_url")
def test_a_dead_letter_that_cannot_be_sent_back_is_named(
    run: Run, replay: Replay, sqs: SQSClient, dlq_url: str
) -> None:
    message_id = sqs.send_message(QueueUrl=dlq_url, MessageBody="x")["MessageId"]
    answer_with(sqs, "SendMessage", lambda _: refusal("InvalidParameterValue", "too long"))
    ended = run("dlq", "redrive", "--json")
    assert json.loads(ended.out) == {"moved": 0, "refused": 0, "unsent": {message_id: "too long"}}
    replay(f"""
        $ dlq redrive
        moved 0 messages back
        error: SQS rejected messages, which stay in the dead-letter queue: {message_id}: too long
        ? 1
        """)


def test_a_repair_invokes_the_function_for_what_is_stuck(
    run: Run, replay: Replay, stack: Target, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = test_repair.Functions(AAPL=1)
    monkeypatch.setattr(stack.functions, "invoke", functions.invoke)
    replay("""
        $ repair
        nothing is stuck
        """)
    assert functions.asked == []
    state = {**state_key("AAPL"), **state_listing("AAPL"), "version": 1, "step": {}}
    alerts.put_item(Item=state)
    assert run("repair", "--json").json == {"repaired": ["AAPL"], "stuck": []}
    functions.left["AAPL"] = 1
    replay("""
        $ repair
        repaired AAPL
        """)
    functions.left["AAPL"] = 99
    replay("""
        $ repair
        error: still stuck: AAPL: the function's log says why, and docs/runbook.md what to do …
        ? 1
        """)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Somebody at a terminal answers what is asked."""

    def answer(text: str) -> None:
        terminal = io.StringIO(text)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)

    return answer


@pytest.mark.usefixtures("stack")
def test_dead_letters_are_deleted_when_somebody_says_so(
    run: Run, sqs: SQSClient, dlq_url: str, answers: Callable[[str], None]
) -> None:
    def left() -> int:
        return int(run("status", "--json").json["dead_letter_queue"]["waiting"])

    for body in "ab":
        sqs.send_message(QueueUrl=dlq_url, MessageBody=body)
    answers("\n")
    ended = run("dlq", "purge")
    assert (ended.exit_code, ended.out, left()) == (1, "", 2)
    asked, _, error = ended.err.partition(" error: ")
    assert asked == "Delete about 2 messages of tap-test-prices-dlq for good? [y/N]"
    assert error == "nothing was deleted\n"
    answers("y\n")
    assert run("dlq", "purge").out == "about 2 messages deleted; SQS takes up to a minute\n"
    assert left() == 0


@pytest.mark.usefixtures("stack")
def test_where_nobody_can_be_asked_a_purge_needs_yes(
    run: Run, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run("dlq", "purge").error == "nobody is there to be asked: add --yes"
    assert run("dlq", "purge", "--yes", "--json").json == {"purged": 0}
    refused = refusal("AWS.SimpleQueueService.PurgeQueueInProgress")
    answer_with(target.sqs, "PurgeQueue", lambda _: refused)
    error = run("dlq", "purge", "--yes").error
    assert error == "the queue is being purged already: try again in a minute"
