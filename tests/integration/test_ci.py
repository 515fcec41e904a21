"""GitHub's workflows, run here by the roles that tap-ci makes, with policies enforced."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lib.config.names import Account, Names
from lib.local.emulator import Emulator, running_emulator
from lib.local.toolchain import Toolchain
from tests.iam.actions import Deployed
from tests.iam.provider_log import LOG_FORMAT, read_calls
from tests.iam.simulator import Caller, running_simulator
from tests.integration.conftest import FORGOTTEN, allow_batches, changed_by, mend_topic_policy
from tests.integration.laptop import Laptop
from tests.needed import needed
from tests.workflows import FOLDER, commands, jobs, play, read

REPOSITORY = "example/alerts"
BUCKET = "tap-state-of-ci"
BACKEND = {
    "bucket": BUCKET,
    "key": "tap/{stack}.tfstate",
    "region": "us-east-1",
    "use_lockfile": True,
    "use_path_style": True,
}
GITHUB = "https://token.actions.githubusercontent.com"
ROLE = "arn:aws:iam::000000000000:role/tap-ci-{}"
BOUNDARY = "arn:aws:iam::000000000000:policy/tap-ci-boundary-dev"
FUNCTION = "tap-dev-price-alerts"
ROLE_OF_FUNCTION = f"{FUNCTION}-us-east-1"
DEPLOY = read(FOLDER / "workflows" / "deploy.yml")
PULL_REQUEST = read(FOLDER / "workflows" / "pull-request.yml")
# What the emulator asks for without a resource, or without the key that a condition looks at. Which
# resources and conditions AWS sees is tested in tests/unit/stacks/test_ci_access.py.
UNSEEN = {
    *("cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"),
    *("cloudwatch:PutDashboard", "dynamodb:ListTagsOfResource", "dynamodb:TagResource"),
    *("iam:AttachRolePolicy", "iam:CreatePolicy", "iam:CreateRole", "iam:PassRole"),
    *("iam:PutRolePermissionsBoundary", "lambda:CreateEventSourceMapping"),
    *("lambda:CreateFunction", "lambda:TagResource", "lambda:UpdateEventSourceMapping"),
    *("sns:ListTagsForResource", "sns:TagResource"),
}
# What it asks for instead of what AWS asks for.
MISNAMED = {
    "lambda:GetEventSourceMapping": "lambda:ListEventSourceMappings",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}
# Takes messages off the queue and does nothing with them, which no deployment notices.
BROKEN = "def handler(event, context):\n    return {'batchItemFailures': []}\n"


@pytest.fixture(scope="module")
def account(ministack: Path) -> Iterator[Emulator]:
    """An account of its own, in which there is nothing yet."""
    with running_emulator(ministack, "us-east-1", enforces_policies=True) as emulator:
        yield emulator


def token(subject: str, repository: str = REPOSITORY) -> str:
    """What GitHub says of a job; nobody here looks at the signature."""
    claims = {"iss": GITHUB, "aud": "sts.amazonaws.com", "sub": f"repo:{repository}:{subject}"}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "x"])


def take_role(account: Emulator, role: str, web_token: str) -> dict[str, str]:
    """Do what configure-aws-credentials does; returns the variables that it sets."""
    answer = account.client("sts").assume_role_with_web_identity(
        RoleArn=ROLE.format(role), RoleSessionName="workflow", WebIdentityToken=web_token
    )
    credentials = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_REGION": account.region,
    }


def actions_of(account: Emulator, role: str) -> set[str]:
    """All that a role's policy names."""
    answer = account.client("iam").get_role_policy(RoleName=f"tap-ci-{role}", PolicyName=role)
    return {a for statement in answer["PolicyDocument"]["Statement"] for a in statement["Action"]}


def allow_unseen(account: Emulator, role: str) -> None:
    """Allow a role of its actions those that the emulator does not see as AWS does."""
    actions = actions_of(account, role)
    unseen = (actions & UNSEEN) | {MISNAMED[each] for each in actions & MISNAMED.keys()}
    statement = {"Effect": "Allow", "Action": sorted(unseen), "Resource": "*"}
    account.client("iam").put_role_policy(
        RoleName=f"tap-ci-{role}",
        PolicyName="emulator",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def widen_boundary(account: Emulator) -> None:
    """Have the boundary hold what `allow_batches` allows."""
    iam = account.client("iam")
    version = iam.get_policy(PolicyArn=BOUNDARY)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=BOUNDARY, VersionId=version)["PolicyVersion"][
        "Document"
    ]
    for statement in document["Statement"]:
        if "sns:Publish" in statement["Action"]:
            statement["Action"] = ["sns:Publish", "sns:PublishBatch"]
    iam.create_policy_version(
        PolicyArn=BOUNDARY, PolicyDocument=json.dumps(document), SetAsDefault=True
    )


