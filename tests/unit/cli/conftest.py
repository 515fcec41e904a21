"""What the tests of the command line have besides what every unit test has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lib.cli.target import Target

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def target(aws: None) -> Target:
    """The stack tap-test, of which nothing is there yet."""
    return Target("test")


@pytest.fixture
def sqs(target: Target) -> SQSClient:
    """A client that does not wait for messages: nobody else sends any."""
    client = target.sqs
    client.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **_: params | {"WaitTimeSeconds": 0},
    )
    return client


@pytest.fixture
def queue_url(sqs: SQSClient, target: Target) -> str:
    return sqs.create_queue(QueueName=target.names.queue)["QueueUrl"]


@pytest.fixture
def dlq_url(sqs: SQSClient, target: Target) -> str:
    return sqs.create_queue(QueueName=target.names.dead_letter_queue)["QueueUrl"]


@pytest.fixture
def alerts(target: Target) -> Table:
    """The stack's table, with its indexes."""
    target.table.meta.client.create_table(
        TableName=target.names.table,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("pk", "sk", "day", "fired_at", "rule_id")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_day",
                "KeySchema": [
                    {"AttributeName": "day", "KeyType": "HASH"},
                    {"AttributeName": "fired_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by_rule",
                "KeySchema": [{"AttributeName": "rule_id", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return target.table
