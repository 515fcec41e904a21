"""Every request that Terraform and its AWS provider really make, decided by a second opinion.

The stack is deployed, planned, changed and destroyed on the embedded AWS, by one who may do all;
what was asked for stands in Terraform's log. Whether the roles of tap-ci might have asked the same,
iam-simulate decides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lib.config.names import Account, Names
from lib.local.emulator import Emulator, running_emulator
from lib.local.toolchain import Toolchain
from tests.iam.actions import Deployed
from tests.iam.provider_log import LOG_FORMAT, read_calls
from tests.iam.simulator import Caller, Policy, Request, Simulator, running_simulator
from tests.integration.laptop import Laptop
from tests.needed import needed

pytestmark = pytest.mark.deep

A = "000000000000"
BUCKET = "tap-state-of-requests"
LOCKS = "tap-locks"
BACKEND = {
    "bucket": BUCKET,
    "key": "tap/{stack}.tfstate",
    "region": "us-east-1",
    "use_path_style": True,
}
HEARER = f"arn:aws:sqs:us-east-1:{A}:hearer"
SUBSCRIPTIONS = [{"protocol": "sqs", "endpoint": HEARER}]
SETTINGS: Mapping[str, Any] = {
    "customer_managed_key": True,
    "point_in_time_recovery": True,
    "reserved_concurrency": 10,
    "subscriptions": SUBSCRIPTIONS,
    "ops_subscriptions": SUBSCRIPTIONS,
}
# Each changes resources of another kind.
CHANGES: Mapping[str, Any] = {
    "batch_size": 9,
    "log_retention_days": 60,
    "maximum_concurrency": 6,
    "memory_mebibytes": 512,
    "point_in_time_recovery": False,
    "reserved_concurrency": None,
    "subscriber_protocols": ["sqs"],
    "subscriptions": [],
    "tags": {"team": "prices"},
    "visibility_timeout_seconds": 90,
}
VARIANTS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "standard": ({"use_lockfile": True}, {}),
    "fifo": ({"dynamodb_table": LOCKS}, {"queue_type": "fifo"}),
}
# For people, not for CI (docs/ci.md).
NOT_FOR_CI = {"dynamodb:DeleteTable", "kms:ScheduleKeyDeletion", "logs:DeleteLogGroup"}
EVERYTHING: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
STRANGERS = {
    "of the account": Caller(f"arn:aws:iam::{A}:role/stranger"),
    "of another account": Caller("arn:aws:iam::210987654321:role/administrator", [EVERYTHING]),
}


@dataclass(frozen=True)
class Story:
    """What was asked for by each run, and who might have asked."""

    requests: Mapping[str, list[Request]]
    deployed: Deployed
    deployer: Caller
    planner: Caller
    function: Caller

    def all_requests(self) -> list[Request]:
        """Those of all runs."""
        return [request for requests in self.requests.values() for request in requests]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with needed(), running_simulator() as simulator:
        yield simulator


@pytest.fixture(scope="module", params=VARIANTS)
def story(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    toolchain: Toolchain,
    ministack: Path,
) -> Story:
    backend, settings = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp("requests")
    with running_emulator(ministack, "us-east-1") as emulator:
        laptop = Laptop(folder, toolchain, emulator)
        laptop.write_backend("s3", {**BACKEND, **backend})
        laptop.let_ci_deploy("example/alerts")
        _prepare(emulator)

        def run(name: str, command: str) -> None:
            variables = {"TF_LOG": LOG_FORMAT, "TF_LOG_PATH": str(folder / f"{name}.log")}
            exit_code, output = laptop.run(command, {"TAP_ENVIRONMENT": "dev", **variables})
            assert exit_code == 0, output

        laptop.write_settings("dev", {**SETTINGS, **settings})
        ci, state = (_synthesized(folder, name)["resource"] for name in ("ci", "state"))
        deploy = "make deploy ENV=dev PREFLIGHT=no ARGS=--auto-approve"
        run("deploy", deploy)
        names = Names("dev", is_fifo=settings.get("queue_type") == "fifo")
        deployed = _deployed(emulator, Account("aws", A, "us-east-1", names))
        bucket = json.loads(state["aws_s3_bucket_policy"]["tls-only"]["policy"])
        deployed = replace(
            deployed, policies={**deployed.policies, f"arn:aws:s3:::{BUCKET}": bucket}
        )
        function = _function(emulator, deployed, ci)
        run("plan", "make plan ENV=dev")
        laptop.write_settings("dev", CHANGES)
        run("change", deploy)
        run("destroy", "node_modules/.bin/cdktf destroy tap-dev --auto-approve")
    return Story(
        {
            name: deployed.requests(read_calls(folder / f"{name}.log"))
            for name in ("deploy", "plan", "change", "destroy")
        },
        deployed,
        _role_of_ci("deploy-dev", ci),
        _role_of_ci("plan", ci),
        function,
    )


def _prepare(emulator: Emulator) -> None:
    """Make what the stack does not make: the state's place, and who hears of alerts."""
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    emulator.client("sqs").create_queue(QueueName=HEARER.rpartition(":")[2])
    emulator.client("dynamodb").create_table(
        TableName=LOCKS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
    )


