"""The plan of a deployment: what is asked of Terraform, and what becomes of its answer."""

from __future__ import annotations

import json
import os
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.deploy import plan as module
from lib.deploy.plan import PlanError, main, markdown, plan
from tests.unit.local.doubles import make_command

# Notes down how it was called; `show` prints what there is to print.
TERRAFORM = """\
import json, os, sys
verb = sys.argv[1]
with open({calls!r}, "a") as file:
    file.write(json.dumps([os.getcwd(), *sys.argv[1:]]) + "\\n")
if verb == {fails!r}:
    print("what it did")
    sys.exit("Error: no such bucket")
if verb == "plan":
    open(sys.argv[-1].removeprefix("-out="), "w").write("secret")
if verb == "show":
    assert open(sys.argv[-1]).read() == "secret"
    print({text!r})
"""
PLAN = "\n  # aws_x.y will be created\n\nPlan: 1 to add, 0 to change, 0 to destroy.\n"
Terraform = Callable[..., Path]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def terraform(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> Terraform:
    """Makes a Terraform that pretends, and a synthesized stack; returns the stack's folder."""
    folder = tmp_path / "cdktf.out" / "stacks" / "tap-dev"

    def terraform(text: str = PLAN, fails: str = "") -> Path:
        code = TERRAFORM.format(calls=str(calls), text=text, fails=fails)
        command = make_command(tmp_path / "terraform", code)
        monkeypatch.setenv("TERRAFORM_BINARY_NAME", str(command))
        monkeypatch.chdir(tmp_path)
        folder.mkdir(parents=True)
        return folder

    return terraform


def verbs(calls: Path) -> list[list[str]]:
    return [json.loads(line) for line in calls.read_text().splitlines()]


# --- terraform ---------------------------------------------------------------------------


def test_the_plan_is_what_terraform_shows(terraform: Terraform) -> None:
    assert plan(terraform(), os.environ) == PLAN.strip()


def test_the_stack_is_initialised_planned_and_shown(terraform: Terraform, calls: Path) -> None:
    folder = terraform()
    plan(folder, os.environ)
    init, planned, shown = verbs(calls)
    file = shown[-1]
    assert init == [str(folder), "init", "-no-color", "-input=false"]
    assert planned == [
        *(str(folder), "plan", "-no-color", "-input=false", "-lock-timeout=300s"),
        f"-out={file}",
    ]
    assert shown == [str(folder), "show", "-no-color", file]


def test_the_file_with_what_is_sensitive_is_gone(
    terraform: Terraform, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    folder = terraform()
    plan(folder, os.environ)
    assert verbs(calls)[-1][-1].startswith(str(temporary))
    assert (list(temporary.iterdir()), list(folder.iterdir())) == ([], [])


@pytest.mark.parametrize("verb", ["init", "plan", "show"])
def test_a_terraform_that_fails_is_quoted(terraform: Terraform, verb: str) -> None:
    folder = terraform(fails=verb)
    with pytest.raises(PlanError) as failure:
        plan(folder, os.environ)
    command = os.environ["TERRAFORM_BINARY_NAME"]
    assert str(failure.value) == (f"{command} {verb} failed:\nwhat it did\nError: no such bucket")


def test_a_terraform_that_is_not_there_is_told_of(
    terraform: Terraform, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terraform()
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", "no-such-terraform")
    with pytest.raises(PlanError, match=r"^no-such-terraform cannot be run in .*: No such file"):
        plan(folder, os.environ)


# --- Markdown ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (PLAN, "Plan: 1 to add, 0 to change, 0 to destroy."),
        (
            "No changes. Your infrastructure matches.\n\nMore.",
            "No changes. Your infrastructure matches.",
        ),
        ("Changes to Outputs:\n  + a = 1", "outputs change"),
    ],
)
def test_the_verdict_is_the_heading(text: str, verdict: str) -> None:
    assert markdown("tap-dev", text).splitlines()[0] == f"### tap-dev: {verdict}"


def test_the_whole_plan_is_in_the_summary() -> None:
    assert f"\n```text\n{PLAN}\n```\n" in markdown("tap-dev", PLAN)


def test_no_plan_ends_its_own_block() -> None:
    text = "a ```` b\n```\nNo changes."
    assert f"\n`````text\n{text}\n`````\n" in markdown("tap-dev", text)


def test_a_plan_that_is_too_long_for_github_is_cut() -> None:
    summary = markdown("tap-dev", "ä" * 1_000_000)
    assert len(summary.encode()) < 1_000_000
    assert "\n… cut: see the log\n" in summary


# --- the command -------------------------------------------------------------------------


def test_the_plan_is_printed(
    terraform: Terraform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    terraform()
    assert (main(), capsys.readouterr()) == (0, (f"{PLAN.strip()}\n", ""))


def test_on_a_runner_it_is_added_to_the_step_s_summary(
    terraform: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    terraform()
    main()
    assert summary.read_text() == "before\n" + markdown("tap-dev", PLAN.strip())


def test_the_environment_picks_the_stack(
    terraform: Terraform, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terraform().with_name("tap-prod")
    folder.mkdir()
    monkeypatch.setenv("TAP_ENVIRONMENT", "prod")
    assert main() == 0
    assert {call[0] for call in verbs(calls)} == {str(folder)}


def test_a_failure_is_told_and_nothing_else(
    terraform: Terraform, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform(fails="plan")
    assert main() == 1
    output, error = capsys.readouterr()
    assert (output, error.startswith("error: ")) == ("", True)


def test_as_a_script_it_ends_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(module.__file__, run_name="__main__")
    assert end.value.code == 1
