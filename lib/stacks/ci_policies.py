"""Who may do what in CI: the policies of tap-ci, on one page. Pure.

Each role reaches its stacks by their names, and cannot extend its own rights: the function's role,
the only one that it may create, needs a boundary that tap-ci sets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lib.backend.block import StateStore
from lib.config.names import Account
from lib.config.settings import DEFAULT_ENVIRONMENT, Settings
from lib.stacks.policies import (
    KEEP_KEY,
    LOOK_AT_KEY,
    USE_KEY,
    Statement,
    actions,
    document,
    function_policy,
    grant,
)

GITHUB = "token.actions.githubusercontent.com"
# What the AWS provider calls to compare a stack with its state, and lib.deploy.preflight before
# that. CI cannot delete the table, the log or the key: that is for people.
_LOOK = actions(
    cloudwatch="GetDashboard ListTagsForResource",
    dynamodb="DescribeContinuousBackups DescribeTable DescribeTimeToLive ListTagsOfResource",
    iam="GetPolicy GetPolicyVersion GetRole GetRolePolicy ListAttachedRolePolicies "
    "ListPolicyVersions ListRolePolicies",
    lambda_="GetEventSourceMapping GetFunction GetFunctionCodeSigningConfig GetFunctionConcurrency "
    "GetFunctionConfiguration ListTags ListVersionsByFunction",
    logs="ListTagsForResource",
    sns="GetTopicAttributes ListSubscriptionsByTopic ListTagsForResource",
    sqs="GetQueueAttributes GetQueueUrl ListQueueTags",
)
# AWS knows no resources to name for these. DescribeAlarms returns alarms of both types, and
# composite ones only to those that are allowed it on "*". Source: Amazon CloudWatch API Reference.
_LOOK_AT_ALL = actions(
    cloudwatch="DescribeAlarms",
    kms="ListAliases",
    lambda_="GetAccountSettings",
    logs="DescribeLogGroups",
    sns="GetSubscriptionAttributes",
)
_LOOK_AT_NETWORK = actions(ec2="DescribeSecurityGroups DescribeSubnets DescribeVpcs")
_DEPLOY = actions(
    cloudwatch="DeleteAlarms DeleteDashboards PutDashboard PutMetricAlarm TagResource "
    "UntagResource",
    dynamodb="CreateTable TagResource UntagResource UpdateContinuousBackups UpdateTable "
    "UpdateTimeToLive",
    iam="CreatePolicy CreatePolicyVersion DeletePolicy DeletePolicyVersion DeleteRole "
    "ListInstanceProfilesForRole TagPolicy TagRole UntagPolicy UntagRole UpdateAssumeRolePolicy "
    "UpdateRole",
    lambda_="CreateFunction DeleteFunction DeleteFunctionConcurrency PutFunctionConcurrency "
    "TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration",
    logs="AssociateKmsKey CreateLogGroup DeleteRetentionPolicy DisassociateKmsKey "
    "PutRetentionPolicy TagResource UntagResource",
    sns="CreateTopic DeleteTopic SetTopicAttributes Subscribe TagResource UntagResource",
    sqs="CreateQueue DeleteQueue SetQueueAttributes TagQueue UntagQueue",
)


def trust_policy(provider_arn: str, subject: str) -> str:
    """Let GitHub's workflows with this subject assume the role, and nobody else."""
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
    """Return what the function's role can be allowed at most.

    That is its policy, any key of the stack, and people's topic, so that the first e-mail address
    does not require tap-ci to be deployed again. The role belongs to CI: without a boundary, CI
    could allow it everything, and assume it.
    """
    statements: list[Statement] = json.loads(function_policy(account, settings, None))["Statement"]
    return document(
        [
            *statements,
            grant("UseTheKey", USE_KEY, _keys(account), _has_tag(account.names.stack)),
            grant("PublishToPeople", ["sns:Publish"], account.people_topic),
        ]
    )


