"""All checks together: what is planted is found, all of it at once, and nothing is changed."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from lib.deploy.preflight import __main__ as command
from lib.deploy.preflight import checks
from lib.deploy.preflight.checks import check_all
from lib.deploy.preflight.finding import Finding, Level, error, skipped, warning
from tests.unit.deploy.account import NOW, Account, identity, limits, refusal
from tests.unit.deploy.test_tools import install, terraform

S3 = {"bucket": "states", "key": "tap/{stack}", "region": "eu-west-1", "dynamodb_table": "locks"}
LOCAL = ["Terraform", "Node", "cdktf", "backend", "settings", "region", "credentials", "clock"]


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
        terraform(self.bin, "1.10.5")
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
            "terraform": {"backend": {"s3": self.backend}} if self.backend else {},
        }
        (self.folder / "cdktf.json").write_text(json.dumps(document))
        variables = {"PATH": str(self.bin), **variables}
        return list(
            check_all(environment, variables, self.folder, self.folder, self.account.connect)
        )

    def asked(self) -> set[str]:
        return {operation for operation, _ in self.account.asked}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    class Stopped:
        """A clock that is AWS's."""

        @staticmethod
        def now(_zone: object) -> Any:
            return NOW

    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setattr(checks, "datetime", Stopped)
    return Machine(tmp_path)


def subjects(findings: list[Finding], level: Level = Level.ERROR) -> list[str]:
    return [finding.subject for finding in findings if finding.level is level]


def test_a_machine_in_order_is_reported_line_by_line_and_not_changed(machine: Machine) -> None:
    assert subjects(machine(), Level.OK) == [*LOCAL, "concurrency"]
    machine.backend = {**S3, "use_lockfile": True}
    machine.account.answers["GetObject tap/tap-dev.tflock"] = refusal("NoSuchKey", 404)
    before = {path: path.stat().st_mtime_ns for path in machine.folder.rglob("*")}
    found = machine()
    assert {finding.level for finding in found} == {Level.OK}
    assert subjects(found, Level.OK) == [*LOCAL, "state", *["state lock"] * 2, "concurrency"]
    after = {path: path.stat().st_mtime_ns for path in machine.folder.rglob("*")}
    del before[machine.folder / "cdktf.json"], after[machine.folder / "cdktf.json"]
    assert after == before
    assert len(machine.asked()) == 8
    reading = ("Describe", "Get", "Head")
    assert [name for name in machine.asked() if not name.startswith(reading)] == []


def test_everything_that_is_wrong_is_reported_at_once(machine: Machine) -> None:
    install(machine.bin / "node", "echo v18.0.0")
    terraform(machine.bin, "1.1.0")
    (machine.folder / "node_modules" / ".bin" / "cdktf").unlink()
    machine.backend = S3
    machine.account.answers |= {
        "HeadBucket": refusal("404", 404),
        "DescribeTable": refusal("ResourceNotFoundException"),
        "GetAccountSettings": limits(100),
    }
    found = machine(AWS_REGION="eu-west-1")
    assert subjects(found) == [
        *("Terraform", "Node", "cdktf", "state", "state lock", "concurrency"),
    ]
    assert "region" in subjects(found, Level.WARNING)


def test_a_terraform_that_is_too_old_for_the_lockfile_is_reported(machine: Machine) -> None:
    terraform(machine.bin, "1.9.8")
    machine.backend = {**S3, "use_lockfile": True}
    [fault] = [finding for finding in machine() if finding.level is Level.ERROR]
    assert fault == error(
        "backend",
        "cdktf.json: terraform.backend.s3.use_lockfile: Terraform 1.9.8 does not take it, "
        "Terraform does since 1.10; write dynamodb_table, or use Terraform 1.10 or newer",
    )


def test_with_cdktf_json_wrong_only_the_account_is_looked_at(machine: Machine) -> None:
    machine.settings["batch_size"] = 11
    machine.backend = {**S3, "bucket": 1, "encrypt": "yes"}
    assert subjects(machine()) == ["backend", "backend", "settings"]
    assert machine.asked() == {"GetCallerIdentity"}


def test_without_credentials_the_account_is_not_looked_at(machine: Machine) -> None:
    machine.account.answers["GetCallerIdentity"] = refusal("InvalidClientTokenId", 403)
    found = machine()
    assert subjects(found) == ["credentials"]
    assert found[-1] == skipped("account", "cannot be looked at without credentials")
    assert machine.asked() == {"GetCallerIdentity"}


def test_a_stack_of_another_machine_is_reported(machine: Machine) -> None:
    machine.account.answers["GetFunctionConcurrency"] = {}
    assert subjects(machine()) == ["stack"]
    (machine.folder / "terraform.tap-dev.tfstate").touch()
    assert subjects(machine()) == []


def test_an_account_that_the_backend_does_not_allow_is_reported_unless_it_has_a_profile(
    machine: Machine,
) -> None:
    machine.backend = {**S3, "forbidden_account_ids": ["123456789012"]}
    assert subjects(machine()) == ["account"]
    machine.backend |= {"profile": "states"}
    assert subjects(machine()) == []


@pytest.mark.parametrize(
    ("environment", "region", "skipped"),
    [("state", "eu-west-1", []), ("ci", "us-east-1", ["settings", "region"])],
)
def test_a_stack_without_settings_has_no_function_to_look_at(
    machine: Machine, environment: str, region: str, skipped: list[str]
) -> None:
    machine.backend = S3
    found = machine(environment)
    assert (subjects(found), subjects(found, Level.SKIPPED)) == ([], skipped)
    assert machine.account.connections[0][:2] == ("sts", region)
    assert "lambda" not in {connection[0] for connection in machine.account.connections}


def test_credentials_are_tried_where_aws_tools_are_set_to(machine: Machine) -> None:
    (machine.folder / "config").write_text("[default]\nregion = eu-west-3")
    machine("ci")
    machine("ci", AWS_REGION="eu-west-2")
    regions = [connection[1] for connection in machine.account.connections]
    assert regions == ["eu-west-3", "eu-west-2"]


def test_a_profile_that_is_missing_is_reported_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    monkeypatch.setenv("AWS_PROFILE", "work")
    folder = machine.folder
    found = list(check_all("dev", {"PATH": str(machine.bin)}, folder, folder))
    assert [each for each in found if each.level is Level.ERROR] == [
        error(
            "credentials",
            "The config profile (work) could not be found: set AWS_PROFILE to one of ~/.aws/config",
        )
    ]
    assert Finding("region", "us-east-1") in found


# --- the command -------------------------------------------------------------------------


def test_findings_are_printed_line_by_line_and_errors_end_it_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("Node", "v20\nand\x1b[31m more"), warning("region", "elsewhere")]
    findings.append(skipped("x", "y"))
    monkeypatch.setattr(sys, "argv", ["preflight", "prod"])
    monkeypatch.setattr(command, "check_all", lambda *_: iter(findings))
    command.main()
    assert capsys.readouterr().out.splitlines() == [
        "ok       Node         v20 and?[31m more",
        "warning  region       elsewhere",
        "skipped  x            y",
    ]
    findings += [error("a", "b"), error("c", "d")]
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == (
        "error: 2 of these would make the deployment of tap-prod fail (PREFLIGHT=no deploys all "
        "the same)"
    )
    assert capsys.readouterr().out.splitlines()[3:] == [
        "error    a            b",
        "error    c            d",
    ]


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["preflight", "--help"])
    monkeypatch.delitem(sys.modules, command.__name__)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lib.deploy.preflight", run_name="__main__")
    assert end.value.code == 0
    assert "usage: make preflight" in capsys.readouterr().out
