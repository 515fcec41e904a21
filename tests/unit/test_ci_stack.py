"""tap-ci, resource by resource: who may take which role, and what each of them may do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import cdktf
import pytest

from lib.backend.block import StateStore
from lib.backend.ci import Ci
from lib.config.ci import CiSettings
from lib.config.settings import Settings
from lib.stacks.ci import CiStack
from tests.unit.access import may

Stack = dict[str, Any]

STORE = StateStore(
    bucket="states", region="eu-west-1", kms_key_id=None, lock_table=None, credentials={}
)
DEV = Settings(environment="dev", region="us-east-1", customer_managed_key=False)
PROD = Settings(
    environment="prod",
    region="eu-central-1",
    queue_type="fifo",
    subnet_ids=("subnet-1",),
    security_group_ids=("sg-1",),
    code_signing_config_arn="arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-1",
)
BARE = Ci(
    settings=CiSettings(repository="owner/name"),
    environments=(DEV, PROD),
    store=STORE,
    state_key="tap/{stack}.tfstate",
)
FULL = replace(
    BARE,
    settings=CiSettings(repository="owner@12/name@34", oidc_provider_exists=True),
    store=replace(STORE, kms_key_id="alias/states", lock_table="locks"),
)
VARIANTS = {"bare": BARE, "full": FULL}
ROLES = {"deploy-dev", "deploy-prod", "plan"}
A = "123456789012"
MAPPING = f"arn:aws:lambda:us-east-1:{A}:event-source-mapping:0a1b"
KEY = f"arn:aws:kms:{{}}:{A}:key/0a1b"
BOUNDARY = f"arn:aws:iam::{A}:policy/tap-ci-boundary-{{}}"


def stack_arn(service: str, name: str, stack: str = "dev") -> str:
    region = {"dev": "us-east-1", "prod": "eu-central-1"}[stack]
    return f"arn:aws:{service}:{region}:{A}:{name.format(stack)}"


def role_of(stack: str) -> str:
    region = {"dev": "us-east-1", "prod": "eu-central-1"}[stack]
    return f"arn:aws:iam::{A}:role/tap-{stack}-price-alerts-{region}"


@pytest.fixture(scope="module")
def stacks() -> dict[str, Stack]:
    """The variants, in an account whose number is known."""

    def synthesize(ci: Ci) -> Stack:
        text = cdktf.Testing.synth(CiStack(cdktf.Testing.app(), ci))
        text = text.replace("${data.aws_caller_identity.caller.account_id}", A)
        text = text.replace("${data.aws_partition.partition.partition}", "aws")
        text = re.sub(r"\$\{aws_iam_policy\.boundary-(\w+)\.arn\}", BOUNDARY.format(r"\1"), text)
        stack: Stack = json.loads(text)
        return stack

    return {name: synthesize(ci) for name, ci in VARIANTS.items()}


@pytest.fixture
def bare(stacks: dict[str, Stack]) -> Stack:
    return stacks["bare"]


@pytest.fixture
def full(stacks: dict[str, Stack]) -> Stack:
    return stacks["full"]


def policy(stack: Stack, role: str) -> str:
    text: str = stack["resource"]["aws_iam_role_policy"][f"{role}-policy"]["policy"]
    return text


# --- the stack as a whole ----------------------------------------------------------------


def test_it_holds_a_role_for_each_environment_and_one_that_plans(bare: Stack) -> None:
    assert bare["resource"]["aws_iam_role"].keys() == ROLES
    names = {role["name"] for role in bare["resource"]["aws_iam_role"].values()}
    assert names == {f"tap-ci-{role}" for role in ROLES}


def test_the_outputs_are_the_roles(bare: Stack) -> None:
    assert {name: output["value"] for name, output in bare["output"].items()} == {
        f"{role}-role": f"${{aws_iam_role.{role}.arn}}" for role in ROLES
    }


def test_it_is_named_after_ci() -> None:
    assert CiStack(cdktf.Testing.app(), BARE).node.id == "tap-ci"


def test_github_is_who_says_who_comes(bare: Stack) -> None:
    assert bare["resource"]["aws_iam_openid_connect_provider"]["github"] == {
        "url": "https://token.actions.githubusercontent.com",
        "client_id_list": ["sts.amazonaws.com"],
    }


def test_a_provider_that_is_there_already_is_not_made_again(full: Stack) -> None:
    assert "aws_iam_openid_connect_provider" not in full["resource"]


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("deploy-dev", "environment:dev"),
        ("deploy-prod", "environment:prod"),
        ("plan", "pull_request"),
    ],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_only_one_subject_of_one_repository_may_take_a_role(
    stacks: dict[str, Stack], variant: str, role: str, subject: str
) -> None:
    provider = {
        "bare": "${aws_iam_openid_connect_provider.github.arn}",
        "full": f"arn:aws:iam::{A}:oidc-provider/token.actions.githubusercontent.com",
    }
    repository = VARIANTS[variant].settings.repository
    trust = stacks[variant]["resource"]["aws_iam_role"][role]["assume_role_policy"]
    assert json.loads(trust)["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider[variant]},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                    "token.actions.githubusercontent.com:sub": f"repo:{repository}:{subject}",
                }
            },
        }
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_policies_are_no_longer_than_iam_takes(stacks: dict[str, Stack], variant: str) -> None:
    resources = stacks[variant]["resource"]
    inline = {role: len(policy(stacks[variant], role)) for role in ROLES}
    managed = [len(each["policy"]) for each in resources["aws_iam_policy"].values()]
    assert max(inline.values()) < 10_240
    assert max(managed) < 6_144


# --- what a deployment needs -------------------------------------------------------------

NEEDED = [
    ("lambda:UpdateFunctionCode", "lambda", "function:tap-{}-price-alerts"),
    ("sqs:CreateQueue", "sqs", "tap-{}-prices-dlq"),
    ("sqs:SetQueueAttributes", "sqs", "tap-{}-prices.fifo"),
    ("sns:Subscribe", "sns", "tap-{}-alerts"),
    ("sns:CreateTopic", "sns", "tap-{}-people"),
    ("sns:SetTopicAttributes", "sns", "tap-{}-ops"),
    ("dynamodb:UpdateTable", "dynamodb", "table/tap-{}-alerts"),
    ("cloudwatch:PutMetricAlarm", "cloudwatch", "alarm:tap-{}-dead-letters"),
    ("logs:CreateLogGroup", "logs", "log-group:/aws/lambda/tap-{}-price-alerts"),
    ("logs:PutRetentionPolicy", "logs", "log-group:/aws/lambda/tap-{}-price-alerts:*"),
]


@pytest.mark.parametrize(("action", "service", "name"), NEEDED)
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_role_deploys_its_own_stack_and_no_other(
    bare: Stack, action: str, service: str, name: str, stack: str
) -> None:
    target = stack_arn(service, name, stack)
    allowed = {role for role in ROLES if may(policy(bare, role), action, target)}
    assert allowed == {f"deploy-{stack}"}


@pytest.mark.parametrize("stack", ["dev", "prod"])
@pytest.mark.parametrize(
    ("action", "service", "name"),
    [
        ("lambda:GetFunction", "lambda", "function:tap-{}-price-alerts"),
        ("sqs:GetQueueAttributes", "sqs", "tap-{}-prices"),
        ("sns:GetTopicAttributes", "sns", "tap-{}-ops"),
        ("sns:ListSubscriptionsByTopic", "sns", "tap-{}-alerts"),
        ("dynamodb:DescribeTable", "dynamodb", "table/tap-{}-alerts"),
        ("lambda:GetFunctionConcurrency", "lambda", "function:tap-{}-price-alerts"),
        ("lambda:GetEventSourceMapping", "lambda", "event-source-mapping:0a1b"),
    ],
)
def test_who_plans_and_who_deploys_sees_what_there_is(
    bare: Stack, action: str, service: str, name: str, stack: str
) -> None:
    for role in ("plan", f"deploy-{stack}"):
        assert may(policy(bare, role), action, stack_arn(service, name, stack))


@pytest.mark.parametrize(
    ("action", "service", "name"),
    [
        ("dynamodb:DeleteTable", "dynamodb", "table/tap-{}-alerts"),
        ("logs:DeleteLogGroup", "logs", "log-group:/aws/lambda/tap-{}-price-alerts"),
        ("kms:ScheduleKeyDeletion", "kms", "key/0a1b"),
        ("kms:DisableKey", "kms", "key/0a1b"),
    ],
)
def test_nobody_in_ci_deletes_what_cannot_be_had_again(
    full: Stack, action: str, service: str, name: str
) -> None:
    for role in ROLES:
        for stack in ("dev", "prod"):
            tagged = {"aws__ResourceTag/stack": f"tap-{stack}"}
            assert not may(policy(full, role), action, stack_arn(service, name, stack), **tagged)


@pytest.mark.parametrize("action", ["cloudwatch:DescribeAlarms", "lambda:GetAccountSettings"])
def test_what_aws_knows_no_resource_for_is_seen_by_all(bare: Stack, action: str) -> None:
    assert {role for role in ROLES if may(policy(bare, role), action, "*")} == ROLES


def test_what_a_network_needs_is_seen_only_where_there_is_one(bare: Stack) -> None:
    sees = {role: may(policy(bare, role), "ec2:DescribeSubnets", "*") for role in ROLES}
    assert sees == {"deploy-dev": False, "deploy-prod": True, "plan": True}


def test_who_deploys_takes_subscriptions_away_again(bare: Stack) -> None:
    allowed = {role for role in ROLES if may(policy(bare, role), "sns:Unsubscribe", "*")}
    assert allowed == {"deploy-dev", "deploy-prod"}


def test_a_signature_is_wanted_only_where_one_is_set(bare: Stack) -> None:
    signing = str(PROD.code_signing_config_arn)
    wants = {
        role: may(policy(bare, role), "lambda:GetCodeSigningConfig", signing) for role in ROLES
    }
    assert wants == {"deploy-dev": False, "deploy-prod": True, "plan": False}


def test_a_role_feeds_its_own_function_alone(bare: Stack) -> None:
    deploy = policy(bare, "deploy-dev")
    functions = [
        f"arn:aws:lambda:us-east-1:{A}:function:{n}" for n in ("tap-dev-price-alerts", "x")
    ]
    for action, target in (
        ("lambda:CreateEventSourceMapping", "*"),
        ("lambda:UpdateEventSourceMapping", MAPPING),
        ("lambda:DeleteEventSourceMapping", MAPPING),
    ):
        allowed = [may(deploy, action, target, lambda__FunctionArn=each) for each in functions]
        assert allowed == [True, False]


# --- nobody makes more of a role than it is ----------------------------------------------


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePermissionsBoundary"])
def test_the_function_s_role_must_have_the_boundary(bare: Stack, action: str) -> None:
    deploy = policy(bare, "deploy-dev")
    boundaries = [BOUNDARY.format("dev"), BOUNDARY.format("prod"), f"arn:aws:iam::{A}:policy/x"]
    allowed = [may(deploy, action, role_of("dev"), iam__PermissionsBoundary=b) for b in boundaries]
    assert (allowed, may(deploy, action, role_of("dev"))) == ([True, False, False], False)


@pytest.mark.parametrize("action", ["iam:AttachRolePolicy", "iam:DetachRolePolicy"])
def test_only_the_function_s_policy_is_attached_to_its_role(bare: Stack, action: str) -> None:
    deploy = policy(bare, "deploy-dev")
    own = role_of("dev").replace(":role/", ":policy/")
    bounded = {"iam__PermissionsBoundary": BOUNDARY.format("dev")}
    policies = [own, "arn:aws:iam::aws:policy/AdministratorAccess"]
    with_boundary = [
        may(deploy, action, role_of("dev"), iam__PolicyARN=each, **bounded) for each in policies
    ]
    assert with_boundary == [True, False]
    assert not may(deploy, action, role_of("dev"), iam__PolicyARN=own)


def test_the_role_is_handed_to_lambda_alone(bare: Stack) -> None:
    deploy = policy(bare, "deploy-dev")
    for target, service, is_allowed in (
        (role_of("dev"), "lambda.amazonaws.com", True),
        (role_of("dev"), "ec2.amazonaws.com", False),
        (role_of("prod"), "lambda.amazonaws.com", False),
        (f"arn:aws:iam::{A}:role/tap-ci-deploy-dev", "lambda.amazonaws.com", False),
    ):
        passed = {"iam__PassedToService": service}
        assert may(deploy, "iam:PassRole", target, **passed) == is_allowed


@pytest.mark.parametrize(
    ("action", "target"),
    [
        ("iam:CreateRole", "role/admin"),
        ("iam:UpdateAssumeRolePolicy", "role/tap-ci-deploy-prod"),
        ("iam:AttachRolePolicy", "role/tap-ci-deploy-dev"),
        ("iam:PutRolePolicy", "role/tap-dev-price-alerts-us-east-1"),
        ("iam:DeleteRolePermissionsBoundary", "role/tap-dev-price-alerts-us-east-1"),
        ("iam:CreatePolicyVersion", "policy/tap-ci-boundary-dev"),
        ("iam:DeletePolicy", "policy/tap-ci-boundary-dev"),
        ("iam:CreateUser", "user/x"),
        ("iam:UpdateOpenIDConnectProviderThumbprint", "oidc-provider/x"),
    ],
)
def test_no_role_reaches_what_limits_it(full: Stack, action: str, target: str) -> None:
    for role in ROLES:
        assert not may(policy(full, role), action, f"arn:aws:iam::{A}:{target}")


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_boundary_holds_what_the_function_needs_and_ends_there(bare: Stack, stack: str) -> None:
    boundary = bare["resource"]["aws_iam_policy"][f"boundary-{stack}"]["policy"]
    table = stack_arn("dynamodb", "table/tap-{}-alerts", stack)
    key = stack_arn("kms", "key/0a1b", stack)
    tags = {"aws__ResourceTag/stack": f"tap-{stack}"}
    assert may(boundary, "dynamodb:UpdateItem", table)
    assert may(boundary, "kms:Decrypt", key, **tags)
    assert not may(boundary, "kms:Decrypt", key)
    assert not may(boundary, "dynamodb:UpdateItem", table.replace("alerts", "others"))
    assert not may(boundary, "iam:CreateRole", role_of(stack))
    assert not may(boundary, "sts:AssumeRole", "*")


def test_the_boundary_lets_the_function_publish_to_people_before_there_are_any(
    bare: Stack,
) -> None:
    boundary = bare["resource"]["aws_iam_policy"]["boundary-dev"]["policy"]
    assert may(boundary, "sns:Publish", stack_arn("sns", "tap-{}-people"))
    assert not may(boundary, "sns:Publish", stack_arn("sns", "tap-{}-others"))


@pytest.mark.parametrize(
    ("stack", "queue", "is_allowed"),
    [("dev", "tap-{}-prices", True), ("prod", "tap-{}-prices.fifo", False)],
)
def test_the_boundary_lets_the_function_send_to_a_standard_queue_alone(
    bare: Stack, stack: str, queue: str, is_allowed: bool
) -> None:
    boundary = bare["resource"]["aws_iam_policy"][f"boundary-{stack}"]["policy"]
    assert may(boundary, "sqs:SendMessage", stack_arn("sqs", queue, stack)) == is_allowed


# --- the key -----------------------------------------------------------------------------


def test_a_stack_without_a_key_has_no_use_for_one(bare: Stack) -> None:
    assert "kms:CreateKey" not in policy(bare, "deploy-dev")
    assert "kms:CreateKey" in policy(bare, "deploy-prod")


@pytest.mark.parametrize("action", ["kms:PutKeyPolicy", "kms:Decrypt", "kms:CreateGrant"])
def test_a_key_is_the_stack_s_by_its_tag(bare: Stack, action: str) -> None:
    deploy = policy(bare, "deploy-prod")
    key = KEY.format("eu-central-1")
    grant = {"kms__GrantIsForAWSResource": "true"} if action == "kms:CreateGrant" else {}
    for tag, is_allowed in (("tap-prod", True), ("tap-dev", False)):
        context = {"aws__ResourceTag/stack": tag, **grant}
        assert may(deploy, action, key, **context) == is_allowed
    assert not may(deploy, action, key, **grant)


@pytest.mark.parametrize("action", ["kms:TagResource", "kms:CreateAlias"])
def test_a_key_of_another_stack_is_not_taken_over(bare: Stack, action: str) -> None:
    context = {"aws__ResourceTag/stack": "tap-other", "aws__RequestTag/stack": "tap-prod"}
    assert not may(policy(bare, "deploy-prod"), action, KEY.format("eu-central-1"), **context)


def test_a_key_is_made_with_the_stack_s_tag_alone(bare: Stack) -> None:
    deploy = policy(bare, "deploy-prod")
    made = [
        may(deploy, "kms:CreateKey", "*", **{"aws__RequestTag/stack": tag})
        for tag in ("tap-prod", "tap-dev")
    ]
    assert (made, may(deploy, "kms:CreateKey", "*")) == ([True, False], False)


@pytest.mark.parametrize("role", ["plan", "deploy-dev"])
@pytest.mark.parametrize(
    ("action", "alias", "is_allowed"),
    [
        ("kms:DescribeKey", "alias/aws/dynamodb", True),
        ("kms:DescribeKey", "alias/aws/s3", False),
        ("kms:GetKeyPolicy", "alias/aws/dynamodb", False),
    ],
)
def test_of_keys_that_are_nobody_s_the_table_s_alone_is_seen(
    bare: Stack, role: str, action: str, alias: str, is_allowed: bool
) -> None:
    context = {"kms__RequestAlias": alias} if action == "kms:DescribeKey" else {}
    assert may(policy(bare, role), action, KEY.format("us-east-1"), **context) == is_allowed


def test_who_plans_looks_at_the_key_and_reads_the_function_s_variables_alone(full: Stack) -> None:
    plan, key = policy(full, "plan"), KEY.format("eu-central-1")
    tags = {"aws__ResourceTag/stack": "tap-prod"}
    context = "kms__EncryptionContext__aws__lambda__FunctionArn"
    function = stack_arn("lambda", "function:tap-{}-price-alerts", "prod")
    assert may(plan, "kms:GetKeyPolicy", key, **tags)
    assert may(plan, "kms:Decrypt", key, **tags, **{context: function})
    assert not may(plan, "kms:Decrypt", key, **tags, **{context: f"{function}-2"})
    assert not may(plan, "kms:Decrypt", key, **{context: function})
    assert not may(plan, "kms:Decrypt", key, **tags)


# --- the state ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "action", "key", "is_allowed"),
    [
        ("deploy-dev", "s3:PutObject", "tap/tap-dev.tfstate", True),
        ("deploy-dev", "s3:GetObject", "tap/tap-dev.tfstate", True),
        ("deploy-dev", "s3:DeleteObject", "tap/tap-dev.tfstate", False),
        ("deploy-dev", "s3:DeleteObject", "tap/tap-dev.tfstate.tflock", True),
        ("deploy-dev", "s3:GetObject", "tap/tap-prod.tfstate", False),
        ("deploy-dev", "s3:GetObject", "tap/tap-ci.tfstate", False),
        ("deploy-dev", "s3:GetObject", "tap/tap-state.tfstate", False),
        ("plan", "s3:GetObject", "tap/tap-prod.tfstate", True),
        ("plan", "s3:PutObject", "tap/tap-prod.tfstate", False),
        ("plan", "s3:PutObject", "tap/tap-prod.tfstate.tflock", True),
        ("plan", "s3:GetObject", "tap/tap-ci.tfstate", False),
    ],
)
def test_each_role_reaches_the_state_that_it_needs(
    bare: Stack, role: str, action: str, key: str, is_allowed: bool
) -> None:
    assert may(policy(bare, role), action, f"arn:aws:s3:::states/{key}") == is_allowed


@pytest.mark.parametrize(
    ("role", "action", "row", "is_allowed"),
    [
        ("deploy-dev", "dynamodb:PutItem", "states/tap/tap-dev.tfstate", True),
        ("deploy-dev", "dynamodb:PutItem", "states/tap/tap-dev.tfstate-md5", True),
        ("deploy-dev", "dynamodb:PutItem", "states/tap/tap-prod.tfstate", False),
        ("plan", "dynamodb:PutItem", "states/tap/tap-prod.tfstate", True),
        ("plan", "dynamodb:GetItem", "states/tap/tap-prod.tfstate-md5", True),
        ("plan", "dynamodb:PutItem", "states/tap/tap-prod.tfstate-md5", False),
    ],
)
def test_a_lock_table_is_used_row_by_row(
    full: Stack, role: str, action: str, row: str, is_allowed: bool
) -> None:
    locks = f"arn:aws:dynamodb:eu-west-1:{A}:table/locks"
    keys = {"dynamodb__LeadingKeys": [row]}
    assert may(policy(full, role), action, locks, **keys) == is_allowed


def test_a_state_with_a_key_of_its_own_is_decrypted_by_way_of_s3_alone(
    bare: Stack, full: Stack
) -> None:
    key = KEY.format("eu-west-1")
    context = {"kms__EncryptionContext__aws__s3__arn": "arn:aws:s3:::states"}
    for role in ROLES:
        by_s3 = {**context, "kms__ViaService": "s3.eu-west-1.amazonaws.com"}
        assert may(policy(full, role), "kms:Decrypt", key, **by_s3)
        assert not may(policy(full, role), "kms:Decrypt", key, **context)
        assert not may(policy(bare, role), "kms:Decrypt", key, **by_s3)


# --- the smoke test ----------------------------------------------------------------------

SMOKE = [
    ("sqs:SendMessage", "sqs", "tap-{}-prices"),
    ("sqs:CreateQueue", "sqs", "tap-{}-smoke-0a1b"),
    ("sqs:DeleteQueue", "sqs", "tap-{}-smoke-0a1b"),
    ("sqs:ReceiveMessage", "sqs", "tap-{}-smoke-0a1b"),
    ("dynamodb:PutItem", "dynamodb", "table/tap-{}-alerts"),
    ("dynamodb:Query", "dynamodb", "table/tap-{}-alerts/index/by_rule"),
]


@pytest.mark.parametrize(("action", "service", "name"), SMOKE)
def test_only_dev_is_tried_out(bare: Stack, action: str, service: str, name: str) -> None:
    allowed = {
        stack: may(policy(bare, f"deploy-{stack}"), action, stack_arn(service, name, stack))
        for stack in ("dev", "prod")
    }
    assert allowed == {"dev": True, "prod": False}


def test_nobody_takes_prices_off_the_queue(bare: Stack) -> None:
    for role in ROLES:
        assert not may(policy(bare, role), "sqs:ReceiveMessage", stack_arn("sqs", "tap-{}-prices"))
