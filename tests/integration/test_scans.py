"""What scanners say of the stack, and of the project; nothing is skipped."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.local.deployment import Deployment, cdktf_environment
from lib.local.emulator import Emulator
from lib.local.toolchain import Toolchain
from lib.local.virtual_environment import virtual_environment
from tests.needed import needed

pytestmark = pytest.mark.deep

PROJECT = Path(__file__).parents[2]
# They cost a user something real, and are settings: a VPC, and code signing.
LEFT = {"prod": {"CKV_AWS_117", "CKV_AWS_272"}, "compliance": set[str]()}
FRAMEWORKS = {"terraform_json": "cdk.tf.json", "terraform_plan": "plan.json"}
TOKENS = {
    "${data.aws_caller_identity.caller.account_id}": "123456789012",
    "${data.aws_partition.partition.partition}": "aws",
}
# With all that a role may have to reach for its state. No lockfile: the required_version that comes
# with it is more than checkov can read.
STATE = {
    "bucket": "example-tap-state",
    "key": "tap/{stack}.tfstate",
    "region": "us-east-1",
    "encrypt": True,
    "kms_key_id": "alias/example",
    "dynamodb_table": "tap-locks",
}
BOUNDARY = "arn:aws:iam::123456789012:policy/tap-ci-boundary-dev"
KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(scope="module")
def checkov() -> Path:
    with needed():
        return virtual_environment("checkov") / "checkov"


@pytest.fixture(scope="module")
def workflow_linters() -> Path:
    """The folder of those that read GitHub's workflows."""
    with needed():
        return virtual_environment("workflows")


@pytest.fixture(scope="module")
def auditors() -> Path:
    """The folder of the smaller scanners."""
    with needed():
        return virtual_environment("auditors")


def settings_of(variant: str) -> dict[str, Any]:
    context = json.loads((PROJECT / "cdktf.json").read_text("utf-8"))["context"]
    settings: dict[str, Any] = context["environments"]["prod"]
    if variant == "compliance":
        settings |= json.loads((PROJECT / "docs" / "compliance.json").read_text("utf-8"))
    return settings


