"""A stack in a simulated AWS, for the tests of lib/client and lib/cli."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lib.client.target import Target
from tests.unit.client.doubles import CONFIGURATION, answer_with
from tests.unit.doubles import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def target(aws: None) -> Target:
    """The stack tap-test, of which nothing is there yet."""
    return Target("test", CONFIGURATION)


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
    create_table(target.names.table)
    return target.table


@pytest.fixture
def stack(target: Target, alerts: Table, queue_url: str, dlq_url: str) -> Target:
    """A whole stack; moto's Lambda would need more packages."""
    state = {"State": "Active", "LastUpdateStatus": "Successful"}
    mappings = {"EventSourceMappings": [{"State": "Enabled"}]}
    answer_with(target.functions, "GetFunctionConfiguration", lambda _: state)
    answer_with(target.functions, "ListEventSourceMappings", lambda _: mappings)
    return target
