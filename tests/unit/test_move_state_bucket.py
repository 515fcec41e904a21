"""Making the bucket first, synthesizing, and the command: the rest of ``lib.backend.migrate``."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lib.backend import migrate as move_state
from tests.unit.state_mover import DOCUMENT, MADE, OTHER, Mover

MOVED = "the state of tap-state was moved; the file is now terraform.tap-state.tfstate.moved"
PUSHED = ["init", "state pull", "state push", "state pull"]
# What main.py would do, without the three seconds that it takes.
APP = """import json, os, pathlib, sys
names = ("CDKTF_OUTDIR", "TAP_MOVING_STATE", "TAP_ENVIRONMENT")
pathlib.Path("seen").write_text(json.dumps([os.environ.get(name) for name in names[1:]]))
stack = pathlib.Path(os.environ[names[0]], "stacks", "tap-dev")
stack.mkdir(parents=True)
document = {"terraform": json.loads(os.environ["STUB_TERRAFORM"])}
(stack / "cdk.tf.json").write_text(json.dumps(document))
sys.exit(int(os.environ.get("STUB_CODE", "0")))
"""


@pytest.fixture
def mover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mover:
    """No bucket, and no local state."""
    mover = Mover(tmp_path, monkeypatch)
    mover.bucket.unlink()
    return mover


# --- the bucket --------------------------------------------------------------------------


def test_another_stack_does_not_make_the_bucket(mover: Mover) -> None:
    mover.local().write_text(OTHER)
    assert (mover.refusal(), mover.commands, mover.local().read_text()) == (
        "there is no such bucket yet; make migrate ENV=state makes it",
        ["init"],
        OTHER,
    )


def test_the_state_s_stack_makes_it_and_connects_again(mover: Mover) -> None:
    mover("state")
    assert mover.commands == ["init", "init locally", "apply locally", *PUSHED]


def test_the_state_of_its_making_is_moved(mover: Mover) -> None:
    assert (
        mover("state"),
        mover.kept.read_text(),
        mover.aside("state").read_text(),
        mover.local("state").exists(),
    ) == (MOVED, MADE, MADE, False)


def test_it_is_made_of_the_whole_stack_with_a_local_state(mover: Mover) -> None:
    mover("state")
    backend = {"local": {"path": str(mover.local("state"))}}
    made = {**DOCUMENT, "terraform": {**DOCUMENT["terraform"], "backend": backend}}
    assert [call["document"] for call in mover.calls[1:3]] == [made, made]


def test_what_lies_over_the_real_backend_does_not_lie_over_the_local_one(mover: Mover) -> None:
    over = {"TF_CLI_ARGS": "-no-color", "TF_CLI_ARGS_init": "-backend-config=x"}
    mover("state", **over)
    assert [call["laid over"] for call in mover.calls] == [over, {}, {}, *[over] * 4]


@pytest.mark.parametrize(("is_approved", "options"), [(False, []), (True, ["-auto-approve"])])
def test_it_is_made_without_asking_only_if_that_was_said(
    mover: Mover, is_approved: bool, options: list[str]
) -> None:
    mover("state", is_approved)
    asked = [call["arguments"] for call in mover.calls[1:3]]
    assert asked == [["init", "-input=false"], ["apply", *options]]


def test_the_answer_is_read_by_apply_and_nobody_else(mover: Mover, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    answers.write_text("yes\n")
    kept = os.dup(0)
    with answers.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        mover("state")
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert [call["input"] for call in mover.calls] == ["", "", "yes\n", *[""] * 4]


@pytest.mark.parametrize(
    ("command", "first"), [("init locally", "init"), ("apply locally", "apply")]
)
def test_nothing_is_pushed_if_it_was_not_made(mover: Mover, command: str, first: str) -> None:
    assert (mover.refusal("state", STUB_FAILS=command), mover.commands[-1]) == (
        f"terraform {first} failed; the next try goes on from there",
        command,
    )


def test_what_it_was_made_with_stays_if_the_push_fails(mover: Mover) -> None:
    mover.refusal("state", STUB_FAILS="state push")
    assert mover.local("state").read_text() == MADE


def test_an_interruption_after_the_making_loses_nothing(mover: Mover) -> None:
    mover.refusal("state", STUB_FAILS="state push")
    count = len(mover.commands)
    assert (mover("state"), mover.kept.read_text(), mover.commands[count:]) == (
        MOVED,
        MADE,
        # What is there may be half made.
        ["init", "state pull", "init locally", "apply locally", *PUSHED[1:]],
    )


def test_a_bucket_that_is_there_is_not_made(mover: Mover) -> None:
    mover.bucket.touch()
    mover.kept.write_text(MADE)
    assert (mover("state"), mover.commands) == (
        "tap-state keeps its state there already; there is nothing to move",
        ["init", "state pull"],
    )


# --- the synthesis -----------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mover:
    """A project whose main.py is quick; its Terraform has a bucket and a state to move."""
    synthesized = move_state._synthesized
    mover = Mover(tmp_path, monkeypatch)
    mover.local().write_text(MADE)
    monkeypatch.setattr(move_state, "_synthesized", synthesized)
    monkeypatch.setattr(move_state, "_PROJECT", tmp_path)
    (tmp_path / "main.py").write_text(APP)
    return mover


def synthesize(
    project: Mover, terraform: Mapping[str, Any], **environment: str
) -> tuple[str, list[str]]:
    """Move a state where a synthesized block says; what it said, and what Terraform did."""
    try:
        said = project(STUB_TERRAFORM=json.dumps(terraform), **environment)
    except move_state.StateError as reason:
        said = str(reason)
    return said, project.commands


@pytest.mark.parametrize("terraform", [{"backend": {"s3": {}}}, {"cloud": {}}], ids=["s3", "cloud"])
def test_the_backend_is_the_synthesized_one(project: Mover, terraform: dict[str, Any]) -> None:
    synthesize(project, terraform)
    assert project.calls[0]["document"] == {"terraform": terraform}


def test_the_app_is_told_that_the_state_is_being_moved(project: Mover) -> None:
    synthesize(project, {"backend": {"s3": {}}}, TAP_ENVIRONMENT="dev")
    assert json.loads((project.folder / "seen").read_text()) == ["1", "dev"]


def test_the_app_writes_nothing_to_the_current_folder(project: Mover) -> None:
    synthesize(project, {"backend": {"s3": {}}}, CDKTF_OUTDIR=str(project.folder / "mine"))
    assert {path.name for path in project.folder.iterdir()} == {"seen", project.aside().name}


def test_what_cannot_be_synthesized_is_not_moved(project: Mover) -> None:
    assert synthesize(project, {"backend": {"s3": {}}}, STUB_CODE="1") == (
        "the stack cannot be synthesized",
        [],
    )


def test_a_local_backend_is_nowhere_to_move_to(project: Mover) -> None:
    assert synthesize(project, {"backend": {"local": {"path": "x"}}}) == (
        "the state is to be kept in a local file; name a backend in cdktf.json",
        [],
    )


# --- the command -------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the command asks for; it is run in a folder of its own."""
    calls: list[tuple[Any, ...]] = []

    def move(*arguments: Any) -> str:
        calls.append(arguments)
        return "done"

    monkeypatch.setattr(move_state, "move_state", move)
    monkeypatch.setattr(sys, "argv", ["move_state"])
    monkeypatch.chdir(tmp_path)
    return calls


def test_the_command_prints_the_line(
    asked: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    move_state.main()
    assert capsys.readouterr() == ("done\n", "")


@pytest.mark.parametrize(("named", "name"), [(None, "dev"), ("", "dev"), ("state", "state")])
def test_the_environment_is_the_one_that_is_named_or_dev(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, named: str | None, name: str
) -> None:
    if named is not None:
        monkeypatch.setenv("TAP_ENVIRONMENT", named)
    move_state.main()
    assert asked == [(name, Path.cwd(), os.environ, False)]


def test_the_approval_is_passed_on(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["move_state", "--auto-approve"])
    move_state.main()
    assert asked[0][3] is True


def test_a_state_that_cannot_be_moved_ends_it_with_one_line(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> str:
        raise move_state.StateError("why")

    monkeypatch.setattr(move_state, "move_state", refuse)
    with pytest.raises(SystemExit) as caught:
        move_state.main()
    assert caught.value.code == "error: why"  # Python prints it to stderr, and exits with 1


def test_an_unknown_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["move_state", "--force"])
    with pytest.raises(SystemExit, match=r"^2$"):
        runpy.run_path(move_state.__file__, run_name="__main__")
    assert "unrecognized arguments: --force" in capsys.readouterr().err
