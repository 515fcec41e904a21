"""All checks together: what is planted is found, all of it at once, and nothing is changed."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from lib.deploy.preflight import __main__ as command
from lib.deploy.preflight import checks
from lib.deploy.preflight.checks import check_all
from lib.deploy.preflight.finding import Finding, Level, error
from tests.unit.preflight.account import NOW, Account, identity, limits, refusal
from tests.unit.preflight.test_tools import install, terraform

S3 = {"bucket": "states", "key": "tap/{stack}", "region": "eu-west-1", "dynamodb_table": "locks"}


class Machine:
    """A project on a machine, and the account that its credentials lead to; all is in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.settings: dict[str, Any] = {"region": "us-east-1", "reserved_concurrency": 20}
        self.backend: dict[str, Any] = {}
        self.account = Account(
            {
                "GetCallerIdentity": identity(),
                "GetFunctionConcurrency": refusal("ResourceNotFoundException", 404),
                "GetAccountSettings": limits(1_000),
                "HeadBucket": {"BucketRegion": "eu-west-1"},
                "HeadObject": refusal("404", 404),
                "DescribeTable": {"Table": {}},
                "GetItem": {},
            }
        )
        install(self.bin / "node", "echo v20.0.0")
        terraform(self.bin, "1.11.4")
        modules = folder / "node_modules"
        (modules / "cdktf-cli").mkdir(parents=True)
        (modules / "cdktf-cli" / "package.json").write_text('{"version": "0.21.0"}')
        install(modules / ".bin" / "cdktf", "exit 1")
        (folder / "package.json").write_text(
            '{"engines": {"node": ">=20"}, "dependencies": {"cdktf-cli": "0.21.0"}}'
        )

    def __call__(self, environment: str = "dev", **variables: str) -> list[Finding]:
        """Look at all of it."""
        document = {
            "context": {"common": self.settings, "environments": {"dev": {}}},
            "terraform": {"backend": self.backend} if self.backend else {},
        }
        (self.folder / "cdktf.json").write_text(json.dumps(document))
        variables = {"PATH": str(self.bin), **variables}
        return list(
            check_all(environment, variables, self.folder, self.folder, self.account.connect)
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setattr(checks, "datetime", _Stopped)
    return Machine(tmp_path)


class _Stopped:
    """A clock that is AWS's."""

    @staticmethod
    def now(_zone: object) -> Any:
        return NOW


def subjects(findings: list[Finding], *levels: Level) -> list[str]:
    return [finding.subject for finding in findings if finding.level in levels]


def test_a_machine_in_order_is_told_so_line_by_line(machine: Machine) -> None:
    found = machine()
    assert {finding.level for finding in found} == {Level.OK}
    assert [finding.subject for finding in found] == [
        *("Terraform", "Node", "cdktf", "backend", "settings", "region", "credentials", "clock"),
        "concurrency",
    ]


def test_a_machine_in_order_with_its_state_in_s3(machine: Machine) -> None:
    machine.backend = {"s3": S3}
    found = machine()
    assert subjects(found, Level.ERROR, Level.SKIPPED) == []
    assert [finding.subject for finding in found[-3:]] == ["state", "state lock", "concurrency"]


def test_everything_that_is_wrong_is_told_at_once(machine: Machine) -> None:
    install(machine.bin / "node", "echo v18.0.0")
    terraform(machine.bin, "1.1.0")
    (machine.folder / "node_modules" / ".bin" / "cdktf").unlink()
    machine.backend = {"s3": S3}
    machine.account.answers |= {
        "HeadBucket": refusal("404", 404),
        "DescribeTable": refusal("ResourceNotFoundException"),
        "GetAccountSettings": limits(100),
    }
    found = machine(AWS_REGION="eu-west-1")
    assert subjects(found, Level.ERROR) == [
        *("Terraform", "Node", "cdktf", "state", "state lock", "concurrency")
    ]
    assert "region" in subjects(found, Level.WARNING)


def test_a_terraform_that_is_too_old_for_the_lockfile_is_told_of(machine: Machine) -> None:
    terraform(machine.bin, "1.9.8")
    machine.backend = {"s3": {**S3, "use_lockfile": True}}
    [fault] = [finding for finding in machine() if finding.level is Level.ERROR]
    assert fault == error(
        "backend",
        "cdktf.json: terraform.backend.s3.use_lockfile: Terraform 1.9.8 does not take it, "
        "Terraform does since 1.10; write dynamodb_table, or use Terraform 1.10 or newer",
    )


def test_a_fault_in_cdktf_json_does_not_hide_the_others(machine: Machine) -> None:
    machine.settings["batch_size"] = 11
    machine.backend = {"s3": {**S3, "bucket": 1, "encrypt": "yes"}}
    machine.account.answers["GetCallerIdentity"] = refusal("ExpiredToken")
    assert subjects(machine(), Level.ERROR) == ["backend", "backend", "settings", "credentials"]


def test_with_cdktf_json_wrong_only_the_account_is_looked_at(machine: Machine) -> None:
    machine.settings["batch_size"] = 11
    machine.backend = {"s3": {**S3, "bucket": 1}}
    machine()
    assert [operation for operation, _ in machine.account.asked] == ["GetCallerIdentity"]


@pytest.mark.parametrize(
    "answer",
    [
        refusal("InvalidClientTokenId", 403),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
def test_without_credentials_the_account_is_not_looked_at(machine: Machine, answer: Any) -> None:
    machine.account.answers["GetCallerIdentity"] = answer
    found = machine()
    assert subjects(found, Level.ERROR) == ["credentials"]
    assert str(found[-1]) == "skipped  account      cannot be looked at without credentials"
    assert [operation for operation, _ in machine.account.asked] == ["GetCallerIdentity"]


def test_a_stack_of_another_machine_is_told_of(machine: Machine) -> None:
    machine.account.answers["GetFunctionConcurrency"] = {}
    assert subjects(machine(), Level.ERROR) == ["stack"]
    (machine.folder / "terraform.tap-dev.tfstate").touch()
    assert subjects(machine(), Level.ERROR) == []


def test_an_account_that_the_backend_does_not_allow_is_told_of(machine: Machine) -> None:
    machine.backend = {"s3": {**S3, "forbidden_account_ids": ["123456789012"]}}
    assert subjects(machine(), Level.ERROR) == ["account"]


def test_the_account_of_a_profile_of_the_backends_own_is_its_own_affair(machine: Machine) -> None:
    machine.backend = {"s3": {**S3, "profile": "states", "allowed_account_ids": ["210987654321"]}}
    assert subjects(machine(), Level.ERROR) == []


@pytest.mark.parametrize(
    ("environment", "skipped"), [("ci", ["settings", "region"]), ("state", [])]
)
def test_a_stack_without_settings_has_no_function_to_look_at(
    machine: Machine, environment: str, skipped: list[str]
) -> None:
    machine.backend = {"s3": S3}
    found = machine(environment)
    assert subjects(found, Level.ERROR) == []
    assert subjects(found, Level.SKIPPED) == skipped
    assert not [each for each in machine.account.connections if each[0] == "lambda"]


@pytest.mark.parametrize(
    ("variables", "config", "region"),
    [
        ({}, "", "us-east-1"),
        ({"AWS_REGION": "eu-west-2"}, "[default]\nregion = eu-west-3", "eu-west-2"),
        ({}, "[default]\nregion = eu-west-3", "eu-west-3"),
    ],
)
def test_credentials_are_tried_somewhere_even_if_the_settings_do_not_say_where(
    machine: Machine, variables: dict[str, str], config: str, region: str
) -> None:
    (machine.folder / "config").write_text(config)
    machine("ci", **variables)
    assert machine.account.connections[0][:2] == ("sts", region)


def test_a_profile_that_is_missing_is_told_of_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    machine()
    folder = machine.folder
    found = list(check_all("dev", {"PATH": str(machine.bin)}, folder, folder))
    assert [each for each in found if each.level is Level.ERROR] == [
        error(
            "credentials",
            "The config profile (work) could not be found: set AWS_PROFILE to one of ~/.aws/config",
        )
    ]
    assert Finding("region", "us-east-1") in found


def test_nothing_is_changed(machine: Machine) -> None:
    machine.backend = {"s3": {**S3, "use_lockfile": True}}
    machine.account.answers["GetObject tap/tap-dev.tflock"] = refusal("NoSuchKey", 404)
    before = {path: path.stat().st_mtime_ns for path in machine.folder.rglob("*")}
    machine()
    after = {path: path.stat().st_mtime_ns for path in machine.folder.rglob("*")}
    del after[machine.folder / "cdktf.json"]
    assert after == before
    asked = {operation for operation, _ in machine.account.asked}
    assert len(asked) == 8
    assert {name for name in asked if not name.startswith(("Describe", "Get", "Head"))} == set()


# --- the command -------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(sys, "argv", ["preflight", "prod"])
    monkeypatch.setattr(command, "check_all", lambda *_: iter(findings))
    command.main()


def test_what_is_found_is_printed_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = Finding("region", "elsewhere", Level.WARNING)
    run(monkeypatch, Finding("Node", "v20.0.0"), warned, Finding("x", "y", Level.SKIPPED))
    assert capsys.readouterr().out.splitlines() == [
        "ok       Node         v20.0.0",
        "warning  region       elsewhere",
        "skipped  x            y",
    ]


def test_what_would_make_the_deployment_fail_ends_it_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, error("a", "b"), Finding("Node", "v20.0.0"), error("c", "d"))
    assert end.value.code == (
        "error: 2 of these would make the deployment of tap-prod fail (PREFLIGHT=no deploys all "
        "the same)"
    )
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["preflight", "--help"])
    monkeypatch.delitem(sys.modules, command.__name__)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lib.deploy.preflight", run_name="__main__")
    assert end.value.code == 0
    assert "usage: make preflight" in capsys.readouterr().out
