"""What there is to lose before a stack is destroyed."""

from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from lib.client.status import QueueStatus, TableStatus
from lib.client.target import Target
from lib.deploy import losses as command
from lib.deploy.losses import Holdings, losses, read_holdings
from price_alerts.adapters.items import rule_item
from price_alerts.adapters.state_items import firing_item
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.ticks import format_timestamp
from tests.unit import doubles
from tests.unit.client.doubles import CONFIGURATION, answer_with, refusal
from tests.unit.doubles import NOW, create_table
from tests.unit.rule_builders import rule

ACCOUNT = "123456789012"
BARE = Holdings(account_id=ACCOUNT)
EMPTY = QueueStatus(0, 0, 0)
FULL = Holdings(
    account_id=ACCOUNT,
    table=TableStatus(rules=Counter(active=10, triggered=1, paused=2), rules_set_aside=2),
    firings=340,
    queue=QueueStatus(waiting=3, in_flight=1, delayed=1),
    dead_letter_queue=QueueStatus(waiting=2, in_flight=0, delayed=0),
    alert_subscriptions=3,
    people_subscriptions=2,
    alarm_subscriptions=1,
)
SUBSCRIBED: list[tuple[dict[str, Any], str]] = [
    ({"alert_subscriptions": 1}, "alerts"),
    ({"people_subscriptions": 1}, "alerts for people"),
    ({"alarm_subscriptions": 1}, "alarms"),
]
CONFIRM = "; e-mail addresses would have to confirm again"


@pytest.fixture
def target(moto: None) -> Target:
    """The stack tap-test; the simulated DynamoDB knows nothing of a table's settings."""
    return Target("test", CONFIGURATION)


# --- what is said ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holdings", "lines"),
    [
        (
            FULL,
            [
                "  rules          10 active, 2 paused, 1 triggered, 2 set aside",
                "  firings        340 recorded",
                "  messages       5 in the queue, 2 in the dead-letter queue",
                "  subscriptions  3 to alerts, 2 to alerts for people, 1 to alarms" + CONFIRM,
                "  recovery       off: nothing brings the table back",
                "  protection     off: the table goes with the rest",
                "To keep the rules (not their status), first: "
                "./alerts export --environment blue > rules.yaml",
            ],
        ),
        (
            replace(BARE, table=TableStatus(), can_be_set_back=True, is_protected=True),
            [
                "  rules          none",
                "  firings        0 recorded",
                "  recovery       on: AWS keeps a last backup of the table for 35 days, "
                "readable as long as its key is there",
                "  protection     on: AWS refuses to delete the table",
            ],
        ),
        (
            replace(BARE, dead_letter_queue=EMPTY, alert_subscriptions=0),
            ["  messages       0 in the dead-letter queue", "  subscriptions  0 to alerts"],
        ),
        *(
            (replace(BARE, **subscribed), [f"  subscriptions  1 to {what}{CONFIRM}"])
            for subscribed, what in SUBSCRIBED
        ),
    ],
)
def test_what_there_is_to_lose_is_counted(holdings: Holdings, lines: list[str]) -> None:
    first = f"make destroy takes away tap-blue in eu-west-1, account {ACCOUNT}, with"
    assert losses(holdings, "blue", "eu-west-1") == [first, *lines]


def test_where_nothing_is_deployed_one_line_says_so() -> None:
    assert losses(BARE, "blue", "eu-west-1") == [
        f"nothing of tap-blue in eu-west-1, account {ACCOUNT}, is there to be lost"
    ]


# --- what is read ------------------------------------------------------------------------


