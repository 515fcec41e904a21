"""Who may do what: every policy of the stack, on one page. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lib.config.names import Account
from lib.config.settings import Settings
from lib.stacks.ci_actions import KEEP_KEY

Statement = dict[str, Any]

_TABLE_ACTIONS = (
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "PutItem",
    "Query",
    "UpdateItem",
)


def key_policy(account: Account, settings: Settings, *, is_deployed_by_ci: bool) -> str:
    """Let the account govern the key, and the services use it that do not act for a caller.

    CI's role is let in here as well: its own policy knows the key by its tag, which may take
    minutes to count, and the first deployment goes on at once. Source: AWS KMS, "ABAC for AWS KMS".
    """
    statements = [
        _allow("Administer", {"AWS": account.root}, ["kms:*"], "*"),
        _allow(
            "EncryptTheLog",
            {"Service": f"logs.{account.region}.amazonaws.com"},
            [
                *("kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*"),
                "kms:ReEncrypt*",
            ],
            "*",
            {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": account.log_group}},
        ),
        # Without it an alarm goes off and nobody is told.
        _allow(
            "TellOfAlarms",
            {"Service": "cloudwatch.amazonaws.com"},
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            "*",
            _from_alarms(account),
        ),
    ]
    if is_deployed_by_ci:
        deployer = _is_one_of(account, [account.deploy_role])
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        statements += [
            _allow("Deploy", {"AWS": "*"}, KEEP_KEY, "*", deployer),
            _allow(
                "DeployByGrants", {"AWS": "*"}, ["kms:CreateGrant"], "*", {**deployer, **for_aws}
            ),
        ]
    if settings.producers:
        statements.append(
            _allow(
                "SendPrices",
                {"AWS": "*"},
                ["kms:Decrypt", "kms:GenerateDataKey"],
                "*",
                _is_one_of(
                    account,
                    settings.producers,
                    {"kms:ViaService": f"sqs.{account.region}.amazonaws.com"},
                ),
            )
        )
    return document(statements)


def queue_policy(account: Account, settings: Settings) -> str:
    """Let the producers send to the queue, and nobody in from outside."""
    statements = _closed_queue(account, account.queue)
    if settings.producers:
        statements.append(
            _allow(
                "SendPrices",
                {"AWS": "*"},
                ["sqs:SendMessage"],
                account.queue,
                _is_one_of(account, settings.producers),
            )
        )
    return document(statements)


def dead_letter_queue_policy(account: Account) -> str:
    """Let nobody in from outside."""
    return document(_closed_queue(account, account.dead_letter_queue))


def topic_policy(account: Account, settings: Settings, topic: str) -> str:
    """Let nobody but the function publish, and nobody subscribe by other than the named protocols.

    The role's own policy allows it to publish, which suffices within an account. As a principal
    here it would be kept by its unique id, as `_is_one_of` says, and every plan would fail once it
    was made again.
    """
    return document(
        [
            _tls_only("sns:Publish", topic),
            _deny(
                "NobodyElse",
                "sns:Publish",
                topic,
                {"ArnNotEquals": {"aws:PrincipalArn": account.role}},
            ),
            _deny(
                "NamedProtocolsOnly",
                "sns:Subscribe",
                topic,
                {"StringNotEquals": {"sns:Protocol": list(settings.subscriber_protocols)}},
            ),
        ]
    )


def ops_topic_policy(account: Account) -> str:
    """Let the stack's alarms tell of themselves."""
    return document(
        [
            _allow(
                "TellOfAlarms",
                {"Service": "cloudwatch.amazonaws.com"},
                ["sns:Publish"],
                account.ops_topic,
                _from_alarms(account),
            ),
            _tls_only("sns:Publish", account.ops_topic),
        ]
    )


