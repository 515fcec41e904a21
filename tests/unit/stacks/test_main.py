"""The app: what ``python main.py`` writes, and where."""

from __future__ import annotations

import functools
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cdktf
import pytest

import main
from tests.unit.stacks.snapshots import PROJECT

S3 = {"bucket": "states", "key": "{stack}", "region": "eu-west-1", "use_lockfile": True}
CI = {"repository": "owner/name"}
Write = Callable[..., None]
Synthesize = Callable[[str], Any]


def document(backend: Mapping[str, Any], ci: Mapping[str, Any] | None = None) -> str:
    """Return the project's own cdktf.json with that backend, and with CI if it is to deploy."""
    own = json.loads((PROJECT / "cdktf.json").read_text("utf-8"))
    context = {**own["context"], **({"ci": ci} if ci else {})}
    return json.dumps({**own, "context": context, "terraform": {"backend": backend}})


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with those arguments, and nothing that would silence it."""
    silencing = ("JSII_", "CDKTF_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(silencing)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Put a cdktf.json next to this process's main.py, and a Terraform that knows all arguments."""
    monkeypatch.setattr(main, "__file__", str(tmp_path / "main.py"))
    command = tmp_path / "bin" / "terraform"
    command.parent.mkdir()
    answer = '{"terraform_version": "1.11.4", "terraform_outdated": false}'
    command.write_text(f"#!/bin/sh\necho '{answer}'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")

    def write(backend: Mapping[str, Any], ci: Mapping[str, Any] | None = None) -> None:
        (tmp_path / "cdktf.json").write_text(document(backend, ci))

    return write


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process's apps write to; Node keeps the folder that it was started in."""
    folder = tmp_path / "cdktf.out"
    monkeypatch.setattr(cdktf, "App", functools.partial(cdktf.App, outdir=str(folder)))
    return folder


@pytest.fixture
def synthesize(output: Path, monkeypatch: pytest.MonkeyPatch) -> Synthesize:
    """Run it for an environment, which writes this stack alone; returns its configuration."""

    def synthesize(environment: str) -> Any:
        monkeypatch.setenv("TAP_ENVIRONMENT", environment)
        main.main()
        (folder,) = (output / "stacks").iterdir()
        assert folder.name == f"tap-{environment or 'dev'}"
        return json.loads((folder / "cdk.tf.json").read_text("utf-8"))

    return synthesize


