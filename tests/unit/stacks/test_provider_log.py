"""Terraform's log: every call is found in it, and so is what IAM is asked for by each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.config.names import Account, Names
from tests.iam.actions import Deployed
from tests.iam.provider_log import Call, read_calls
from tests.iam.simulator import left_to_iam

ACCOUNT = Account("aws", "123456789012", "us-east-1", Names("dev"))
KEY = ACCOUNT.arn("kms", "key/0a1b")
DEPLOYED = Deployed(ACCOUNT, KEY, {ACCOUNT.queue: {"Statement": []}})
ROLE, QUEUE = ACCOUNT.global_arn("iam", "role/r"), "https://h/1/tap-dev-prices"
TAGS = [{"Key": "stack", "Value": "tap-dev"}]
NEW_TAGS = {"aws:RequestTag/stack": "tap-dev", "aws:TagKeys": ["stack"]}
OURS = {"aws:ResourceTag/stack": "tap-dev"}


def sent(body: str) -> str:
    entry = {
        "@module": "aws",
        "@message": "HTTP Request Sent",
        "rpc.service": "SQS",
        "rpc.method": "X",
        "http.url": "https://127.0.0.1:4566/a%3Ab/c?d=e",
        "http.request.body": body,
    }
    return json.dumps(entry)


def in_pieces(text: str) -> list[str]:
    """Log a line as a provider's output reaches Terraform, with another one in between."""
    pieces = [text[at : at + 65_536] for at in range(0, len(text), 65_536)]
    lines = [json.dumps({"@module": "provider", "@message": piece}) for piece in pieces]
    return [lines[0], json.dumps({"@module": "core", "@message": "meanwhile"}), *lines[1:]]


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ("", {}),
        ("[Redacted: 202 bytes]", {}),
        ('{"QueueUrl":"u","Tags":{"a":"b"}}\n', {"QueueUrl": "u", "Tags": {"a": "b"}}),
        ('{"Long":"body"}\n[truncated...]', {"Long": "body"}),
        ("Action=X&Name=a%2Fb&Empty=\n", {"Action": "X", "Name": "a/b", "Empty": ""}),
        (
            "Action=X&L.member.1=a&L.member.2=b&Tags.member.1.Key=k&Tags.member.1.Value=v",
            {"Action": "X", "L": ["a", "b"], "Tags": [{"Key": "k", "Value": "v"}]},
        ),
        (json.dumps({"ZipFile": "x" * 140_000}), {"ZipFile": "x" * 140_000}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_call_is_read_with_what_it_says(
    tmp_path: Path, body: str, parameters: dict[str, Any]
) -> None:
    text = sent(body)
    log = tmp_path / "terraform.log"
    log.write_text("\n".join(in_pieces(text) if len(text) > 65_536 else ['{"@message": ""}', text]))
    assert read_calls(log) == [Call("SQS", "X", "/a:b/c", parameters)]


def test_a_call_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "terraform.log"
    log.write_text(json.dumps({"@module": "provider", "@message": '"HTTP Request Sent"'}))
    with pytest.raises(ValueError, match="cannot be read"):
        read_calls(log)


def call(service: str, operation: str, path: str = "/", **parameters: Any) -> Call:
    return Call(service, operation, path, parameters)


CREATE_ROLE = call("IAM", "CreateRole", RoleName="r", Tags=TAGS)
DESCRIBE_KEY = call("KMS", "DescribeKey", KeyId="alias/tap-dev")
USES = ("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")


@pytest.mark.parametrize(
    ("asking", "asked"),
    [
        (call("STS", "GetCallerIdentity"), []),
        (call("S3", "HeadObject", "/b/k"), ["s3:GetObject on arn:aws:s3:::b/k"]),
        (call("S3", "ListObjectsV2", "/b"), ["s3:ListBucket on arn:aws:s3:::b"]),
        (call("SQS", "DeleteQueue", QueueUrl=QUEUE), [f"sqs:DeleteQueue on {ACCOUNT.queue}"]),
        (
            call("CloudWatch", "DeleteAlarms", AlarmNames=["a", "b"]),
            [f"cloudwatch:DeleteAlarms on {ACCOUNT.arn('cloudwatch', f'alarm:{n}')}" for n in "ab"],
        ),
        (
            call("KMS", "CreateAlias", AliasName="alias/tap-dev"),
            [
                f"kms:CreateAlias on {ACCOUNT.arn('kms', 'alias/tap-dev')}",
                f"kms:CreateAlias on {KEY}",
            ],
        ),
        (DESCRIBE_KEY, [f"kms:DescribeKey on {KEY}"]),
        (call("Lambda", "ListTags", f"/2017-03-31/tags/{ROLE}"), [f"lambda:ListTags on {ROLE}"]),
        (
            call("CloudWatch Logs", "PutRetentionPolicy", logGroupName="/g"),
            [f"logs:PutRetentionPolicy on {ACCOUNT.arn('logs', 'log-group:/g:log-stream:')}"],
        ),
        (call("SNS", "Unsubscribe", SubscriptionArn="x"), ["sns:Unsubscribe on *"]),
        (CREATE_ROLE, [f"iam:CreateRole on {ROLE}", f"iam:TagRole on {ROLE}"]),
        (
            call("Lambda", "CreateFunction", "/f/functions", FunctionName="f", Role=ROLE),
            [
                f"lambda:CreateFunction on {ACCOUNT.arn('lambda', 'function:f')}",
                f"iam:PassRole on {ROLE}",
                *(f"kms:{use} on {KEY}" for use in USES),
            ],
        ),
    ],
)
def test_a_call_asks_for_actions_on_resources_once(asking: Call, asked: list[str]) -> None:
    assert [str(request) for request in DEPLOYED.requests([asking, asking])] == asked


@pytest.mark.parametrize(
    ("asking", "context", "policy"),
    [
        (DESCRIBE_KEY, {**OURS, "kms:RequestAlias": "alias/tap-dev"}, None),
        (CREATE_ROLE, NEW_TAGS, None),
        (call("SQS", "DeleteQueue", QueueUrl=QUEUE), OURS, {"Statement": []}),
        (call("SQS", "DeleteQueue", QueueUrl=f"{QUEUE}-2"), OURS, None),
        # A key of AWS's own has an alias, and no tag of ours.
        (
            call("KMS", "DescribeKey", KeyId="alias/aws/dynamodb"),
            {"kms:RequestAlias": "alias/aws/dynamodb"},
            left_to_iam(ACCOUNT.account_id),
        ),
    ],
)
def test_a_request_has_what_iam_knows_and_the_policy_of_its_resource(
    asking: Call, context: dict[str, Any], policy: dict[str, Any] | None
) -> None:
    for request in DEPLOYED.requests([asking]):
        assert (request.context, request.resource_policy) == (context, policy)


def test_a_call_of_which_nothing_is_known_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="not known"):
        DEPLOYED.requests([call("SNS", "CheckIfPhoneNumberIsOptedOut")])