def log_of(laptop: Laptop, role: str) -> dict[str, str]:
    """The variables by which Terraform logs what it asks for under a role."""
    return {"TF_LOG": LOG_FORMAT, "TF_LOG_PATH": str(laptop.folder / f"{role}.log")}


def mend(account: Emulator) -> None:
    """Have a deployment work where the emulator is not as AWS is."""
    allow_batches(account, ROLE_OF_FUNCTION)
    widen_boundary(account)
    mend_topic_policy(account, "arn:aws:sns:us-east-1:000000000000:tap-dev-alerts")


def breaks(account: Emulator) -> None:
    """Replace the deployed function's code."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", BROKEN)
    account.client("lambda").update_function_code(FunctionName=FUNCTION, ZipFile=archive.getvalue())


@dataclass
class Runner:
    """A runner of GitHub's, and what it printed, by what it ran."""

    laptop: Laptop
    account: Emulator
    after_deployment: Callable[[], None]
    printed: dict[str, str] = field(default_factory=dict)

    def run(self, command: str) -> bool:
        """Run a step of the deployment; prod's is not tried: its role and target are dev's."""
        if "ENV=prod" in command:
            self.printed[command] = ""
            return True
        variables = take_role(self.account, "deploy-dev", token("environment:dev"))
        logging = log_of(self.laptop, "deploy-dev")
        exit_code, self.printed[command] = self.laptop.run(
            command, {**DEPLOY["env"], **variables, **logging, "ARGS": "--patience-seconds 30"}
        )
        if "make deploy" in command and exit_code == 0:
            self.after_deployment()
        return exit_code == 0


@dataclass(frozen=True)
class Story:
    """What came of each run of the workflows."""

    laptop: Laptop
    printed: Mapping[str, str]
    summary: str
    well: tuple[dict[str, str], dict[str, str]]


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, toolchain: Toolchain, account: Emulator
) -> Story:
    folder = tmp_path_factory.mktemp("ci")
    laptop = Laptop(folder, toolchain, account)
    account.client("s3").create_bucket(Bucket=BUCKET)
    laptop.write_backend("s3", BACKEND)
    laptop.let_ci_deploy(REPOSITORY)
    printed = {}

    def run(command: str, **variables: str) -> str:
        exit_code, output = laptop.run(command, variables)
        assert exit_code == 0, output
        return output

    printed["ci"] = run("make deploy ENV=ci ARGS=--auto-approve")
    printed["ci again"] = run("make plan ENV=ci")
    for role in ("deploy-dev", "plan"):
        allow_unseen(account, role)
    summary = folder / "summary.md"
    (synth,), (plan,) = (commands(jobs(PULL_REQUEST)[name]) for name in ("synth", "plan"))
    printed["synth"] = run(synth, TAP_ENVIRONMENT="dev")
    planner = {
        "TAP_ENVIRONMENT": "dev",
        **take_role(account, "plan", token("pull_request")),
        **log_of(laptop, "plan"),
    }
    printed["plan"] = run(plan, GITHUB_STEP_SUMMARY=str(summary), **planner)

    well = Runner(laptop, account, lambda: mend(account))
    well_ended = play(DEPLOY, well.run), well.printed
    printed["plan again"] = run(plan, **planner)
    return Story(laptop, printed, summary.read_text(), well_ended)


# --- a pull request ----------------------------------------------------------------------


def test_a_pull_request_is_synthesized_without_credentials(story: Story) -> None:
    assert "tap-dev" in story.printed["synth"]


def test_the_plan_is_shown_to_who_looks_at_the_pull_request(story: Story) -> None:
    assert story.summary.startswith("### tap-dev: Plan: ")
    assert "aws_lambda_function.alerts_function" in story.summary
    assert "aws_lambda_function.alerts_function" in story.printed["plan"]


def test_the_plan_of_what_is_deployed_changes_what_the_emulator_forgets(story: Story) -> None:
    assert changed_by(story.printed["plan again"]) <= {FORGOTTEN, "aws_sns_topic_policy"}


# --- main --------------------------------------------------------------------------------


def test_what_works_is_deployed_to_dev_and_then_to_prod(story: Story) -> None:
    results, printed = story.well
    assert results == {"dev": "success", "prod": "success"}, "\n".join(printed.values())
    assert re.search(r"published an alert \d+ ms after", printed["make smoke ENV=dev"])


def test_smoke_tests_leave_nothing_behind(story: Story, account: Emulator) -> None:
    queues = account.client("sqs").list_queues()["QueueUrls"]
    items = account.client("dynamodb").scan(TableName="tap-dev-alerts")["Items"]
    assert [url for url in queues if "smoke" in url] == []
    assert account.client("sns").list_subscriptions()["Subscriptions"] == []
    assert {item["pk"]["S"].partition("#")[0] for item in items} <= {"FIRINGS"}