def test_every_part_of_a_stack_is_read(target: Target) -> None:
    names, sqs, sns = target.names, target.sqs, target.client("sns")
    create_table(names.table)
    for number, status in enumerate([Status.ACTIVE, Status.ACTIVE, Status.PAUSED]):
        item = rule_item(rule(rule_id=f"r-{number}", progress=Progress(status)))
        target.table.put_item(Item=item)
    for number in range(2):
        fired = doubles.told(firing_id=f"f-{number}", fired_at_microseconds=NOW)
        target.table.put_item(Item=firing_item(fired, NOW))
    sqs.create_queue(QueueName=names.queue)
    dlq = sqs.create_queue(QueueName=names.dead_letter_queue)["QueueUrl"]
    sqs.send_message(QueueUrl=dlq, MessageBody="x")
    for topic, count in ((names.topic, 2), (names.people_topic, 3), (names.ops_topic, 1)):
        arn = sns.create_topic(Name=topic)["TopicArn"]
        for number in range(count):
            sns.subscribe(TopicArn=arn, Protocol="sms", Endpoint=f"+4930000000{number}")

    found = Holdings(
        account_id=ACCOUNT,
        table=TableStatus(
            rules=Counter(active=2, paused=1),
            firings_of_last_day=2,
            last_fired_at=format_timestamp(NOW),
        ),
        firings=2,
        queue=EMPTY,
        dead_letter_queue=QueueStatus(waiting=1, in_flight=0, delayed=0),
        alert_subscriptions=2,
        people_subscriptions=3,
        alarm_subscriptions=1,
    )
    assert read_holdings(target, NOW) == found

    client = target.client("dynamodb")
    client.update_table(TableName=names.table, DeletionProtectionEnabled=True)
    client.update_continuous_backups(
        TableName=names.table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    assert read_holdings(target, NOW) == replace(found, is_protected=True, can_be_set_back=True)


def test_what_is_not_there_is_missing_and_what_may_not_be_read_is_not(target: Target) -> None:
    assert read_holdings(target, NOW) == BARE
    denied = Target("test", CONFIGURATION)
    answer_with(denied.sqs, "GetQueueUrl", lambda _: refusal("AccessDenied", status=403))
    with pytest.raises(ClientError, match="AccessDenied"):
        read_holdings(denied, NOW)


# --- the command -------------------------------------------------------------------------


@pytest.fixture
def run(
    moto: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., list[str]]:
    """Run the command on a stack in eu-west-1; AWS tools are set to another region."""

    def run(environment: str = "test", text: str | None = None) -> list[str]:
        document = json.loads(CONFIGURATION.read_text())
        document["context"]["common"]["region"] = "eu-west-1"
        (tmp_path / "cdktf.json").write_text(text or json.dumps(document))
        monkeypatch.setattr(sys, "argv", ["losses", environment])
        monkeypatch.setattr(command, "_CONFIGURATION", tmp_path / "cdktf.json")
        command.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_the_stack_is_looked_for_where_its_settings_send_it(run: Callable[..., list[str]]) -> None:
    boto3.client("sqs", region_name="eu-west-1").create_queue(QueueName="tap-test-prices")
    assert run() == [
        f"make destroy takes away tap-test in eu-west-1, account {ACCOUNT}, with",
        "  messages       0 in the queue",
    ]
    assert run("state") == []  # it has no settings


@pytest.mark.parametrize(
    ("text", "failure", "reason"),
    [
        ("{", None, "is not JSON"),
        (
            '{"context": {"environments": {"test": {}}}}',
            None,
            "cdktf.json: context.common.region is missing",
        ),
        (
            None,
            ClientError(refusal("ExpiredToken"), "x"),  # type: ignore[arg-type]  # a part
            "the AWS credentials have expired: log in",
        ),
        (None, ResponseParserError("no XML"), "what answers is not AWS: check AWS_ENDPOINT_URL"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    run: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    failure: Exception,
    reason: str,
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(command, "read_holdings", fail)
    [line] = run(text=text)
    assert line.startswith(f"what will be lost cannot be told: {reason}")


def test_a_table_with_deletion_protection_stops_it_before_anything_is_destroyed(
    run: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "read_holdings", lambda *_: replace(FULL, is_protected=True))
    with pytest.raises(SystemExit) as end:
        run()
    assert end.value.code == (
        "error: nothing was destroyed, for AWS would refuse the table when all the rest is gone: "
        "set deletion_protection of test to false in cdktf.json, make deploy ENV=test, and try "
        "again"
    )
    assert "  firings        340 recorded" in capsys.readouterr().out


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["losses", "state"])
    monkeypatch.delitem(sys.modules, command.__name__)
    runpy.run_module(command.__name__, run_name="__main__")
    assert capsys.readouterr().out == ""
