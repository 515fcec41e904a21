"""The pipeline is found as soon as it works, while cdktf still deploys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lib.local.replay import Pipeline, find_pipeline
from tests.unit.local.doubles import Mocked

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:tap-dev-price-alerts"


class Functions:
    """Lambda, which moto gives no logging configuration: one function, and its mapping."""

    def __init__(self) -> None:
        self.mappings: list[dict[str, str]] = []

    def list_event_source_mappings(self) -> dict[str, Any]:
        return {"EventSourceMappings": self.mappings}

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803  # boto3's name
        assert FunctionName == FUNCTION_ARN
        return {
            "Environment": {"Variables": {"TABLE_NAME": "tap-dev-alerts"}},
            "LoggingConfig": {"LogGroup": "/aws/lambda/tap-dev"},
        }


class Account(Mocked):
    """An account in which TapStack is being deployed, one resource after the other."""

    functions = Functions()

    def client(self, service: str) -> Any:
        return self.functions if service == "lambda" else super().client(service)

    def deploy_queues(self, sqs: SQSClient) -> None:
        for name in ("tap-dev-prices", "tap-dev-dlq"):
            sqs.create_queue(QueueName=name)

    def deploy_mapping(self) -> None:
        arn = "arn:aws:sqs:us-east-1:123456789012:tap-dev-prices"
        self.functions.mappings.append({"FunctionArn": FUNCTION_ARN, "EventSourceArn": arn})

    def deploy_redrive_policy(self, sqs: SQSClient) -> None:
        arn = "arn:aws:sqs:us-east-1:123456789012:tap-dev-dlq"
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
        url = sqs.get_queue_url(QueueName="tap-dev-prices")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})


@pytest.fixture
def account(aws: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account in which the queues are there, and no more."""
    monkeypatch.setattr(Account, "functions", Functions())
    account = Account("", "us-east-1")
    account.deploy_queues(boto3.client("sqs"))
    return account


@pytest.fixture
def pipeline(account: Account) -> Pipeline | None:
    """What is found when all is there that a price needs."""
    account.deploy_redrive_policy(boto3.client("sqs"))
    account.deploy_mapping()
    return find_pipeline(account)


def test_before_the_mapping_there_is_none(account: Account) -> None:
    account.deploy_redrive_policy(boto3.client("sqs"))
    assert find_pipeline(account) is None


def test_before_the_redrive_policy_there_is_none(account: Account) -> None:
    account.deploy_mapping()
    assert find_pipeline(account) is None


def test_with_both_it_is_found(pipeline: Pipeline) -> None:
    assert (pipeline.queue_url.rpartition("/")[2], pipeline.dlq_url.rpartition("/")[2]) == (
        "tap-dev-prices",
        "tap-dev-dlq",
    )
    assert (pipeline.table_name, pipeline.log_group) == ("tap-dev-alerts", "/aws/lambda/tap-dev")


def test_a_price_can_be_sent_through_it(pipeline: Pipeline) -> None:
    identifier = pipeline.send("body")
    [message] = boto3.client("sqs").receive_message(QueueUrl=pipeline.queue_url)["Messages"]
    assert message["MessageId"] == identifier
