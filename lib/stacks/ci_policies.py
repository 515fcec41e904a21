"""Who may do what in CI: the policies of tap-ci, on one page. Pure.

Each role reaches the stacks that it is for by their names, and cannot give itself more: the role of
the function, the only one that it may make, needs a boundary that tap-ci sets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lib.config.names import Account
from lib.config.settings import Settings
from lib.stacks.ci_actions import (
    DEPLOY,
    KEEP_A_RULE,
    KEEP_KEY,
    LOOK,
    LOOK_AT_ALL,
    LOOK_AT_KEY,
    LOOK_AT_NETWORK,
)
from lib.stacks.ci_state_policy import StateObject, read_state, write_state
from lib.stacks.policies import Statement, document, function_policy, grant

GITHUB = "token.actions.githubusercontent.com"


def trust_policy(provider_arn: str, subject: str) -> str:
    """Let in whom GitHub calls by this subject, and nobody else."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:sub": subject}
        },
    }
    return document([statement])


def boundary_policy(account: Account, settings: Settings) -> str:
    """Say what the function's role can ever be allowed: its policy, any key of it, people's topic.

    The role belongs to CI; without a boundary CI could allow it everything, and take it.
    """
    statements: list[Statement] = json.loads(function_policy(account, settings, None))["Statement"]
    key = grant(
        "UseTheKey",
        ["kms:Decrypt", "kms:GenerateDataKey"],
        _keys(account),
        _is_of(account.names.stack),
    )
    # Whoever adds the first e-mail address need not deploy tap-ci again.
    people = grant("PublishToPeople", ["sns:Publish"], account.people_topic)
    return document([*statements, key, people])


def plan_policy(
    accounts: Sequence[Account], settings: Sequence[Settings], states: Sequence[StateObject]
) -> str:
    """Let a pull request compare the stacks with their states, and change neither."""
    stacks = [account.names.stack for account in accounts]
    statements = [
        grant(
            "Look",
            LOOK,
            [name for account in accounts for name in (*_names(account), _mappings(account))],
        ),
        grant(
            "LookAtTheKeys",
            LOOK_AT_KEY,
            [_keys(account) for account in accounts],
            _is_of(stacks),
        ),
        # Otherwise they come back empty, and every plan would put them back. Source: AWS Lambda,
        # "Securing environment variables"; they are encrypted with the function's ARN as context.
        grant(
            "ReadTheVariables",
            ["kms:Decrypt"],
            [_keys(account) for account in accounts],
            {
                "StringEquals": {
                    "aws:ResourceTag/stack": stacks,
                    "kms:EncryptionContext:aws:lambda:FunctionArn": [
                        account.function for account in accounts
                    ],
                }
            },
        ),
        _look_at_all(settings),
        _look_at_default_key(accounts),
        *read_state(accounts[0], states),
    ]
    return document(statements)


def deploy_policy(
    account: Account, settings: Settings, state: StateObject, boundary: str, *, may_smoke: bool
) -> str:
    """Let CI deploy one stack.

    Parameters
    ----------
    account, settings, state
        The stack.
    boundary
        The ARN of the boundary that the function's role must have.
    may_smoke
        Whether CI may also try the stack out (lib.deploy.smoke).
    """
    statements = [
        grant("Look", LOOK, [*_names(account), _mappings(account)]),
        _look_at_all([settings]),
        _look_at_default_key([account]),
        grant("Deploy", DEPLOY, _names(account)),
        grant("Unsubscribe", ["sns:Unsubscribe"], "*"),  # AWS knows no resource to name for it
        *_function_role(account, boundary),
        *_event_source_mapping(account),
        *read_state(account, [state]),
        *write_state(account, state),
    ]
    if settings.customer_managed_key:
        statements += _key(account)
    if settings.code_signing_config_arn:
        statements.append(_code_signing(account, settings.code_signing_config_arn))
    if may_smoke:
        statements += _smoke(account)
    return document(statements)


def _names(account: Account) -> list[str]:
    """List what a stack is made of, as far as it has names."""
    names = account.names
    return [
        account.alarms,
        account.global_arn("cloudwatch", f"dashboard/{names.dashboard}"),
        account.table,
        account.role,
        account.role_policy,
        account.function,
        account.log_group,
        f"{account.log_group}:*",
        account.topic,
        account.people_topic,
        account.ops_topic,
        _queues(account),
    ]


def _mappings(account: Account) -> str:
    return account.arn("lambda", "event-source-mapping:*")