def trust_policy() -> str:
    """Let Lambda take the role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return document([statement])


def given_up_target(account: Account) -> str:
    """Return where Lambda sends what it gives up of asynchronous calls, which the queue's are not.

    It takes no queue that keeps an order. Source: AWS Lambda, "Adding a dead-letter queue".
    """
    return account.ops_topic if account.names.is_fifo else account.dead_letter_queue


def function_policy(account: Account, settings: Settings, key_arn: str | None) -> str:
    """Let the function do what it does, and nothing else.

    Parameters
    ----------
    account, settings
        The stack.
    key_arn
        Its key, if it has one.
    """
    statements = [
        grant(
            "TakeMessages",
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            account.queue,
        ),
        grant(
            "KeepRulesStatesAndFirings",
            [f"dynamodb:{action}" for action in _TABLE_ACTIONS],
            account.table,
        ),
        grant(
            "Publish",
            ["sns:Publish"],
            [account.topic, account.people_topic] if settings.people else account.topic,
        ),
        grant(
            "GiveUp",
            ["sns:Publish" if account.names.is_fifo else "sqs:SendMessage"],
            given_up_target(account),
        ),
        grant(
            "Log",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"{account.log_group}:log-stream:*",
        ),
        # X-Ray knows no resources to name.
        grant("Trace", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"),
    ]
    # In a queue that keeps an order, a message that is sent again would lose its place.
    if not account.names.is_fifo:
        statements.append(grant("HandOver", ["sqs:SendMessage"], account.queue))
    if key_arn:
        statements.append(grant("UseTheKey", ["kms:Decrypt", "kms:GenerateDataKey"], key_arn))
    if settings.subnet_ids:
        statements += _network_interfaces(account, settings)
    return document(statements)


def _network_interfaces(account: Account, settings: Settings) -> list[Statement]:
    """Let Lambda connect the function to a VPC, on its behalf, but not the function's own code.

    Source: AWS Lambda, "Giving Lambda functions access to resources in an Amazon VPC".
    """
    interfaces = account.arn("ec2", "network-interface/*")
    look = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    keep = ["ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
    return [
        grant(
            "MakeInterfaces",
            ["ec2:CreateNetworkInterface"],
            [
                interfaces,
                *(account.arn("ec2", f"subnet/{name}") for name in settings.subnet_ids),
                *(
                    account.arn("ec2", f"security-group/{name}")
                    for name in settings.security_group_ids
                ),
            ],
        ),
        grant("KeepInterfaces", keep, interfaces),
        # With a type of resource alone, the function might not reach the VPC.
        grant("DeleteInterfaces", ["ec2:DeleteNetworkInterface"], account.arn("ec2", "*/*")),
        # EC2 knows no resources to name for these.
        grant("FindInterfaces", look, "*"),
        {
            **grant(
                "NotByTheCode",
                ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", *keep, *look],
                "*",
                {"ArnEquals": {"lambda:SourceFunctionArn": account.function}},
            ),
            "Effect": "Deny",
        },
    ]


def _closed_queue(account: Account, queue: str) -> list[Statement]:
    return [
        _tls_only("sqs:*", queue),
        _deny(
            "ThisAccountOnly",
            "sqs:*",
            queue,
            {"StringNotEquals": {"aws:PrincipalAccount": account.account_id}},
        ),
    ]


def _is_one_of(
    account: Account, arns: Sequence[str], more: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Hold for roles and users of the account, by their ARNs.

    As a principal, each would have to be there, and AWS would keep its unique id: once it was
    deleted and made again, it would be another one. Source: AWS IAM, "AWS JSON policy elements:
    Principal".
    """
    return {
        "ArnEquals": {"aws:PrincipalArn": list(arns)},
        "StringEquals": {"aws:PrincipalAccount": account.account_id, **(more or {})},
    }


def _from_alarms(account: Account) -> Mapping[str, Any]:
    return {
        "StringEquals": {"aws:SourceAccount": account.account_id},
        "ArnLike": {"aws:SourceArn": account.alarms},
    }


def _tls_only(action: str, resource: str) -> Statement:
    return _deny("TlsOnly", action, resource, {"Bool": {"aws:SecureTransport": "false"}})


def _deny(sid: str, action: str, resource: str, condition: Mapping[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }


def _allow(
    sid: str,
    principal: Mapping[str, Any],
    actions: Sequence[str],
    resource: str,
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": resource,
    }
    return statement if condition is None else {**statement, "Condition": condition}


def grant(
    sid: str,
    actions: Sequence[str],
    resource: str | Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    """Allow whoever has the policy to do something."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def document(statements: Sequence[Statement]) -> str:
    """Write a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
