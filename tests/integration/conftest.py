"""One deployment for the whole session, made by the real tools on the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from lib.cli.app import main
from lib.client.subscriber import Subscriber
from lib.local.command_line import CommandLine
from lib.local.deployment import QUICK_RETRIES, Deployment
from lib.local.emulator import Emulator, running_emulator
from lib.local.replay import Pipeline, find_pipeline
from lib.local.toolchain import Toolchain, find_toolchain
from lib.local.virtual_environment import virtual_environment
from tests.needed import needed

THRESHOLD = 150
FEED = "feed"  # a user who may send prices
PATIENCE_SECONDS = 60.0
USUAL_TIMEOUT_SECONDS = 10  # for what must not be killed because this machine is slow
# Of an alarm it keeps neither the actions nor the description: every plan changes them.
FORGOTTEN = "aws_cloudwatch_metric_alarm"


@dataclass(frozen=True)
class Deployed:
    """The deployed stack and the means to look at it."""

    deployment: Deployment
    emulator: Emulator
    outputs: dict[str, str]
    pipeline: Pipeline
    subscriber: Subscriber


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here, and put it in order.

    Each worker has a deployment of its own, and takes whole files, in their order. Files that make
    more deployments take longest, so they come first; what destroys the deployment comes last.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # Set-up counts: test_state makes several deployments, beside two other workers.
            item.add_marker(pytest.mark.timeout(1_800))
            item.add_marker(pytest.mark.integration)
    shared = {item.path for item in items if "deployed" in getattr(item, "fixturenames", ())}
    items.sort(
        key=lambda item: (
            item.get_closest_marker("integration") is None,
            item.path in shared,
            item.get_closest_marker("destroys") is not None,
        )
    )


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    with needed():
        return find_toolchain(os.environ)


@pytest.fixture(scope="session")
def ministack() -> Path:
    with needed():
        return virtual_environment("emulator") / "ministack"


def role_name(emulator: Emulator) -> str:
    """The name of the function's role, the only one."""
    (role,) = emulator.client("iam").list_roles()["Roles"]
    name: str = role["RoleName"]
    return name


def allow_batches(emulator: Emulator, role: str | None = None) -> None:
    """Allow a role what AWS has no action for: there, sns:Publish is asked for."""
    statement = {"Effect": "Allow", "Action": "sns:PublishBatch", "Resource": "*"}
    emulator.client("iam").put_role_policy(
        RoleName=role or role_name(emulator),
        PolicyName="emulator",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def forbid_batches(emulator: Emulator) -> None:
    """Take back what `allow_batches` allows."""
    emulator.client("iam").delete_role_policy(RoleName=role_name(emulator), PolicyName="emulator")


def mend_topic_policy(emulator: Emulator, topic_arn: str) -> None:
    """Say what the emulator understands.

    It does not tell by which protocol somebody subscribes, and its aws:PrincipalArn is that of
    the role's session, where AWS's is that of the role itself.
    """
    sns = emulator.client("sns")
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["Policy"])
    statements = {statement["Sid"]: statement for statement in policy["Statement"]}
    del statements["NamedProtocolsOnly"]
    nobody_else = statements["NobodyElse"]["Condition"]["ArnNotEquals"]
    role = nobody_else["aws:PrincipalArn"]
    session = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"
    nobody_else["aws:PrincipalArn"] = [role, session]
    policy["Statement"] = list(statements.values())
    sns.set_topic_attributes(
        TopicArn=topic_arn, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )


@pytest.fixture(scope="session")
def emulator(toolchain: Toolchain, ministack: Path) -> Iterator[Emulator]:
    with running_emulator(ministack, "us-east-1", enforces_policies=True) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def deployed(
    toolchain: Toolchain, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Deployed:
    subscriber = Subscriber(emulator.client("sqs"))
    deployment = Deployment(
        tmp_path_factory.mktemp("deployment"),
        toolchain,
        emulator,
        {
            **QUICK_RETRIES,
            "high_price_threshold": THRESHOLD,
            "customer_managed_key": True,
            "producers": [f"arn:aws:iam::000000000000:user/{FEED}"],
            "subscriptions": [{"protocol": "email", "endpoint": "someone@example.com"}],
        },
    )
    outputs = deployment.deploy()
    allow_batches(emulator)
    for topic in ("topic_arn", "people_topic_arn"):
        mend_topic_policy(emulator, outputs[topic])
    # Not by the settings, for every subscription was denied until now; the demo's do it.
    emulator.client("sns").subscribe(
        TopicArn=outputs["topic_arn"], Protocol="sqs", Endpoint=subscriber.arn
    )
    pipeline = find_pipeline(emulator)
    assert pipeline is not None
    return Deployed(deployment, emulator, outputs, pipeline, subscriber)


class Alerts(CommandLine):
    """``./alerts`` for an embedded AWS, in this process: a new one would take a second each time.

    What a process of its own prints is held against README and the docs by test_readme.
    """

    def run(self, *words: str) -> str:
        """Run a command that must work, and return what it prints."""
        out, err = StringIO(), StringIO()
        with (
            patch.dict(os.environ, self.environment, clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            exit_code = main(words)
        assert exit_code == 0, err.getvalue()
        return out.getvalue()


@pytest.fixture(scope="session")
def alerts(deployed: Deployed) -> Alerts:
    """The operator's command line."""
    return Alerts(deployed.emulator)


@pytest.fixture
def symbol() -> str:
    """A symbol that no other test uses."""
    return f"T{uuid.uuid4().hex[:12].upper()}"


def changed_by(plan: str) -> set[str]:
    """Tell the types of the resources that a plan changes."""
    return set(re.findall(r"# (\w+)\.\S+ .*(?:will|must) be ", plan))


def counted(deployed: Deployed, name: str) -> int:
    """Add up what the function has counted."""
    lines = [line for line in deployed.pipeline.log_lines() if f'"{name}":[' in line]
    return sum(int(json.loads(line)[name][0]) for line in lines)


@contextmanager
def reconfigured(deployed: Deployed, timeout_seconds: int, **variables: str) -> Iterator[None]:
    """Give the function another time-out for a while, and other environment variables."""
    functions, name = deployed.emulator.client("lambda"), deployed.outputs["function_name"]
    before = functions.get_function_configuration(FunctionName=name)
    environment = before["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name,
        Timeout=timeout_seconds,
        Environment={"Variables": {**environment, **variables}},
    )
    try:
        yield
    finally:
        functions.update_function_configuration(
            FunctionName=name,
            Timeout=before["Timeout"],
            Environment={"Variables": environment},
        )


@pytest.fixture
def time_enough(deployed: Deployed) -> Iterator[None]:
    """No invocation is killed because this machine is slow."""
    with reconfigured(deployed, USUAL_TIMEOUT_SECONDS):
        yield


def eventually(is_so: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Poll until something is so, ever less often: the emulator raises no event."""
    give_up_at = time.monotonic() + patience_seconds
    pause_seconds = 0.05
    while not (found := is_so()) and time.monotonic() < give_up_at:
        time.sleep(pause_seconds)
        pause_seconds = min(1.0, 1.5 * pause_seconds)
    return found


def invoke(deployed: Deployed, *records: tuple[str, str]) -> Any:
    """Call the deployed function as the event source mapping does."""
    answer = deployed.emulator.client("lambda").invoke(
        FunctionName=deployed.outputs["function_name"],
        Payload=json.dumps(
            {
                "Records": [
                    {"messageId": message_id, "body": body, "attributes": {}}
                    for message_id, body in records
                ]
            }
        ),
    )
    return json.loads(answer["Payload"].read())
