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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cdktf
import pytest

import main

ROOT = Path(__file__).parents[2]
S3 = {"bucket": "states", "key": "{stack}", "region": "eu-west-1", "use_lockfile": True}
Write = Callable[..., None]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with those arguments, and nothing that would silence it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JSII_", "CDKTF_", "PYTHONPATH"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process's apps write to; Node keeps the folder that it was started in."""
    folder = tmp_path / "cdktf.out"
    monkeypatch.setattr(cdktf, "App", functools.partial(cdktf.App, outdir=str(folder)))
    return folder


def stacks(output: Path) -> list[str]:
    return [path.name for path in (output / "stacks").iterdir()]


def test_importing_it_does_nothing(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import main; print('cdktf' in sys.modules)"
    )
    done = run("-c", code, cwd=tmp_path)
    assert (done.stdout, list(tmp_path.iterdir())) == ("False\n", [])


def test_it_writes_one_stack_to_the_current_folder(tmp_path: Path) -> None:
    done = run(str(ROOT / "main.py"), cwd=tmp_path, TAP_ENVIRONMENT="prod")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stacks(tmp_path / "cdktf.out") == ["tap-prod"]


@pytest.mark.parametrize(("environment", "name"), [("prod", "tap-prod"), (None, "tap-dev")])
def test_it_synthesizes_the_environment_that_is_named_or_dev(
    output: Path, monkeypatch: pytest.MonkeyPatch, environment: str | None, name: str
) -> None:
    if environment:
        monkeypatch.setenv("TAP_ENVIRONMENT", environment)
    main.main()
    assert stacks(output) == [name]


def test_the_zip_lies_where_terraform_will_look_for_it(output: Path, package: Path) -> None:
    main.main()
    stack = output / "stacks" / "tap-dev"
    [function] = json.loads((stack / "cdk.tf.json").read_text())["resource"][
        "aws_lambda_function"
    ].values()
    assert (stack / function["filename"]).read_bytes() == package.read_bytes()


def test_it_leaves_nothing_in_the_temporary_folder(
    output: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    main.main()
    assert list(temporary.iterdir()) == []


def test_bad_settings_end_it_with_one_line(tmp_path: Path) -> None:
    done = run(str(ROOT / "main.py"), cwd=tmp_path, TAP_ENVIRONMENT="nope")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "error: cdktf.json: context.environments has no 'nope': "
        "set TAP_ENVIRONMENT to dev or prod (environment nope)\n",
    )


def test_bad_settings_write_nothing(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "nope")
    with pytest.raises(SystemExit, match=r"^error: cdktf\.json: "):
        runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
    assert not output.exists()


# --- the backend -------------------------------------------------------------------------


def document(type_: str, block: dict[str, Any]) -> str:
    """The project's own cdktf.json with another backend."""
    own = json.loads((ROOT / "cdktf.json").read_text())
    return json.dumps({**own, "terraform": {"backend": {type_: block}}})


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts a cdktf.json with that backend beside this process's main.py."""
    monkeypatch.setattr(main, "__file__", str(tmp_path / "main.py"))
    # Whatever is installed here: a Terraform that takes every argument.
    command = tmp_path / "bin" / "terraform"
    command.parent.mkdir()
    answer = '{"terraform_version": "1.11.4", "terraform_outdated": false}'
    command.write_text(f"#!/bin/sh\necho '{answer}'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")

    def write(type_: str, **block: object) -> None:
        (tmp_path / "cdktf.json").write_text(document(type_, block))

    return write


def let_ci_deploy(path: Path, repository: str = "owner/name") -> None:
    """Say in a cdktf.json who deploys."""
    document = json.loads(path.read_text())
    document["context"]["ci"] = {"repository": repository}
    path.write_text(json.dumps(document))


def configuration(output: Path, name: str) -> Any:
    return json.loads((output / "stacks" / name / "cdk.tf.json").read_text("utf-8"))


def test_a_stack_keeps_its_state_where_the_backend_says(output: Path, write: Write) -> None:
    write("s3", **S3)
    main.main()
    settings = configuration(output, "tap-dev")["terraform"]
    assert (settings["backend"], settings["required_version"]) == (
        {"s3": {**S3, "key": "tap-dev"}},
        ">= 1.10",
    )


