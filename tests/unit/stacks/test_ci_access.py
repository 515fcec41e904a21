"""What each of CI's roles may do, decided by a second opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.iam.simulator import Caller, Context, Request, Simulator, left_to_iam
from tests.unit.stacks.snapshots import ACCOUNT_ID, BOUNDARY, SIGNING, Stack

ALL = DEV, PROD, PLAN = [
    f"arn:aws:iam::{ACCOUNT_ID}:role/tap-ci-{name}"
    for name in ("deploy-dev", "deploy-prod", "plan")
]
FUNCTION, TABLE = "function:tap-{}-price-alerts", "table/tap-{}-alerts"
LOG = "log-group:/aws/lambda/tap-{}-price-alerts"


def arn(stack: str, service: str, name: str) -> str:
    region = {"dev": "us-east-1", "prod": "eu-central-1"}[stack]
    return f"arn:aws:{service}:{region}:{ACCOUNT_ID}:{name.format(stack)}"


def iam(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT_ID}:{name}"


May = Callable[[str, str, Context], set[str]]


def decided_by(simulator: Simulator, callers: Sequence[Caller]) -> May:
    """Return a function that says which of the callers may do something."""

    def may(action: str, resource: str, context: Context) -> set[str]:
        key_policy = left_to_iam(ACCOUNT_ID) if resource.startswith("arn:aws:kms:") else None
        request = Request(action, resource, context, key_policy)
        return {each.arn for each in callers if simulator.allowed(each, [request])}

    return may


@pytest.fixture(scope="module")
def may(simulator: Simulator, deployed: dict[str, Stack]) -> May:
    """What CI's roles may do."""
    policies = deployed["ci, everything"]["resource"]["aws_iam_role_policy"]
    return decided_by(
        simulator,
        [Caller(role, [policies[f"{role.partition('ci-')[2]}-policy"]["policy"]]) for role in ALL],
    )


