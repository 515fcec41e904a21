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
def terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terraform:
    """Makes a Terraform that pretends, and a synthesized stack; returns the stack's folder."""
    folder = tmp_path / "cdktf.out" / "stacks" / "tap-prod"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TAP_ENVIRONMENT", "prod")
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", str(tmp_path / "terraform"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)

    def terraform(fails: str = "") -> Path:
        code = TERRAFORM.format(calls=str(tmp_path / "calls"), text=PLAN, fails=fails)
        make_command(tmp_path / "terraform", code)
        return folder

    return terraform


def test_the_stack_is_initialised_planned_and_shown_and_no_secret_is_left(
    terraform: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    folder = terraform()
    assert plan(folder, os.environ) == PLAN.strip()
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    file = calls[-1][-1]
    assert calls == [
        [str(folder), "init", "-no-color", "-input=false"],
        [
            *(str(folder), "plan", "-no-color", "-input=false", "-lock-timeout=300s"),
            f"-out={file}",
        ],
        [str(folder), "show", "-no-color", file],
    ]
    assert file.startswith(str(temporary))
    assert (list(temporary.iterdir()), list(folder.iterdir())) == ([], [])


@pytest.mark.parametrize("verb", ["init", "plan", "show"])
def test_a_terraform_that_fails_is_quoted(terraform: Terraform, verb: str) -> None:
    folder = terraform(verb)
    with pytest.raises(PlanError) as failure:
        plan(folder, os.environ)
    command = os.environ["TERRAFORM_BINARY_NAME"]
    assert str(failure.value) == f"{command} {verb} failed:\nwhat it did\nError: no such bucket"


def test_a_terraform_that_is_not_there_is_named(terraform: Terraform) -> None:
    environment = {"TERRAFORM_BINARY_NAME": "no-such-terraform"}
    with pytest.raises(PlanError, match=r"^no-such-terraform cannot be run in .*: No such file"):
        plan(terraform(), environment)


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
def test_the_summary_is_the_verdict_and_the_whole_plan(text: str, verdict: str) -> None:
    assert markdown("tap-dev", text) == (
        f"### tap-dev: {verdict}\n\n<details><summary>The plan</summary>\n\n```text\n{text}\n```\n"
        "\n</details>\n"
    )


def test_no_plan_ends_its_own_block_or_is_too_long_for_github() -> None:
    text = "a ```` b\n```\nNo changes."
    assert f"\n`````text\n{text}\n`````\n" in markdown("tap-dev", text)
    summary = markdown("tap-dev", "ä" * 1_000_000)
    assert 900_000 < len(summary.encode()) < 1_000_000
    assert "\n… cut: see the log\n" in summary


def test_the_plan_is_printed_and_on_a_runner_added_to_the_step_s_summary(
    terraform: Terraform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terraform()
    assert (main(), capsys.readouterr()) == (0, (f"{PLAN.strip()}\n", ""))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main() == 0
    assert summary.read_text() == "before\n" + markdown("tap-prod", PLAN.strip())


def test_a_failure_is_printed_and_ends_the_script_with_exit_code_1(
    terraform: Terraform, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform("plan")
    with pytest.raises(SystemExit) as end:
        runpy.run_path(module.__file__, run_name="__main__")
    output, error = capsys.readouterr()
    assert (end.value.code, output, error[:7]) == (1, "", "error: ")
