from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from tests.unit.doubles import NOW
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

ACCOUNT = "123456789012"
FULL = Holdings(
    account_id=ACCOUNT,
    table=TableStatus(
        rules=Counter(active=10, triggered=1, paused=2),
    ),
    firings=340,
    queue=QueueStatus(waiting=3, in_flight=1, delayed=1),
    dead_letter_queue=QueueStatus(waiting=2, in_flight=0, delayed=0),
    alert_subscriptions=3,
    alarm_subscriptions=1,
)
EMPTY = QueueStatus(0, 0, 0)


def told(holdings: Holdings) -> list[str]:
    return losses(holdings, "blue", "eu-west-1")


@pytest.fixture
def aws(moto: None) -> None:
    """The simulated DynamoDB knows nothing of a table's settings."""


# --- what is told ------------------------------------------------------------------------


def test_all_that_there_is_to_lose_is_counted() -> None:
    assert told(FULL) == [
        f"make destroy takes away tap-blue in eu-west-1, account {ACCOUNT}, with",
        "  rules          10 active, 2 paused, 1 triggered",
        "  firings        340 recorded",
        "  messages       5 in the queue, 2 in the dead-letter queue",
        "  subscriptions  3 to alerts, 1 to alarms; e-mail addresses would have to confirm again",
        "  recovery       off: nothing brings the table back",
        "  protection     off: the table goes with the rest",
        "To keep the rules (not their status), first: "
        "./alerts export --environment blue > rules.yaml",
    ]


def test_recovery_and_protection_are_told_of_with_what_they_mean() -> None:
    lines = told(replace(FULL, can_be_set_back=True, is_protected=True))
    assert lines[5:7] == [
        "  recovery       on: AWS keeps a last backup of the table for 35 days, readable as long "
        "as its key is there",
        "  protection     on: AWS refuses to delete the table",
    ]


def test_rules_that_cannot_be_read_are_counted_too() -> None:
    some = TableStatus(rules=Counter(active=1), rules_set_aside=2)
    only = TableStatus(rules_set_aside=2)
    assert told(replace(FULL, table=some))[1] == "  rules          1 active, 2 set aside"
    assert told(replace(FULL, table=only))[1] == "  rules          2 set aside"


def test_of_a_new_stack_there_are_no_rules_to_keep() -> None:
    new = Holdings(
        account_id=ACCOUNT,
        table=TableStatus(),
        queue=EMPTY,
        dead_letter_queue=EMPTY,
        alert_subscriptions=0,
        alarm_subscriptions=0,
    )
    assert told(new)[1:] == [
        "  rules          none",
        "  firings        0 recorded",
        "  messages       0 in the queue, 0 in the dead-letter queue",
        "  subscriptions  0 to alerts, 0 to alarms",
        "  recovery       off: nothing brings the table back",
        "  protection     off: the table goes with the rest",
    ]


def test_people_are_counted_where_there_are_some() -> None:
    (line,) = [each for each in told(replace(FULL, people_subscriptions=2)) if "to alerts" in each]
    assert line.split("  ")[-1].startswith("3 to alerts, 2 to alerts for people, 1 to alarms;")


@pytest.mark.parametrize(
    "subscriptions", ["alert_subscriptions", "people_subscriptions", "alarm_subscriptions"]
)
def test_whoever_is_subscribed_would_have_to_confirm_again(subscriptions: str) -> None:
    holdings = Holdings(account_id=ACCOUNT, **{subscriptions: 1})  # type: ignore[arg-type]  # one of them
    assert told(holdings)[1].endswith("; e-mail addresses would have to confirm again")


def test_of_a_stack_that_is_half_destroyed_what_is_left_is_counted() -> None:
    assert told(Holdings(account_id=ACCOUNT, dead_letter_queue=EMPTY))[1:] == [
        "  messages       0 in the dead-letter queue"
    ]


def test_where_nothing_is_deployed_one_line_says_so() -> None:
    assert told(Holdings(account_id=ACCOUNT)) == [
        f"nothing of tap-blue in eu-west-1, account {ACCOUNT}, is there to be lost"
    ]


# --- what is read ------------------------------------------------------------------------


def test_every_part_of_a_stack_is_read(
    target: Target, alerts: Table, sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    for number, status in enumerate([Status.ACTIVE, Status.ACTIVE, Status.PAUSED]):
        item = rule_item(rule(rule_id=f"r-{number}", progress=Progress(status)))
        alerts.put_item(Item=item)
    for number in range(2):
        fired = doubles.told(firing_id=f"f-{number}", fired_at_microseconds=NOW)
        alerts.put_item(Item=firing_item(fired, NOW))
    sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    sns = target.client("sns")
    names = target.names
    for topic, count in ((names.topic, 2), (names.people_topic, 3), (names.ops_topic, 1)):
        arn = sns.create_topic(Name=topic)["TopicArn"]
        for number in range(count):
            sns.subscribe(TopicArn=arn, Protocol="sms", Endpoint=f"+4930000000{number}")

    assert read_holdings(target, NOW) == Holdings(
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


def test_protection_and_recovery_are_read(target: Target, alerts: Table) -> None:
    client = target.client("dynamodb")
    client.update_table(TableName=alerts.name, DeletionProtectionEnabled=True)
    client.update_continuous_backups(
        TableName=alerts.name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    found = read_holdings(target, NOW)
    assert (found.is_protected, found.can_be_set_back) == (True, True)


def test_of_what_is_not_there_nothing_is_read(target: Target) -> None:
    assert read_holdings(target, NOW) == Holdings(account_id=ACCOUNT)


def test_what_may_not_be_read_is_not_taken_for_missing(
    target: Target, alerts: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(target.sqs, "GetQueueUrl", lambda _: refusal("AccessDenied", status=403))
    with pytest.raises(ClientError, match="AccessDenied"):
        read_holdings(target, NOW)


# --- the command -------------------------------------------------------------------------


@pytest.fixture
def run(
    aws: None,
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


def test_of_a_stack_without_settings_nothing_is_told(run: Callable[..., list[str]]) -> None:
    assert run("state") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ('{"context": {"environments": {"test": {}}}}', "context.common.region is missing"),
    ],
)
def test_a_cdktf_json_that_is_wrong_is_one_line(
    run: Callable[..., list[str]], text: str, reason: str
) -> None:
    [line] = run(text=text)
    assert line.startswith("what will be lost cannot be told: ")
    assert reason in line


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ClientError(refusal("ExpiredToken"), "x"), "the AWS credentials have expired: log in"),  # type: ignore[arg-type]  # a part
        (ResponseParserError("no XML"), "what answers is not AWS: check AWS_ENDPOINT_URL"),
    ],
)
def test_an_aws_that_cannot_be_asked_is_one_line(
    run: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    reason: str,
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(command, "read_holdings", fail)
    [line] = run()
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
    assert "  rules          10 active, 2 paused, 1 triggered" in capsys.readouterr().out


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["losses", "state"])
    monkeypatch.delitem(sys.modules, command.__name__)
    runpy.run_module(command.__name__, run_name="__main__")
    assert capsys.readouterr().out == ""