def test_importing_it_does_nothing(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import main"
    done = run("-c", f"{code}; print('cdktf' in sys.modules)", cwd=tmp_path)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("False\n", "", [])


@pytest.mark.parametrize(
    ("environment", "ci", "kind"),
    [
        ("", None, "aws_sqs_queue"),
        ("prod", CI, "aws_sqs_queue"),
        ("state", None, "aws_s3_bucket"),
        ("ci", CI, "aws_iam_openid_connect_provider"),
    ],
)
def test_the_environment_chooses_the_stack_and_the_backend_keeps_its_state(
    synthesize: Synthesize, write: Write, environment: str, ci: dict[str, Any] | None, kind: str
) -> None:
    s3 = {**S3, "profile": "ops"}
    write({"s3": s3}, ci)
    written = synthesize(environment)
    key = f"tap-{environment or 'dev'}"
    assert written["terraform"]["backend"] == {"s3": {**s3, "key": key}}
    kinds = {"aws_sqs_queue", "aws_s3_bucket", "aws_iam_openid_connect_provider"}
    assert kinds & written["resource"].keys() == {kind}
    if kind == "aws_sqs_queue":  # tap-ci limits what CI deploys
        (role,) = written["resource"]["aws_iam_role"].values()
        assert ("permissions_boundary" in role) == bool(ci)
    if environment == "state":  # in the account of the backend
        assert written["provider"]["aws"] == [{"region": "eu-west-1", "profile": "ops"}]


def test_the_zip_lies_where_terraform_looks_for_it_and_nowhere_else(
    synthesize: Synthesize,
    output: Path,
    package: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (function,) = synthesize("dev")["resource"]["aws_lambda_function"].values()
    path = output / "stacks" / "tap-dev" / function["filename"]
    assert path.read_bytes() == package.read_bytes()
    assert list(temporary.iterdir()) == []


def test_a_state_that_is_being_moved_is_no_error(
    synthesize: Synthesize, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"s3": S3})
    (tmp_path / "terraform.tap-dev.tfstate").write_text('{"resources": [{}]}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAP_MOVING_STATE", "1")
    assert list(synthesize("dev")["terraform"]["backend"]) == ["s3"]


def test_it_is_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "nope")
    with pytest.raises(SystemExit, match=r"^error: cdktf\.json: "):
        runpy.run_path(str(PROJECT / "main.py"), run_name="__main__")


@pytest.mark.parametrize(
    ("environment", "s3", "ci", "places"),
    [
        ("nope", {}, None, ["context.environments has no 'nope'"]),
        (
            "dev",
            {"encrypt": "yes", "x": 1},
            None,
            [f"terraform.backend.s3.{k}" for k in ("encrypt", "x")],
        ),
        ("state", {"bucket": "My_States"}, None, ["terraform.backend.s3.bucket"]),
        ("dev", {}, {"repository": "name"}, ["context.ci.repository must name"]),
    ],
)
def test_what_cannot_be_deployed_ends_it_with_a_line_for_each_fault_and_writes_nothing(
    output: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    *,
    environment: str,
    s3: Mapping[str, Any],
    ci: Mapping[str, Any] | None,
    places: list[str],
) -> None:
    write({"s3": {**S3, **s3}}, ci)
    monkeypatch.setenv("TAP_ENVIRONMENT", environment)
    with pytest.raises(SystemExit) as caught:
        main.main()
    for line, place in zip(str(caught.value.code).splitlines(), places, strict=True):
        assert line.startswith(f"error: cdktf.json: {place}")
    assert not output.exists()


@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "by the cdktf command"])
def test_a_warning_is_printed_where_nobody_else_would_show_it(
    synthesize: Synthesize,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    by_hand: bool,
) -> None:
    write({"consul": {"path": "{stack}", "lock": False}})
    if not by_hand:
        monkeypatch.setenv("CDKTF_OUTDIR", "anything")
    synthesize("dev")
    output, errors = capfd.readouterr()
    start = "warning: cdktf.json: terraform.backend.consul: nothing locks the state"
    assert (output, errors.count("\n"), errors.startswith(start)) == ("", by_hand, by_hand)


def test_the_state_that_is_left_behind_is_the_one_in_the_current_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"gcs": {"prefix": "${x}"}})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "terraform.tap-dev.tfstate").write_text('{"resources": [{}, {}]}')
    monkeypatch.chdir(elsewhere)
    with pytest.raises(SystemExit) as caught:
        main.main()
    places = [line.split(": ")[1] for line in str(caught.value.code).splitlines()]
    assert places == ["cdktf.json", "terraform.tap-dev.tfstate"]


def test_it_reads_the_file_next_to_it_and_writes_to_the_current_folder(tmp_path: Path) -> None:
    copied, elsewhere = tmp_path / "copied", tmp_path / "elsewhere"
    for folder, backend in ((copied, {"gcs": {"prefix": "{stack}"}}), (elsewhere, {"nope": {}})):
        folder.mkdir()
        (folder / "cdktf.json").write_text(document(backend))
    shutil.copy(PROJECT / "main.py", copied)
    (copied / "lib").symlink_to(PROJECT / "lib")
    done = run(str(copied / "main.py"), cwd=elsewhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (stack,) = (elsewhere / "cdktf.out" / "stacks").iterdir()
    written = json.loads((stack / "cdk.tf.json").read_text("utf-8"))
    assert written["terraform"]["backend"] == {"gcs": {"prefix": "tap-dev"}}