@pytest.fixture(scope="module", params=LEFT)
def planned(
    request: pytest.FixtureRequest,
    toolchain: Toolchain,
    emulator: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    """A variant, and the folder with its configuration and a real plan of it."""
    folder = tmp_path_factory.mktemp(request.param)
    Deployment(folder, toolchain, emulator, settings_of(request.param)).plan()
    stack = folder / "cdktf.out" / "stacks" / "tap-dev"
    environment = cdktf_environment(folder, toolchain, emulator)

    def terraform(*words: str) -> str:
        command = [toolchain.terraform, *words]
        done = subprocess.run(
            command, cwd=stack, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    terraform("plan", "-input=false", "-out=plan")
    (stack / "plan.json").write_text(terraform("show", "-json", "plan"), "utf-8")
    return request.param, stack


@pytest.fixture(scope="module")
def ci_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the configuration of tap-ci, which needs no plan: all of it is there."""
    folder = tmp_path_factory.mktemp("ci")
    shutil.copy(PROJECT / "main.py", folder)
    shutil.copytree(PROJECT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    document = json.loads((PROJECT / "cdktf.json").read_text("utf-8"))
    document["context"]["ci"] = {"repository": "owner/name"}
    document["terraform"] = {"backend": {"s3": STATE}}
    (folder / "cdktf.json").write_text(json.dumps(document))
    environment = {**os.environ, "TAP_ENVIRONMENT": "ci", "CDKTF_OUTDIR": str(folder / "out")}
    subprocess.run([sys.executable, "main.py"], cwd=folder, env=environment, check=True)
    return folder / "out" / "stacks" / "tap-ci"


def scan(checkov: Path, file: Path, framework: str) -> dict[str, Any]:
    """Have a file scanned; returns the report."""
    options = ("--framework", framework, "--output", "json", "--skip-download", "--quiet")
    done = subprocess.run(
        [checkov, "--file", file, *options],
        env={**os.environ, "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def failed_checks(report: dict[str, Any]) -> set[str]:
    """Tell which checks have failed; a report of a scan that saw nothing is none."""
    summary = report.get("summary", report)
    assert summary["passed"] > 0, "nothing was scanned"
    assert (summary["skipped"], summary["parsing_errors"]) == (0, 0)
    return {check["check_id"] for check in report["results"]["failed_checks"]}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_checkov_finds_what_costs_something_real_and_nothing_else(
    checkov: Path, planned: tuple[str, Path], framework: str
) -> None:
    variant, stack = planned
    report = scan(checkov, stack / FRAMEWORKS[framework], framework)
    assert failed_checks(report) <= LEFT[variant]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_scan_that_saw_nothing_is_no_pass(checkov: Path, tmp_path: Path, framework: str) -> None:
    file = tmp_path / FRAMEWORKS[framework]
    file.write_text("{}")
    with pytest.raises(AssertionError, match="nothing was scanned"):
        failed_checks(scan(checkov, file, framework))


def test_a_planted_mistake_is_found(
    checkov: Path, planned: tuple[str, Path], tmp_path: Path
) -> None:
    configuration = json.loads((planned[1] / "cdk.tf.json").read_text("utf-8"))
    for key in configuration["resource"]["aws_kms_key"].values():
        key["enable_key_rotation"] = False
    file = tmp_path / "cdk.tf.json"
    file.write_text(json.dumps(configuration))
    assert "CKV_AWS_7" in failed_checks(scan(checkov, file, "terraform_json"))


def policies(stack: Path) -> Iterator[tuple[str, str]]:
    """Every policy of a stack, rendered for some account."""
    configuration = json.loads((stack / "cdk.tf.json").read_text("utf-8"))
    for kind, resources in configuration["resource"].items():
        for name, attributes in resources.items():
            # The key's is of another kind: there, a resource of "*" is the key itself.
            if "policy" in attributes and kind != "aws_kms_key":
                policy = attributes["policy"]
                for token, value in TOKENS.items():
                    policy = policy.replace(token, value)
                policy = re.sub(r"\$\{aws_kms_key[^}]*\}", KEY, policy)
                yield f"{kind}.{name}", re.sub(r"\$\{aws_iam_policy[^}]*\}", BOUNDARY, policy)


# What AWS's pages ask for, and parliament's list of AWS does not know: Lambda's guide on a VPC, and
# CloudWatch's API reference on DescribeAlarms.
ASKED_BY_AWS = (
    *("'action': 'ec2:DeleteNetworkInterface'", "condition lambda:SourceFunctionArn"),
    "['cloudwatch:DescribeAlarms']",
)


@pytest.fixture
def findings(auditors: Path) -> Callable[[str], str]:
    """What parliament says of a policy."""

    def findings(policy: str) -> str:
        done = subprocess.run(
            [auditors / "parliament"], input=policy, capture_output=True, text=True, check=False
        )
        lines = (done.stdout + done.stderr).splitlines()
        return "\n".join(line for line in lines if not any(known in line for known in ASKED_BY_AWS))

    return findings


def test_parliament_finds_nothing_in_any_policy(
    findings: Callable[[str], str], planned: tuple[str, Path]
) -> None:
    found = {name: findings(policy) for name, policy in policies(planned[1])}
    assert len(found) == 5
    assert {name: text for name, text in found.items() if text} == {}


def test_parliament_finds_nothing_in_the_policies_of_ci(
    findings: Callable[[str], str], ci_stack: Path
) -> None:
    found = {name: findings(policy) for name, policy in policies(ci_stack)}
    assert len(found) == 5
    assert {name: text for name, text in found.items() if text} == {}


def test_checkov_finds_nothing_in_ci_s_stack(checkov: Path, ci_stack: Path) -> None:
    assert failed_checks(scan(checkov, ci_stack / "cdk.tf.json", "terraform_json")) == set()


def test_parliament_finds_an_action_that_there_is_not(findings: Callable[[str], str]) -> None:
    statement = {"Effect": "Allow", "Action": "sqs:SendLetter", "Resource": "*"}
    assert "Unknown action sqs:SendLetter" in findings(
        json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def test_bandit_finds_nothing(auditors: Path) -> None:
    done = subprocess.run(
        [auditors / "bandit", "--quiet", "--severity-level", "medium", "-r", "lib", "main.py"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_there_is_no_secret_in_the_tree_but_one_that_is_planted(
    auditors: Path, tmp_path: Path
) -> None:
    names = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(
        ["git", *names], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    for name in listed.split("\0"):
        if (PROJECT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, tmp_path / name)
    assert (tmp_path / "cdktf.json").exists()
    (tmp_path / "planted.py").write_text(f'{"pass"}word = "correct-horse-battery"\n')
    done = subprocess.run(
        [auditors / "detect-secrets", "scan", "--no-verify", "--all-files"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["results"].keys() == {"planted.py"}


@pytest.fixture
def zizmor(workflow_linters: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
        options = (
            "--offline",
            "--no-progress",
            "--quiet",
            "--persona",
            "auditor",
            "--format",
            "plain",
            "--color",
            "never",
        )
        return subprocess.run(
            [workflow_linters / "zizmor", *options, folder],
            capture_output=True,
            text=True,
            check=False,
        )

    return zizmor


@pytest.fixture
def actionlint(workflow_linters: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    def actionlint(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [workflow_linters / "actionlint", *sorted(folder.glob("workflows/*.yml"))],
            cwd=folder.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    return actionlint


# Everything that is wrong with it is found by one of the two, or by both.
PLANTED = """\
name: planted
on: pull_request_target
jobs:
  planted:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v7
      - run: echo "${{ github.event.pull_request.title }}"
"""


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder of workflows, one of which no one should run."""
    folder = tmp_path / ".github"
    shutil.copytree(PROJECT / ".github", folder)
    (folder / "workflows" / "planted.yml").write_text(PLANTED)
    return folder


def test_zizmor_finds_nothing_in_the_workflows(
    zizmor: Callable[[Path], subprocess.CompletedProcess[str]],
) -> None:
    done = zizmor(PROJECT / ".github")
    assert (done.returncode, done.stdout) == (0, "No findings to report. Good job!\n")


def test_zizmor_finds_what_is_planted(
    zizmor: Callable[[Path], subprocess.CompletedProcess[str]], planted: Path
) -> None:
    found = set(re.findall(r"^\w+\[([a-z-]+)\]", zizmor(planted).stdout, re.MULTILINE))
    assert found >= {
        *("artipacked", "dangerous-triggers", "excessive-permissions", "template-injection"),
        "unpinned-uses",
    }


def test_actionlint_finds_nothing_in_the_workflows(
    actionlint: Callable[[Path], subprocess.CompletedProcess[str]],
) -> None:
    done = actionlint(PROJECT / ".github")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_actionlint_finds_what_is_planted(
    actionlint: Callable[[Path], subprocess.CompletedProcess[str]], planted: Path
) -> None:
    done = actionlint(planted)
    assert '"github.event.pull_request.title" is potentially untrusted' in done.stdout
    assert done.returncode == 1


def audit(auditors: Path, requirements: Path) -> subprocess.CompletedProcess[str]:
    options = ("--strict", "--disable-pip", "--no-deps", "--progress-spinner", "off")
    return subprocess.run(
        [auditors / "pip-audit", *options, "--requirement", requirements],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def advisories(auditors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The auditors, where PyPI tells what is known of a release; not every mirror of it does."""
    requirements = tmp_path_factory.mktemp("audit") / "requirements.txt"
    requirements.write_text("jinja2==2.4.1\n")
    done = audit(auditors, requirements)
    if "not found on PyPI" in done.stderr or "ConnectionError" in done.stderr:
        pytest.skip("PyPI's advisories are not to be had here")
    assert (done.returncode, "GHSA" in done.stdout or "PYSEC" in done.stdout) == (1, True)
    return auditors


@pytest.mark.parametrize("name", ["requirements.txt", "lib/local/emulator-requirements.txt"])
def test_nothing_that_is_installed_has_a_known_vulnerability(advisories: Path, name: str) -> None:
    done = audit(advisories, PROJECT / name)
    assert (done.returncode, done.stdout) == (0, "")