def _synthesized(folder: Path, environment: str) -> dict[str, Any]:
    """Synthesize a stack of the clone for the account that it would be in."""
    variables = {"TAP_ENVIRONMENT": environment, "CDKTF_OUTDIR": str(folder / environment)}
    subprocess.run(
        [sys.executable, "main.py"], cwd=folder, env={**os.environ, **variables}, check=True
    )
    text = (folder / environment / "stacks" / f"tap-{environment}" / "cdk.tf.json").read_text()
    for token, value in {
        "${data.aws_caller_identity.caller.account_id}": A,
        "${data.aws_partition.partition.partition}": "aws",
        "${aws_iam_policy.boundary-dev.arn}": f"arn:aws:iam::{A}:policy/tap-ci-boundary-dev",
        "${aws_s3_bucket.state.arn}": f"arn:aws:s3:::{BUCKET}",
    }.items():
        text = text.replace(token, value)
    stack: dict[str, Any] = json.loads(text)
    return stack


def _role_of_ci(name: str, ci: Mapping[str, Any]) -> Caller:
    policy = json.loads(ci["aws_iam_role_policy"][f"{name}-policy"]["policy"])
    return Caller(f"arn:aws:iam::{A}:role/tap-ci-{name}", [policy])


def _deployed(emulator: Emulator, account: Account) -> Deployed:
    """Read from the account what the stack's key is, and who may use what."""
    kms, sns, sqs = (emulator.client(service) for service in ("kms", "sns", "sqs"))
    key = kms.describe_key(KeyId=account.names.key_alias)["KeyMetadata"]["Arn"]
    policies = {key: kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]}
    for topic in (account.topic, account.ops_topic):
        policies[topic] = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    for queue in (account.queue, account.dead_letter_queue):
        url = sqs.get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        policies[queue] = attributes["Attributes"]["Policy"]
    return Deployed(account, key, {arn: json.loads(text) for arn, text in policies.items()})


def _function(emulator: Emulator, deployed: Deployed, ci: Mapping[str, Any]) -> Caller:
    """Return the function's role as it was deployed, in its boundary."""
    iam, arn = emulator.client("iam"), deployed.account.role_policy
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    policy = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    boundary = json.loads(ci["aws_iam_policy"]["boundary-dev"]["policy"])
    return Caller(deployed.account.role, [policy], boundary)


# --- the roles of tap-ci -----------------------------------------------------------------


@pytest.mark.parametrize("run", ["deploy", "plan", "change"])
def test_the_deploying_role_may_make_every_request_of_a_deployment(
    story: Story, simulator: Simulator, run: str
) -> None:
    assert simulator.denied(story.deployer, story.requests[run]) == set()


def test_of_a_destruction_it_may_not_make_those_that_are_for_people(
    story: Story, simulator: Simulator
) -> None:
    denied = simulator.denied(story.deployer, story.requests["destroy"])
    assert {each.partition(" ")[0] for each in denied} == NOT_FOR_CI


def test_the_planning_role_may_make_every_request_of_a_plan(
    story: Story, simulator: Simulator
) -> None:
    assert simulator.denied(story.planner, story.requests["plan"]) == set()


def test_the_planning_role_changes_nothing_but_the_lock(story: Story, simulator: Simulator) -> None:
    requests = story.all_requests()
    decisions = simulator.decide(story.planner, requests)
    changing = {
        str(request)
        for request, decision in zip(requests, decisions, strict=True)
        if decision.changes and decision.is_allowed
    }
    lock = f"arn:aws:s3:::{BUCKET}/tap/tap-dev.tfstate.tflock"
    row = f"arn:aws:dynamodb:us-east-1:{A}:table/{LOCKS}"
    assert changing in (
        {f"s3:{action} on {lock}" for action in ("DeleteObject", "PutObject")},
        {f"dynamodb:{action} on {row}" for action in ("DeleteItem", "PutItem")},
    )


# --- everybody else ----------------------------------------------------------------------


def test_there_is_something_to_decide_for_a_stranger(story: Story) -> None:
    guarded = {each.resource.split(":")[2] for each in story.all_requests() if each.resource_policy}
    assert guarded == {"kms", "s3", "sns", "sqs"}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_may_make_no_request_of_what_has_a_policy(
    story: Story, simulator: Simulator, stranger: str
) -> None:
    guarded = [each for each in story.all_requests() if each.resource_policy]
    assert simulator.allowed(STRANGERS[stranger], guarded) == []


def test_the_function_s_role_makes_and_changes_nothing(story: Story, simulator: Simulator) -> None:
    allowed = simulator.allowed(story.function, story.all_requests())
    # Lambda looks at the queue under this role; with the key the function reads its environment.
    assert {str(each) for each in allowed} == {
        f"sqs:GetQueueAttributes on {story.deployed.account.queue}",
        *(f"kms:{action} on {story.deployed.key}" for action in ("Decrypt", "GenerateDataKey")),
    }


# --- planted mistakes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "action"),
    [
        ("deploy", "iam:PassRole"),
        ("deploy", "kms:CreateGrant"),
        ("deploy", "lambda:CreateEventSourceMapping"),
        ("deploy", "s3:ListBucket"),
        ("deploy", "sqs:TagQueue"),
        ("plan", "sns:ListSubscriptionsByTopic"),
        ("change", "lambda:UpdateFunctionConfiguration"),
        ("change", "logs:TagResource"),
        ("destroy", "sns:Unsubscribe"),
    ],
)
def test_an_action_that_is_taken_away_is_named(
    story: Story, simulator: Simulator, run: str, action: str
) -> None:
    (policy,) = story.deployer.policies
    less = [
        {**statement, "Action": [each for each in statement["Action"] if each != action]}
        for statement in policy["Statement"]
    ]
    statements = [statement for statement in less if statement["Action"]]
    deployer = replace(story.deployer, policies=[{**policy, "Statement": statements}])
    denied = simulator.denied(deployer, story.requests[run])
    named = {each for each in denied if each.partition(" ")[0] not in NOT_FOR_CI}
    needed_by = {str(each) for each in story.requests[run] if each.action == action}
    assert named == needed_by != set()