def test_an_environment_without_a_name_is_dev_for_the_backend_too(
    output: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("s3", **S3)
    monkeypatch.setenv("TAP_ENVIRONMENT", "")
    main.main()
    written = configuration(output, "tap-dev")
    assert written["terraform"]["backend"]["s3"]["key"] == "tap-dev"


def test_the_state_s_stack_holds_the_bucket_and_no_pipeline(
    output: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("s3", **S3)
    monkeypatch.setenv("TAP_ENVIRONMENT", "state")
    main.main()
    written = configuration(output, "tap-state")
    assert (
        stacks(output),
        written["terraform"]["backend"]["s3"]["key"],
        written["resource"]["aws_s3_bucket"]["state"]["bucket"],
        "aws_sqs_queue" in written["resource"],
    ) == (["tap-state"], "tap-state", "states", False)


def test_the_state_s_stack_is_made_in_the_account_of_the_backend(
    output: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("s3", **{**S3, "profile": "ops"})
    monkeypatch.setenv("TAP_ENVIRONMENT", "state")
    main.main()
    assert configuration(output, "tap-state")["provider"]["aws"] == [
        {"region": S3["region"], "profile": "ops"}
    ]


def test_ci_s_stack_holds_the_roles_and_no_pipeline(
    output: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("s3", **S3)
    let_ci_deploy(Path(main.__file__).with_name("cdktf.json"))
    monkeypatch.setenv("TAP_ENVIRONMENT", "ci")
    main.main()
    written = configuration(output, "tap-ci")
    assert (stacks(output), written["terraform"]["backend"]["s3"]["key"]) == (["tap-ci"], "tap-ci")
    assert written["resource"].keys() == {
        *("aws_iam_openid_connect_provider", "aws_iam_policy", "aws_iam_role"),
        "aws_iam_role_policy",
    }


@pytest.mark.parametrize("by_ci", [True, False])
def test_what_ci_deploys_has_the_boundary_that_ci_s_stack_sets(
    output: Path, write: Write, by_ci: bool
) -> None:
    write("s3", **S3)
    if by_ci:
        let_ci_deploy(Path(main.__file__).with_name("cdktf.json"))
    main.main()
    (role,) = configuration(output, "tap-dev")["resource"]["aws_iam_role"].values()
    assert ("permissions_boundary" in role) == by_ci


def test_a_ci_that_cannot_be_used_ends_it_with_one_line(write: Write) -> None:
    write("s3", **S3)
    let_ci_deploy(Path(main.__file__).with_name("cdktf.json"), "name")
    with pytest.raises(SystemExit, match=r"^error: cdktf\.json: context\.ci\.repository must name"):
        main.main()


def test_a_state_that_is_moved_is_no_error(
    output: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("s3", **S3)
    (tmp_path / "terraform.tap-dev.tfstate").write_text('{"resources": [{}]}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAP_MOVING_STATE", "1")
    main.main()
    assert list(configuration(output, "tap-dev")["terraform"]["backend"]) == ["s3"]


def test_make_migrate_moves_the_state_with_the_arguments_that_it_is_given() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "migrate", "ENV=qa", "ARGS=--auto-approve"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ".venv/bin/python -m lib.backend.migrate --auto-approve" in done.stdout.splitlines()


def test_a_backend_that_cannot_be_used_ends_it_with_a_line_for_each_fault(write: Write) -> None:
    write("s3", **{**S3, "encrypt": "yes", "useLockfile": True})
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == (
        "error: cdktf.json: terraform.backend.s3.encrypt: must be true or false, without quotes\n"
        "error: cdktf.json: terraform.backend.s3.useLockfile: no Terraform up to 1.15 takes it; "
        "did you mean use_lockfile?"
    )


def test_a_bucket_that_cannot_be_made_ends_it_with_one_line(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("s3", **{**S3, "bucket": "My_States"})
    monkeypatch.setenv("TAP_ENVIRONMENT", "state")
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == (
        "error: cdktf.json: terraform.backend.s3.bucket: no bucket can be made of that name; "
        "it takes 3 to 63 of a-z 0-9 - . and is no IP address"
    )


@pytest.mark.parametrize("environment", ["dev", "state"])
def test_a_backend_that_cannot_be_used_writes_nothing(
    output: Path, write: Write, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    write("s3", **{**S3, "encrypt": "yes"})
    monkeypatch.setenv("TAP_ENVIRONMENT", environment)
    with pytest.raises(SystemExit):
        main.main()
    assert not output.exists()


@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "by the cdktf command"])
def test_a_warning_is_printed_where_nobody_else_would_show_it(
    output: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    by_hand: bool,
) -> None:
    write("consul", path="{stack}", lock=False)
    if not by_hand:
        monkeypatch.setenv("CDKTF_OUTDIR", str(output))
    main.main()
    warning = (
        "warning: cdktf.json: terraform.backend.consul: nothing locks the state, so two "
        "deployments at once can destroy it; write lock\n"
    )
    assert capfd.readouterr() == ("", warning if by_hand else "")


def test_a_backend_in_order_is_not_talked_about(
    output: Path, write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    write("s3", **S3)
    main.main()
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Another folder with main.py in it."""
    folder = tmp_path / "copied"
    folder.mkdir()
    shutil.copy(ROOT / "main.py", folder)
    shutil.copytree(ROOT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The current folder, with a cdktf.json that cannot be deployed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "cdktf.json").write_text('{"terraform": {"backend": {"nope": {}}}}')
    return folder


def test_the_backend_is_the_one_beside_main_py(copied: Path, elsewhere: Path) -> None:
    (copied / "cdktf.json").write_text(document("gcs", {"prefix": "{stack}"}))
    done = run(str(copied / "main.py"), cwd=elsewhere)
    written = configuration(elsewhere / "cdktf.out", "tap-dev")
    assert (done.returncode, done.stdout, done.stderr, written["terraform"]["backend"]) == (
        0,
        "",
        "",
        {"gcs": {"prefix": "tap-dev"}},
    )


def test_the_state_that_is_left_behind_is_the_one_in_the_current_folder(
    copied: Path, elsewhere: Path
) -> None:
    (copied / "cdktf.json").write_text(document("gcs", {"prefix": "${x}"}))
    (elsewhere / "terraform.tap-dev.tfstate").write_text('{"resources": [{}, {}]}')
    done = run(str(copied / "main.py"), cwd=elsewhere)
    assert (
        done.returncode,
        done.stdout,
        [line.split(": ")[:2] for line in done.stderr.splitlines()],
        (elsewhere / "cdktf.out").exists(),
    ) == (1, "", [["error", "cdktf.json"], ["error", "terraform.tap-dev.tfstate"]], False)