def _queues(account: Account) -> str:
    # Both types: a deployment may change one into the other.
    return account.arn("sqs", f"{account.names.stack}-prices*")


def _keys(account: Account) -> str:
    return account.arn("kms", "key/*")


def _is_of(stack: str | Sequence[str]) -> dict[str, Any]:
    """Hold for what has the tag of a stack, or of one of several."""
    return {"StringEquals": {"aws:ResourceTag/stack": stack}}


def _look_at_all(settings: Sequence[Settings]) -> Statement:
    has_network = any(each.subnet_ids for each in settings)
    network = LOOK_AT_NETWORK if has_network else ()
    return grant("LookAtAll", [*LOOK_AT_ALL, *network], "*")


def _look_at_default_key(accounts: Sequence[Account]) -> Statement:
    """Let CI see which key AWS takes for a table that has none; it has no tag of ours."""
    return grant(
        "LookAtTheDefaultKey",
        ["kms:DescribeKey"],
        [_keys(account) for account in accounts],
        {"StringEquals": {"kms:RequestAlias": "alias/aws/dynamodb"}},
    )


def _function_role(account: Account, boundary: str) -> list[Statement]:
    has_boundary = {"iam:PermissionsBoundary": boundary}
    return [
        grant(
            "MakeTheRole",
            ["iam:CreateRole", "iam:PutRolePermissionsBoundary"],
            account.role,
            {"ArnEquals": has_boundary},
        ),
        grant(
            "AllowTheRole",
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            account.role,
            {"ArnEquals": {**has_boundary, "iam:PolicyARN": account.role_policy}},
        ),
        grant(
            "HandOverTheRole",
            ["iam:PassRole"],
            account.role,
            {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        ),
    ]


def _event_source_mapping(account: Account) -> list[Statement]:
    """Let the function be fed; a mapping has no name, and is known by its function and its tag."""
    mappings = _mappings(account)
    is_the_function_s = {"ArnEquals": {"lambda:FunctionArn": account.function}}
    changes = ["lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    return [
        grant("Feed", ["lambda:CreateEventSourceMapping"], "*", is_the_function_s),
        grant("ChangeTheFeed", changes, mappings, is_the_function_s),
        grant(
            "TagTheFeed",
            ["lambda:TagResource", "lambda:UntagResource"],
            mappings,
            _is_tagged(account),
        ),
    ]


def _code_signing(account: Account, configuration: str) -> Statement:
    actions = [
        *("lambda:DeleteFunctionCodeSigningConfig", "lambda:GetCodeSigningConfig"),
        "lambda:PutFunctionCodeSigningConfig",
    ]
    return grant("WantASignature", actions, [configuration, account.function])


def _key(account: Account) -> list[Statement]:
    """Let CI make the stack's key and use it; which one that is, the tag ``stack`` says.

    Until the tag counts, the key's own policy lets CI in (lib.stacks.policies).
    """
    keys, is_ours = _keys(account), _is_of(account.names.stack)
    return [
        grant(
            "MakeTheKey",
            ["kms:CreateKey"],
            "*",
            {"StringEquals": {"aws:RequestTag/stack": account.names.stack}},
        ),
        grant("TagTheKey", ["kms:TagResource", "kms:UntagResource"], keys, _is_tagged(account)),
        grant(
            "NameTheKey",
            ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
            [account.arn("kms", account.names.key_alias), keys],
            _is_tagged(account),
        ),
        grant("KeepTheKey", KEEP_KEY, keys, is_ours),
        # The table and the function's environment are encrypted by grants.
        grant(
            "LendTheKey",
            ["kms:CreateGrant"],
            keys,
            {**is_ours, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


def _is_tagged(account: Account) -> dict[str, dict[str, str]]:
    """Hold for what is being made with the stack's tag, or has it; KMS and Lambda tell no more."""
    stack = account.names.stack
    return {"StringEqualsIfExists": {"aws:RequestTag/stack": stack, "aws:ResourceTag/stack": stack}}


def _smoke(account: Account) -> list[Statement]:
    """Let CI send a price, and hear of it by a queue of its own (lib.deploy.smoke)."""
    return [
        grant("SendAPrice", ["sqs:SendMessage"], _queues(account)),
        grant(
            "Listen",
            [
                *("sqs:CreateQueue", "sqs:DeleteMessage", "sqs:DeleteQueue"),
                *("sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SetQueueAttributes"),
            ],
            account.arn("sqs", f"{account.names.stack}-smoke-*"),
        ),
        grant("KeepARule", KEEP_A_RULE, [account.table, f"{account.table}/index/by_rule"]),
    ]