@pytest.fixture(scope="module")
def may_at_most(simulator: Simulator, deployed: dict[str, Stack]) -> May:
    """What the functions' roles may do if CI has allowed them everything."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [everything]}
    boundaries = deployed["ci, everything"]["resource"]["aws_iam_policy"]
    return decided_by(
        simulator,
        [
            Caller(iam(f"role/{stack}"), [policy], boundaries[f"boundary-{stack}"]["policy"])
            for stack in ("dev", "prod")
        ],
    )


# What a role may do to the stack that it is for, and to no other.
OF_A_STACK = [
    ("lambda:UpdateFunctionCode", FUNCTION, "deploys"),
    ("sqs:CreateQueue", "tap-{}-prices-dlq", "deploys"),
    ("sqs:SetQueueAttributes", "tap-{}-prices.fifo", "deploys"),
    ("sns:Subscribe", "tap-{}-alerts", "deploys"),
    ("sns:CreateTopic", "tap-{}-people", "deploys"),
    ("sns:SetTopicAttributes", "tap-{}-ops", "deploys"),
    ("dynamodb:UpdateTable", TABLE, "deploys"),
    ("cloudwatch:PutMetricAlarm", "alarm:tap-{}-dead-letters", "deploys"),
    ("logs:CreateLogGroup", LOG, "deploys"),
    ("logs:PutRetentionPolicy", f"{LOG}:*", "deploys"),
    ("lambda:GetFunction", FUNCTION, "looks"),
    ("lambda:GetFunctionConcurrency", FUNCTION, "looks"),
    ("sqs:GetQueueAttributes", "tap-{}-prices", "looks"),
    ("sns:GetTopicAttributes", "tap-{}-ops", "looks"),
    ("sns:ListSubscriptionsByTopic", "tap-{}-alerts", "looks"),
    ("dynamodb:DescribeTable", TABLE, "looks"),
    ("dynamodb:DeleteTable", TABLE, "nobody"),
    ("logs:DeleteLogGroup", LOG, "nobody"),
    ("kms:ScheduleKeyDeletion", "key/1", "nobody"),
    ("kms:DisableKey", "key/1", "nobody"),
    ("sqs:ReceiveMessage", "tap-{}-prices", "nobody"),
    ("sqs:SendMessage", "tap-{}-prices", "tries out"),
    ("sqs:CreateQueue", "tap-{}-smoke-1", "tries out"),
    ("sqs:DeleteQueue", "tap-{}-smoke-1", "tries out"),
    ("sqs:ReceiveMessage", "tap-{}-smoke-1", "tries out"),
    ("dynamodb:PutItem", TABLE, "tries out"),
    ("dynamodb:Query", f"{TABLE}/index/by_rule", "tries out"),
]


@pytest.mark.parametrize(("action", "name", "who"), OF_A_STACK)
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_role_works_on_its_own_stack_alone(
    may: May, stack: str, action: str, name: str, who: str
) -> None:
    service = action.partition(":")[0]
    tags = {"aws:ResourceTag/stack": f"tap-{stack}"} if service == "kms" else {}
    own = iam(f"role/tap-ci-deploy-{stack}")
    wanted = {
        "deploys": {own},
        "looks": {own, PLAN},
        "tries out": {own} & {DEV},
        "nobody": set[str](),
    }
    assert may(action, arn(stack, service, name), tags) == wanted[who]


MAPPING = arn("dev", "lambda", "event-source-mapping:1")
ROLE, ROLE_POLICY = (iam(f"{kind}/tap-dev-price-alerts-us-east-1") for kind in ("role", "policy"))
KEY = arn("prod", "kms", "key/1")
STATE = "arn:aws:s3:::states/tap/tap-"
LOCKS = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT_ID}:table/locks"
OURS, THEIRS = ({"aws:ResourceTag/stack": f"tap-{name}"} for name in ("prod", "dev"))
NEW = {"aws:RequestTag/stack": "tap-prod"}
GRANT = {"kms:GrantIsForAWSResource": "true"}
FED = {"lambda:FunctionArn": arn("dev", "lambda", FUNCTION)}
BOUNDED = {"iam:PermissionsBoundary": BOUNDARY.format("dev")}
FOREIGN = {"iam:PermissionsBoundary": BOUNDARY.format("prod")}
ATTACHED = {"iam:PolicyARN": ROLE_POLICY}
ADMINISTRATOR = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
READ = "kms:EncryptionContext:aws:lambda:FunctionArn"
PROD_FUNCTION = arn("prod", "lambda", FUNCTION)
OF_STATES = {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::states"}
BY_S3 = {**OF_STATES, "kms:ViaService": "s3.eu-west-1.amazonaws.com"}


def row(key: str) -> Context:
    return {"dynamodb:LeadingKeys": [f"states/tap/tap-{key}.tfstate"]}


def digest(key: str) -> Context:
    return {"dynamodb:LeadingKeys": [f"states/tap/tap-{key}.tfstate-md5"]}


def passed(service: str) -> Context:
    return {"iam:PassedToService": f"{service}.amazonaws.com"}


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("cloudwatch:DescribeAlarms", "*", {}, ALL),
        ("lambda:GetAccountSettings", "*", {}, ALL),
        ("ec2:DescribeSubnets", "*", {}, [PROD, PLAN]),
        ("sns:Unsubscribe", "*", {}, [DEV, PROD]),
        ("lambda:GetCodeSigningConfig", SIGNING, {}, [PROD]),
        ("lambda:GetEventSourceMapping", MAPPING, {}, [DEV, PLAN]),
        *(
            (f"lambda:{verb}EventSourceMapping", target, context, allowed)
            for verb, target in (("Create", "*"), ("Update", MAPPING), ("Delete", MAPPING))
            for context, allowed in ((FED, [DEV]), ({"lambda:FunctionArn": f"{MAPPING}x"}, []))
        ),
        # Nobody makes more of a role than it is.
        *(
            (f"iam:{action}", ROLE, context, allowed)
            for action in ("CreateRole", "PutRolePermissionsBoundary")
            for context, allowed in ((BOUNDED, [DEV]), (FOREIGN, []), ({}, []))
        ),
        *(
            (f"iam:{action}RolePolicy", ROLE, context, allowed)
            for action in ("Attach", "Detach")
            for context, allowed in (
                ({**BOUNDED, **ATTACHED}, [DEV]),
                ({**BOUNDED, **ADMINISTRATOR}, []),
                (ATTACHED, []),
            )
        ),
        ("iam:PassRole", ROLE, passed("lambda"), [DEV]),
        ("iam:PassRole", ROLE, passed("ec2"), []),
        ("iam:PassRole", iam("role/tap-ci-deploy-dev"), passed("lambda"), []),
        ("iam:CreateRole", iam("role/admin"), BOUNDED, []),
        ("iam:UpdateAssumeRolePolicy", iam("role/tap-ci-deploy-prod"), {}, []),
        ("iam:AttachRolePolicy", iam("role/tap-ci-deploy-dev"), {**BOUNDED, **ATTACHED}, []),
        ("iam:PutRolePolicy", ROLE, {}, []),
        ("iam:DeleteRolePermissionsBoundary", ROLE, {}, []),
        ("iam:CreatePolicyVersion", ROLE_POLICY, {}, [DEV]),
        ("iam:CreatePolicyVersion", iam("policy/tap-ci-boundary-dev"), {}, []),
        ("iam:DeletePolicy", iam("policy/tap-ci-boundary-dev"), {}, []),
        ("iam:CreateUser", iam("user/x"), {}, []),
        ("iam:UpdateOpenIDConnectProviderThumbprint", iam("oidc-provider/x"), {}, []),
        # A key is the stack's by its tag; the one of the table, by its alias.
        *(
            (f"kms:{action}", KEY, {**more, **context}, allowed)
            for action, more in (("PutKeyPolicy", {}), ("Decrypt", {}), ("CreateGrant", GRANT))
            for context, allowed in ((OURS, [PROD]), (THEIRS, []), ({}, []))
        ),
        ("kms:CreateGrant", KEY, OURS, []),
        ("kms:TagResource", KEY, {**NEW, **OURS}, [PROD]),
        ("kms:TagResource", KEY, {**NEW, **THEIRS}, []),
        ("kms:CreateAlias", KEY, OURS, [PROD]),
        ("kms:CreateAlias", KEY, THEIRS, []),
        ("kms:CreateKey", "*", NEW, [PROD]),
        ("kms:CreateKey", "*", {"aws:RequestTag/stack": "tap-dev"}, []),
        ("kms:CreateKey", "*", {}, []),
        ("kms:DescribeKey", KEY, {"kms:RequestAlias": "alias/aws/dynamodb"}, [PROD, PLAN]),
        ("kms:DescribeKey", KEY, {"kms:RequestAlias": "alias/aws/s3"}, []),
        ("kms:GetKeyPolicy", KEY, {}, []),
        ("kms:GetKeyPolicy", KEY, OURS, [PROD, PLAN]),
        ("kms:Decrypt", KEY, {**OURS, READ: PROD_FUNCTION}, [PROD, PLAN]),
        ("kms:Decrypt", KEY, {**OURS, READ: f"{PROD_FUNCTION}-2"}, [PROD]),
        ("kms:Decrypt", KEY, {READ: PROD_FUNCTION}, []),
        # The states
        ("s3:PutObject", f"{STATE}dev.tfstate", {}, [DEV]),
        ("s3:GetObject", f"{STATE}dev.tfstate", {}, [DEV, PLAN]),
        ("s3:DeleteObject", f"{STATE}dev.tfstate", {}, []),
        ("s3:DeleteObject", f"{STATE}dev.tfstate.tflock", {}, [DEV, PLAN]),
        ("s3:PutObject", f"{STATE}prod.tfstate.tflock", {}, [PROD, PLAN]),
        ("s3:GetObject", f"{STATE}ci.tfstate", {}, []),
        ("s3:GetObject", f"{STATE}state.tfstate", {}, []),
        ("s3:ListBucket", "arn:aws:s3:::states", {}, ALL),
        ("dynamodb:PutItem", LOCKS, row("dev"), [DEV, PLAN]),
        ("dynamodb:DeleteItem", LOCKS, row("dev"), [DEV, PLAN]),
        ("dynamodb:PutItem", LOCKS, digest("dev"), [DEV]),
        ("dynamodb:GetItem", LOCKS, digest("prod"), [PROD, PLAN]),
        ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{ACCOUNT_ID}:key/1", BY_S3, ALL),
        ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{ACCOUNT_ID}:key/1", OF_STATES, []),
    ],
)
def test_a_role_may_do_what_it_needs_on_its_conditions(
    may: May, action: str, resource: str, context: Context, allowed: Sequence[str]
) -> None:
    assert may(action, resource, context) == {*allowed}


@pytest.mark.parametrize(
    ("action", "name", "has_tag", "allowed"),
    [
        ("dynamodb:UpdateItem", TABLE, False, ["dev", "prod"]),
        ("dynamodb:UpdateItem", "table/tap-{}-others", False, []),
        ("kms:Decrypt", "key/1", True, ["dev", "prod"]),
        ("kms:Decrypt", "key/1", False, []),
        ("sns:Publish", "tap-{}-people", False, ["dev", "prod"]),
        ("sns:Publish", "tap-{}-others", False, []),
        # In a queue that keeps an order, a message that is sent again would lose its place.
        ("sqs:SendMessage", "tap-{}-prices", False, ["dev"]),
        ("sqs:SendMessage", "tap-{}-prices.fifo", False, []),
        ("lambda:UpdateFunctionCode", FUNCTION, False, []),
    ],
)
def test_the_boundary_holds_what_the_function_needs_and_ends_there(
    may_at_most: May, action: str, name: str, has_tag: bool, allowed: Sequence[str]
) -> None:
    """Whoever adds the first e-mail address, or a key, need not deploy tap-ci again."""
    service = action.partition(":")[0]
    found = {
        role
        for stack in ("dev", "prod")
        for role in may_at_most(
            action,
            arn(stack, service, name),
            {"aws:ResourceTag/stack": f"tap-{stack}"} if has_tag else {},
        )
    }
    assert found == {iam(f"role/{stack}") for stack in allowed}
