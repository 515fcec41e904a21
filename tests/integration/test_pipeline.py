"""Messages through the deployed pipeline: the real zip, queue, table and topic."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from tests.integration.conftest import FORGOTTEN, Deployed, changed_by, eventually, invoke


def firings_in_table(deployed: Deployed, symbol: str) -> list[dict[str, Any]]:
    pages = (
        deployed.emulator.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=deployed.outputs["table_name"],
            FilterExpression="begins_with(pk, :pk)",
            ExpressionAttributeValues={":pk": {"S": f"FIRINGS#{symbol}#"}},
        )
    )
    return [item for page in pages for item in page["Items"]]


def announcements(deployed: Deployed, symbol: str, count: int) -> list[Mapping[str, Any]]:
    """Take announcements off the subscriber's queue until those of the symbol are there."""
    found: list[Mapping[str, Any]] = []

    def enough() -> bool:
        while announced := list(deployed.subscriber.receive()):  # those of other tests come first
            found.extend(each for each in announced if each["symbol"] == symbol)
        return len(found) >= count

    eventually(enough)
    return found


def test_a_price_above_the_threshold_is_recorded_and_announced(
    deployed: Deployed, symbol: str
) -> None:
    deployed.pipeline.send(json.dumps({"symbol": symbol, "price": 200.5}))

    (announced,) = announcements(deployed, symbol, 1)
    assert eventually(
        lambda: [item["sent"]["BOOL"] for item in firings_in_table(deployed, symbol)] == [True]
    )
    (recorded,) = firings_in_table(deployed, symbol)
    assert announced["firing_id"] == recorded["firing_id"]["S"]
    assert (announced["price"], announced["levels"]) == ("200.5", ["150"])


def test_a_price_that_stays_high_fires_once(deployed: Deployed, symbol: str) -> None:
    prices = [200, 210, 190, 300]
    for price in prices:
        answer = invoke(
            deployed, (uuid.uuid4().hex, json.dumps({"symbol": symbol, "price": price}))
        )
        assert answer == {"batchItemFailures": []}

    assert len(firings_in_table(deployed, symbol)) == 1


def test_a_redelivered_message_fires_nothing(deployed: Deployed, symbol: str) -> None:
    fall = {"symbol": symbol, "price": 100, "timestamp": "2026-01-01T00:00:01Z"}
    rise = {"symbol": symbol, "price": 200, "timestamp": "2026-01-01T00:00:02Z"}
    records = [("fall", json.dumps(fall)), ("rise", json.dumps(rise))]

    for _ in range(3):
        assert invoke(deployed, *records) == {"batchItemFailures": []}

    assert len(firings_in_table(deployed, symbol)) == 1


def test_of_a_batch_only_the_bad_message_comes_back(deployed: Deployed, symbol: str) -> None:
    good = json.dumps({"symbol": symbol, "price": 200})

    answer = invoke(deployed, ("first", good), ("bad", '{"symbol": 1}'), ("last", good))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


def test_a_bad_message_lies_in_the_dead_letter_queue_after_five_tries(
    deployed: Deployed, symbol: str
) -> None:
    good = json.dumps({"symbol": symbol, "price": 200})
    sent = deployed.pipeline.sqs.send_message_batch(
        QueueUrl=deployed.outputs["queue_url"],
        Entries=[
            {"Id": name, "MessageBody": body}
            for name, body in (("before", good), ("bad", "no JSON"), ("after", good))
        ],
    )
    bad_id = {entry["Id"]: entry["MessageId"] for entry in sent["Successful"]}["bad"]
    dead: list[str] = []

    def has_died() -> bool:
        dead.extend(deployed.pipeline.dead_letter_ids())
        return bad_id in dead

    assert eventually(has_died)
    assert dead == [bad_id]
    assert len(firings_in_table(deployed, symbol)) == 1
    reasons = deployed.pipeline.refusals(bad_id)
    # A slow machine may end a try, at a time-out of one second, before it says why.
    assert set(reasons) == {"the body is not JSON"}
    assert len(reasons) <= 5
    policy = deployed.pipeline.sqs.get_queue_attributes(
        QueueUrl=deployed.outputs["queue_url"], AttributeNames=["RedrivePolicy"]
    )["Attributes"]["RedrivePolicy"]
    assert int(json.loads(policy)["maxReceiveCount"]) == 5


def test_the_outputs_name_what_was_deployed(deployed: Deployed) -> None:
    outputs, pipeline = deployed.outputs, deployed.pipeline

    assert set(outputs) == {
        *("queue_url", "dlq_url", "topic_arn", "ops_topic_arn", "table_name", "function_name"),
        *("people_topic_arn", "dashboard_url"),
    }
    assert (outputs["queue_url"], outputs["dlq_url"], outputs["table_name"]) == (
        pipeline.queue_url,
        pipeline.dlq_url,
        pipeline.table_name,
    )
    topics = deployed.emulator.client("sns").list_topics()["Topics"]
    assert {topic["TopicArn"] for topic in topics} == {
        outputs[name] for name in ("topic_arn", "people_topic_arn", "ops_topic_arn")
    }


def test_every_line_that_the_function_logs_is_json_and_holds_no_body(
    deployed: Deployed, symbol: str
) -> None:
    secret, good_id = f"secret-{uuid.uuid4().hex}", uuid.uuid4().hex
    body = json.dumps({"symbol": symbol, "price": 200, "secret": secret})
    invoke(deployed, (good_id, body), ("bad", f'{{"symbol": "{secret}"}}'))
    lines = deployed.pipeline.log_lines
    assert eventually(lambda: any(good_id in line for line in lines()))
    # These the platform writes; AWS does so in JSON as well, the emulator does not.
    platforms = ("START ", "END ", "REPORT ", "Task timed out ")
    ours = [line for line in lines() if not line.startswith(platforms)]
    assert all(isinstance(json.loads(line), dict) for line in ours)
    assert not any(secret in line or symbol in line for line in lines())


def test_a_second_plan_changes_nothing_but_what_the_emulator_forgets(deployed: Deployed) -> None:
    plan = deployed.deployment.plan()
    # The topic's policy was changed for it.
    assert changed_by(plan) == {FORGOTTEN, "aws_sns_topic_policy"}
    forgotten = {"actions_enabled", "alarm_actions", "alarm_description", "ok_actions"}
    lines = re.findall(r"^[~+-] ([a-z_]+) +=", plan, re.MULTILINE)
    assert set(lines) == {*forgotten, "treat_missing_data", "policy"}