# --- the roles ---------------------------------------------------------------------------


def test_the_roles_are_as_they_were_planned(story: Story) -> None:
    assert "No changes." in story.printed["ci again"]


@pytest.mark.parametrize(
    ("role", "web_token", "is_taken"),
    [
        ("deploy-dev", token("environment:dev"), True),
        ("deploy-prod", token("environment:prod"), True),
        ("plan", token("pull_request"), True),
        ("deploy-prod", token("environment:dev"), False),
        ("deploy-dev", token("pull_request"), False),
        ("deploy-dev", token("ref:refs/heads/main"), False),
        ("plan", token("environment:dev"), False),
        ("deploy-dev", token("environment:dev", "somebody/alerts"), False),
        ("plan", token("pull_request", "somebody/alerts"), False),
    ],
)
def test_a_role_is_taken_by_its_own_jobs_alone(
    story: Story, account: Emulator, role: str, web_token: str, is_taken: bool
) -> None:
    if is_taken:
        assert take_role(account, role, web_token)["AWS_ACCESS_KEY_ID"]
    else:
        with pytest.raises(ClientError, match="Not authorized"):
            take_role(account, role, web_token)


@pytest.mark.parametrize("role", ["plan", "deploy-dev"])
def test_a_role_may_make_all_requests_of_its_jobs_by_a_second_opinion(
    story: Story, account: Emulator, role: str
) -> None:
    policy = account.client("iam").get_role_policy(RoleName=f"tap-ci-{role}", PolicyName=role)
    caller = Caller(ROLE.format(role), [policy["PolicyDocument"]])
    deployed = Deployed(Account("aws", "000000000000", "us-east-1", Names("dev")), "", {})
    requests = deployed.requests(read_calls(story.laptop.folder / f"{role}.log"))
    with needed(), running_simulator() as simulator:
        assert simulator.denied(caller, requests) == set()
    assert {"lambda:GetFunction", "s3:GetObject"} <= {request.action for request in requests}


@contextmanager
def without(account: Emulator, sid: str) -> Iterator[None]:
    """Take a statement out of the policy of the role that deploys dev, for a while."""
    iam = account.client("iam")
    policy = {"RoleName": "tap-ci-deploy-dev", "PolicyName": "deploy-dev"}
    document = iam.get_role_policy(**policy)["PolicyDocument"]
    left = [statement for statement in document["Statement"] if statement["Sid"] != sid]
    assert len(left) == len(document["Statement"]) - 1
    iam.put_role_policy(**policy, PolicyDocument=json.dumps({**document, "Statement": left}))
    allow_unseen(account, "deploy-dev")
    try:
        yield
    finally:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
        allow_unseen(account, "deploy-dev")


@pytest.mark.parametrize("sid", ["SendAPrice", "Listen", "KeepARule"])
def test_the_smoke_test_needs_all_that_it_is_allowed(
    story: Story, account: Emulator, sid: str
) -> None:
    variables = take_role(account, "deploy-dev", token("environment:dev"))
    with without(account, sid):
        exit_code, output = story.laptop.run("make smoke ENV=dev", variables)
    assert exit_code != 0
    # The emulator's denials have no id of a request, by which AWS's answers are known.
    assert re.search("^error: .*(do not allow|is not AWS)", output, re.MULTILINE), output


@pytest.mark.parametrize(
    ("role", "subject"), [("deploy-prod", "environment:prod"), ("plan", "pull_request")]
)
def test_only_the_role_that_deploys_dev_tries_it_out(
    story: Story, account: Emulator, role: str, subject: str
) -> None:
    variables = take_role(account, role, token(subject))
    exit_code, output = story.laptop.run("make smoke ENV=dev", variables)
    assert exit_code != 0
    # The emulator's denials have no id of a request, by which AWS's answers are known.
    assert re.search("^error: .*(do not allow|is not AWS)", output, re.MULTILINE), output


# --- at the end: it breaks what the others use ------------------------------------------


@pytest.mark.deep
def test_a_broken_function_fails_the_smoke_test_and_stops_before_prod(
    story: Story, account: Emulator
) -> None:
    def mend_and_break() -> None:
        mend(account)
        breaks(account)

    runner = Runner(story.laptop, account, mend_and_break)
    assert play(DEPLOY, runner.run) == {"dev": "failure", "prod": "skipped"}
    *_, smoke = runner.printed
    assert smoke == "make smoke ENV=dev"
    assert "error: tap-dev published no alert for SMOKE." in runner.printed[smoke]
