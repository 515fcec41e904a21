"""Who may do what: every policy of the stack, on one page. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lib.config.names import Account
from lib.config.settings import Settings

Statement = dict[str, Any]


def actions(**names: str) -> list[str]:
    """Return actions of services: ``lambda_="GetFunction ListTags"`` are two of Lambda's."""
    return [
        f"{service.removesuffix('_')}:{name}"
        for service, of_service in names.items()
        for name in of_service.split()
    ]


LOOK_AT_KEY = actions(kms="DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags")
KEEP_KEY = [
    *LOOK_AT_KEY,
    *actions(kms="EnableKeyRotation PutKeyPolicy UpdateKeyDescription"),
    *actions(kms="Decrypt Encrypt GenerateDataKey* ReEncrypt*"),
]
USE_KEY = actions(kms="Decrypt GenerateDataKey")


def key_policy(account: Account, settings: Settings, *, is_deployed_by_ci: bool) -> str:
    """Let the account administer the key, and services use it that do not act for a caller.

    CI's role gets access here as well: its own policy knows the key by its tag, which may take
    minutes to count, and the first deployment goes on at once. Source: AWS KMS, "ABAC for AWS KMS".
    """
    statements = [
        _allow("Administer", {"AWS": account.root}, ["kms:*"], "*"),
        _allow(
            "EncryptTheLog",
            {"Service": f"logs.{account.region}.amazonaws.com"},
            actions(kms="Decrypt* Describe* Encrypt* GenerateDataKey* ReEncrypt*"),
            "*",
            {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": account.log_group}},
        ),
        # Without it, an alarm that goes off notifies nobody.
        _allow(
            "TellOfAlarms",
            {"Service": "cloudwatch.amazonaws.com"},
            actions(kms="Decrypt GenerateDataKey*"),
            "*",
            _from_alarms(account),
        ),
    ]
    if is_deployed_by_ci:
        deployer = _is_one_of(account, [account.deploy_role])
        by_grants = {**deployer, "Bool": {"kms:GrantIsForAWSResource": "true"}}
        statements += [
            _allow("Deploy", {"AWS": "*"}, KEEP_KEY, "*", deployer),
            _allow("DeployByGrants", {"AWS": "*"}, ["kms:CreateGrant"], "*", by_grants),
        ]
    if settings.producers:
        by_sqs = {"kms:ViaService": f"sqs.{account.region}.amazonaws.com"}
        producers = _is_one_of(account, settings.producers, by_sqs)
        statements.append(_allow("SendPrices", {"AWS": "*"}, USE_KEY, "*", producers))
    return document(statements)


def queue_policy(account: Account, settings: Settings) -> str:
    """Let the producers send to the queue, and deny other accounts."""
    statements = _closed_queue(account, account.queue)
    if settings.producers:
        producers = _is_one_of(account, settings.producers)
        statements.append(
            _allow("SendPrices", {"AWS": "*"}, ["sqs:SendMessage"], account.queue, producers)
        )
    return document(statements)


def dead_letter_queue_policy(account: Account) -> str:
    """Deny other accounts."""
    return document(_closed_queue(account, account.dead_letter_queue))


def topic_policy(account: Account, settings: Settings, topic: str) -> str:
    """Let only the function publish, and only the protocols of the settings be subscribed.

    The role's own policy allows it to publish, which suffices within an account. As a principal
    here it would be kept by its unique id, as `_is_one_of` says, and every plan would fail once the
    role was created again.
    """
    others = {"ArnNotEquals": {"aws:PrincipalArn": account.role}}
    other_protocols = {"StringNotEquals": {"sns:Protocol": list(settings.subscriber_protocols)}}
    return document(
        [
            _tls_only("sns:Publish", topic),
            _deny("NobodyElse", "sns:Publish", topic, others),
            _deny("NamedProtocolsOnly", "sns:Subscribe", topic, other_protocols),
        ]
    )


def ops_topic_policy(account: Account) -> str:
    """Let the stack's alarms publish."""
    cloudwatch = {"Service": "cloudwatch.amazonaws.com"}
    alarms = _from_alarms(account)
    return document(
        [
            _allow("TellOfAlarms", cloudwatch, ["sns:Publish"], account.ops_topic, alarms),
            _tls_only("sns:Publish", account.ops_topic),
        ]
    )


def trust_policy() -> str:
    """Let Lambda assume the role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return document([statement])


def dead_letter_target(account: Account) -> str:
    """Return where Lambda sends failed asynchronous calls; the queue's calls are not asynchronous.

    Lambda accepts no FIFO queue. Source: AWS Lambda, "Adding a dead-letter queue".
    """
    return account.ops_topic if account.names.is_fifo else account.dead_letter_queue


def function_policy(account: Account, settings: Settings, key_arn: str | None) -> str:
    """Let the function do what it does, and nothing else; ``key_arn`` is the stack's own key."""
    statements = [
        grant(
            "TakeMessages",
            actions(sqs="DeleteMessage GetQueueAttributes ReceiveMessage"),
            account.queue,
        ),
        grant(
            "KeepRulesStatesAndFirings",
            actions(
                dynamodb="BatchGetItem BatchWriteItem ConditionCheckItem PutItem Query UpdateItem"
            ),
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
            dead_letter_target(account),
        ),
        grant(
            "Log",
            actions(logs="CreateLogStream PutLogEvents"),
            f"{account.log_group}:log-stream:*",
        ),
        # X-Ray knows no resources to name.
        grant("Trace", actions(xray="PutTelemetryRecords PutTraceSegments"), "*"),
    ]
    # In a FIFO queue, a message that is sent again would lose its place.
    if not account.names.is_fifo:
        statements.append(grant("HandOver", ["sqs:SendMessage"], account.queue))
    if key_arn:
        statements.append(grant("UseTheKey", USE_KEY, key_arn))
    if settings.subnet_ids:
        statements += _network_interfaces(account, settings)
    return document(statements)


def _network_interfaces(account: Account, settings: Settings) -> list[Statement]:
    """Let Lambda connect the function to a VPC on its behalf, but not the function's own code.

    Source: AWS Lambda, "Giving Lambda functions access to resources in an Amazon VPC".
    """
    interfaces = account.arn("ec2", "network-interface/*")
    network = [
        *(f"subnet/{name}" for name in settings.subnet_ids),
        *(f"security-group/{name}" for name in settings.security_group_ids),
    ]
    look = actions(ec2="DescribeNetworkInterfaces DescribeSubnets")
    keep = actions(ec2="AssignPrivateIpAddresses UnassignPrivateIpAddresses")
    own_code = {"ArnEquals": {"lambda:SourceFunctionArn": account.function}}
    denied = [*actions(ec2="CreateNetworkInterface DeleteNetworkInterface"), *keep, *look]
    return [
        grant(
            "MakeInterfaces",
            ["ec2:CreateNetworkInterface"],
            [interfaces, *(account.arn("ec2", name) for name in network)],
        ),
        grant("KeepInterfaces", keep, interfaces),
        # With only a type of resource, the function might not reach the VPC.
        grant("DeleteInterfaces", ["ec2:DeleteNetworkInterface"], account.arn("ec2", "*/*")),
        # EC2 knows no resources to name for these.
        grant("FindInterfaces", look, "*"),
        {**grant("NotByTheCode", denied, "*", own_code), "Effect": "Deny"},
    ]


def _closed_queue(account: Account, queue: str) -> list[Statement]:
    other_accounts = {"StringNotEquals": {"aws:PrincipalAccount": account.account_id}}
    return [
        _tls_only("sqs:*", queue),
        _deny("ThisAccountOnly", "sqs:*", queue, other_accounts),
    ]


def _is_one_of(
    account: Account, arns: Sequence[str], more: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Return the condition that holds for some of the account's roles and users.

    As a principal, each would have to exist, and AWS would keep its unique id: one that was
    deleted and created again would be another one. Source: AWS IAM, "AWS JSON policy elements:
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
    allowed: Sequence[str],
    resource: str,
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    head = {"Sid": sid, "Effect": "Allow", "Principal": principal}
    return {**head, **grant(sid, allowed, resource, condition)}


def grant(
    sid: str,
    allowed: Sequence[str],
    resource: str | Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    """Return a statement that allows something to the policy's role."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(allowed), "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def document(statements: Sequence[Statement]) -> str:
    """Return a policy as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