def plan_policy(
    accounts: Sequence[Account],
    settings: Sequence[Settings],
    store: StateStore,
    state_keys: Sequence[str],
) -> str:
    """Let a pull request compare the stacks with their states, and change neither."""
    stacks = [account.names.stack for account in accounts]
    keys = [_keys(account) for account in accounts]
    functions = [account.function for account in accounts]
    return document(
        [
            grant(
                "Look",
                _LOOK,
                [name for account in accounts for name in (*_names(account), _mappings(account))],
            ),
            grant("LookAtTheKeys", LOOK_AT_KEY, keys, _has_tag(stacks)),
            # Otherwise they would be empty, and every plan would restore them. Source: AWS Lambda,
            # "Securing environment variables"; the encryption context is the function's ARN.
            grant(
                "ReadTheVariables",
                ["kms:Decrypt"],
                keys,
                {
                    "StringEquals": {
                        "aws:ResourceTag/stack": stacks,
                        "kms:EncryptionContext:aws:lambda:FunctionArn": functions,
                    }
                },
            ),
            _look_at_all(settings),
            _look_at_default_key(accounts),
            *_read_state(accounts[0], store, state_keys),
        ]
    )


def deploy_policy(
    account: Account, settings: Settings, store: StateStore, state_key: str, boundary: str
) -> str:
    """Let CI deploy one stack, and run the smoke test if it is the default environment's.

    Parameters
    ----------
    account, settings
        The stack.
    store, state_key
        The bucket, and the object of the stack's state in it.
    boundary
        The ARN of the boundary that the function's role must have.
    """
    statements = [
        grant("Look", _LOOK, [*_names(account), _mappings(account)]),
        _look_at_all([settings]),
        _look_at_default_key([account]),
        grant("Deploy", _DEPLOY, _names(account)),
        grant("Unsubscribe", ["sns:Unsubscribe"], "*"),  # AWS knows no resource to name for it
        *_function_role(account, boundary),
        *_event_source_mapping(account),
        *_read_state(account, store, [state_key]),
        *_write_state(account, store, state_key),
    ]
    if settings.customer_managed_key:
        statements += _key(account)
    if settings.code_signing_config_arn:
        signing = actions(
            lambda_="DeleteFunctionCodeSigningConfig GetCodeSigningConfig "
            "PutFunctionCodeSigningConfig"
        )
        resources = [settings.code_signing_config_arn, account.function]
        statements.append(grant("WantASignature", signing, resources))
    if settings.environment == DEFAULT_ENVIRONMENT:
        statements += _smoke(account)
    return document(statements)


