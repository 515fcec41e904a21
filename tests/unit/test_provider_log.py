"""Terraform's log: every call is found in it, and so is what IAM is asked for by each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.config.names import Account, Names
from tests.iam.actions import Deployed
from tests.iam.provider_log import Call, read_calls

A = "123456789012"
ACCOUNT = Account("aws", A, "us-east-1", Names("dev"))
KEY = ACCOUNT.arn("kms", "key/0a1b")
DEPLOYED = Deployed(ACCOUNT, KEY, {ACCOUNT.queue: {"Statement": []}})
ROLE = f"arn:aws:iam::{A}:role/r"


def sent(service: str, method: str, body: str = "", path: str = "/") -> dict[str, Any]:
    return {
        "@module": "aws",
        "@message": "HTTP Request Sent",
        "rpc.service": service,
        "rpc.method": method,
        "http.url": f"https://127.0.0.1:4566{path}",
        "http.request.body": body,
    }


def log_of(folder: Path, *entries: dict[str, Any]) -> Path:
    log = folder / "terraform.log"
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return log


# --- the log -----------------------------------------------------------------------------


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
    ],
)
def test_a_call_is_read_with_what_it_says(
    tmp_path: Path, body: str, parameters: dict[str, Any]
) -> None:
    log = log_of(tmp_path, {"@message": "hello"}, sent("SQS", "X", body, "/a%3Ab/c?d=e"))
    assert read_calls(log) == [Call("SQS", "X", "/a:b/c", parameters)]


def test_a_call_that_was_logged_in_pieces_is_put_together(tmp_path: Path) -> None:
    text = json.dumps(sent("Lambda", "CreateFunction", json.dumps({"ZipFile": "x" * 140_000})))
    pieces = [text[at : at + 65_536] for at in range(0, len(text), 65_536)]
    assert len(pieces) == 3
    lines = [{"@module": "provider", "@message": piece} for piece in pieces]
    other = {"@module": "core", "@message": "something else, meanwhile"}
    (call,) = read_calls(log_of(tmp_path, lines[0], other, *lines[1:]))
    assert (call.operation, len(call.parameters["ZipFile"])) == ("CreateFunction", 140_000)


def test_a_call_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"@module": "provider", "@message": '{"@message":"HTTP Request Sent"'})
    with pytest.raises(ValueError, match="cannot be read"):
        read_calls(log)


# --- what IAM is asked for ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (Call("STS", "GetCallerIdentity"), []),
        (Call("S3", "HeadObject", "/b/k"), ["s3:GetObject on arn:aws:s3:::b/k"]),
        (Call("S3", "ListObjectsV2", "/b"), ["s3:ListBucket on arn:aws:s3:::b"]),
        (
            Call("SQS", "DeleteQueue", parameters={"QueueUrl": "https://h/1/tap-dev-prices"}),
            [f"sqs:DeleteQueue on {ACCOUNT.queue}"],
        ),
        (
            Call("CloudWatch", "DeleteAlarms", parameters={"AlarmNames": ["a", "b"]}),
            [
                f"cloudwatch:DeleteAlarms on {ACCOUNT.arn('cloudwatch', f'alarm:{name}')}"
                for name in "ab"
            ],
        ),
        (
            Call("KMS", "CreateAlias", parameters={"AliasName": "alias/tap-dev"}),
            [f"kms:CreateAlias on {name}" for name in (ACCOUNT.arn("kms", "alias/tap-dev"), KEY)],
        ),
        (
            Call("KMS", "DescribeKey", parameters={"KeyId": "alias/tap-dev"}),
            [f"kms:DescribeKey on {KEY}"],
        ),
        (
            Call("Lambda", "ListTags", f"/2017-03-31/tags/{ROLE}"),
            [f"lambda:ListTags on {ROLE}"],
        ),
        (
            Call("CloudWatch Logs", "PutRetentionPolicy", parameters={"logGroupName": "/g"}),
            [f"logs:PutRetentionPolicy on {ACCOUNT.arn('logs', 'log-group:/g:log-stream:')}"],
        ),
        (
            Call("SNS", "Unsubscribe", parameters={"SubscriptionArn": "x"}),
            ["sns:Unsubscribe on *"],
        ),
    ],
)
def test_a_call_asks_for_actions_on_resources(call: Call, asked: list[str]) -> None:
    assert [str(request) for request in DEPLOYED.requests([call])] == asked


def test_a_key_of_aws_s_own_is_known_by_its_alias_and_not_by_a_tag() -> None:
    call = Call("KMS", "DescribeKey", parameters={"KeyId": "alias/aws/dynamodb"})
    (request,) = DEPLOYED.requests([call])
    assert request.resource != KEY
    assert request.context == {"kms:RequestAlias": "alias/aws/dynamodb"}


def test_what_is_made_with_tags_needs_leave_to_tag_it() -> None:
    tags = [{"Key": "stack", "Value": "tap-dev"}]
    call = Call("IAM", "CreateRole", parameters={"RoleName": "r", "Tags": tags})
    create, tag = DEPLOYED.requests([call])
    assert (str(create), str(tag)) == (f"iam:CreateRole on {ROLE}", f"iam:TagRole on {ROLE}")
    told = {"aws:RequestTag/stack": "tap-dev", "aws:TagKeys": ["stack"]}
    assert (create.context, tag.context) == (told, told)


def test_a_function_needs_leave_to_have_its_role_and_the_key() -> None:
    call = Call("Lambda", "CreateFunction", "/f/functions", {"FunctionName": "f", "Role": ROLE})
    create, *besides = DEPLOYED.requests([call])
    assert str(create) == f"lambda:CreateFunction on {ACCOUNT.arn('lambda', 'function:f')}"
    assert {str(each) for each in besides} >= {
        f"iam:PassRole on {ROLE}",
        f"kms:CreateGrant on {KEY}",
    }


def test_the_same_call_is_asked_for_once() -> None:
    call = Call("SNS", "CreateTopic", parameters={"Name": "t"})
    assert len(DEPLOYED.requests([call, call])) == 1


def test_what_has_a_policy_is_decided_by_it_too() -> None:
    queues = ("https://h/1/tap-dev-prices", "https://h/1/other")
    calls = [Call("SQS", "DeleteQueue", parameters={"QueueUrl": url}) for url in queues]
    policies = [request.resource_policy for request in DEPLOYED.requests(calls)]
    assert policies == [{"Statement": []}, None]


def test_a_call_of_which_nothing_is_known_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="not known"):
        DEPLOYED.requests([Call("SNS", "CheckIfPhoneNumberIsOptedOut")])