def _names(account: Account) -> list[str]:
    """Return the ARNs of a stack's parts, as far as they have names."""
    return [
        account.alarms,
        account.global_arn("cloudwatch", f"dashboard/{account.names.dashboard}"),
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
    # Both types: a deployment may replace one by the other.
    return account.arn("sqs", f"{account.names.stack}-prices*")


def _keys(account: Account) -> str:
    return account.arn("kms", "key/*")


def _has_tag(stack: str | Sequence[str]) -> dict[str, Any]:
    """Return the condition that a resource has the tag of a stack, or of one of several."""
    return {"StringEquals": {"aws:ResourceTag/stack": stack}}


def _gets_tag(account: Account) -> dict[str, dict[str, str]]:
    """Return the condition for what gets the stack's tag or has it; KMS and Lambda say no more."""
    stack = account.names.stack
    return {"StringEqualsIfExists": {"aws:RequestTag/stack": stack, "aws:ResourceTag/stack": stack}}


def _look_at_all(settings: Sequence[Settings]) -> Statement:
    network = _LOOK_AT_NETWORK if any(each.subnet_ids for each in settings) else []
    return grant("LookAtAll", [*_LOOK_AT_ALL, *network], "*")


def _look_at_default_key(accounts: Sequence[Account]) -> Statement:
    """Show CI which key AWS uses for a table that has none of its own; it has no tag of ours."""
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
            actions(iam="CreateRole PutRolePermissionsBoundary"),
            account.role,
            {"ArnEquals": has_boundary},
        ),
        grant(
            "AllowTheRole",
            actions(iam="AttachRolePolicy DetachRolePolicy"),
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
    """Let CI feed the function; a mapping has no name, only its function and its tag."""
    mappings = _mappings(account)
    feeds_function = {"ArnEquals": {"lambda:FunctionArn": account.function}}
    changes = actions(lambda_="DeleteEventSourceMapping UpdateEventSourceMapping")
    tagging = actions(lambda_="TagResource UntagResource")
    return [
        grant("Feed", ["lambda:CreateEventSourceMapping"], "*", feeds_function),
        grant("ChangeTheFeed", changes, mappings, feeds_function),
        grant("TagTheFeed", tagging, mappings, _gets_tag(account)),
    ]


def _key(account: Account) -> list[Statement]:
    """Let CI create the stack's key and use it; the tag ``stack`` says which one that is.

    Until the tag counts, the key's own policy gives CI access (lib.stacks.policies).
    """
    keys, is_ours, stack = _keys(account), _has_tag(account.names.stack), account.names.stack
    gets_tag = _gets_tag(account)
    alias = account.arn("kms", account.names.key_alias)
    for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    with_tag = {"StringEquals": {"aws:RequestTag/stack": stack}}
    return [
        grant("MakeTheKey", ["kms:CreateKey"], "*", with_tag),
        grant("TagTheKey", actions(kms="TagResource UntagResource"), keys, gets_tag),
        grant(
            "NameTheKey",
            actions(kms="CreateAlias DeleteAlias UpdateAlias"),
            [alias, keys],
            gets_tag,
        ),
        grant("KeepTheKey", KEEP_KEY, keys, is_ours),
        # The table and the function's environment are encrypted by grants.
        grant("LendTheKey", ["kms:CreateGrant"], keys, {**is_ours, **for_aws}),
    ]


def _smoke(account: Account) -> list[Statement]:
    """Let CI add a rule, send a price and receive the alert on a queue of its own."""
    listen = actions(
        sqs="CreateQueue DeleteMessage DeleteQueue GetQueueAttributes ReceiveMessage "
        "SetQueueAttributes"
    )
    # What lib.client.rule_store calls to add and remove a rule, and lib.deploy.smoke to clean up.
    keep_a_rule = actions(dynamodb="BatchGetItem DeleteItem PutItem Query UpdateItem")
    return [
        grant("SendAPrice", ["sqs:SendMessage"], _queues(account)),
        grant("Listen", listen, account.arn("sqs", f"{account.names.stack}-smoke-*")),
        grant("KeepARule", keep_a_rule, [account.table, f"{account.table}/index/by_rule"]),
    ]


def _read_state(account: Account, store: StateStore, keys: Sequence[str]) -> list[Statement]:
    """Let the states be read, and locked meanwhile.

    Source: Terraform, "S3 backend", permissions required.
    """
    bucket = _bucket(account, store)
    objects = [f"{bucket}/{key}" for key in keys]
    statements = [
        grant("FindTheState", ["s3:ListBucket"], bucket),
        grant("ReadTheState", ["s3:GetObject"], objects),
        grant(
            "LockTheState",
            actions(s3="DeleteObject GetObject PutObject"),
            [f"{name}.tflock" for name in objects],
        ),
    ]
    if store.lock_table is not None:
        rows = [f"{store.bucket}/{key}" for key in keys]
        locking = actions(dynamodb="DeleteItem GetItem PutItem")
        digests = [f"{row}-md5" for row in rows]
        statements += [
            _on_rows(account, store, "LockByTable", locking, rows),
            _on_rows(account, store, "ReadTheDigest", ["dynamodb:GetItem"], digests),
        ]
    if store.kms_key_id is not None:
        condition = {
            "StringEquals": {"kms:ViaService": f"s3.{store.region}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
        }
        keys_of_store = _keys(replace(account, region=store.region))
        statements.append(grant("DecryptTheState", USE_KEY, keys_of_store, condition))
    return statements


def _write_state(account: Account, store: StateStore, key: str) -> list[Statement]:
    """Let a state be changed as well."""
    statements = [grant("WriteTheState", ["s3:PutObject"], f"{_bucket(account, store)}/{key}")]
    if store.lock_table is not None:
        writing = actions(dynamodb="PutItem DeleteItem")
        digest = f"{store.bucket}/{key}-md5"
        statements.append(_on_rows(account, store, "WriteTheDigest", writing, [digest]))
    return statements


def _on_rows(
    account: Account, store: StateStore, sid: str, allowed: Sequence[str], rows: Sequence[str]
) -> Statement:
    table = replace(account, region=store.region).arn("dynamodb", f"table/{store.lock_table}")
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": list(rows)}}
    return grant(sid, allowed, table, condition)


def _bucket(account: Account, store: StateStore) -> str:
    return f"arn:{account.partition}:s3:::{store.bucket}"
