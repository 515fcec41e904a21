"""Moving a state: whatever happens, it is in one place at least, and over no other one."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lib.backend import migrate
from tests.unit.backend.mover import BACKEND, DOCUMENT, EMPTY, MADE, OTHER, STATE, Mover

PUSHED = ["init", "state pull", "state push", "state pull"]
MOVED = "the state of tap-{0} was moved; the file is now terraform.tap-{0}.tfstate.moved"
CLOUD = {"cloud": {"organization": "us"}}
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
    """A bucket with nothing in it, and no local state."""
    return Mover(tmp_path, monkeypatch)


@pytest.fixture
def deployed(mover: Mover) -> Mover:
    """The same with a local state of dev."""
    mover.local().write_text(STATE)
    return mover


@pytest.fixture
def bare(mover: Mover) -> Mover:
    """No bucket, and no local state."""
    mover.bucket.unlink()
    return mover


# --- into an empty backend ---------------------------------------------------------------


@pytest.mark.parametrize("block", [{"backend": BACKEND}, CLOUD], ids=["backend", "cloud"])
def test_the_backend_gets_exactly_the_file_which_is_put_aside(
    deployed: Mover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: dict[str, Any]
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    deployed.local("prod").write_text(OTHER)
    terraform = {**block, "required_version": ">= 1.10"}
    required = {**terraform, "required_providers": {"aws": {"source": "aws"}}}
    deployed.document = {**DOCUMENT, "terraform": required}

    said = deployed(TF_CLI_ARGS_init="-backend-config=x", TF_DATA_DIR="data")

    assert said == MOVED.format("dev")
    assert deployed.kept.read_text() == deployed.aside().read_text() == STATE
    assert not deployed.local().exists()
    assert deployed.local("prod").read_text() == OTHER
    assert deployed.commands == PUSHED  # what was pushed is read again
    init, _, push, _ = calls = deployed.calls
    # It asks nothing, and forces nothing.
    assert init["arguments"] == ["init", "-input=false", "-no-color"]
    assert push["arguments"] == ["state", "push", str(deployed.local())]
    assert [call["document"] for call in calls] == [{"terraform": terraform}] * 4
    over = {"TF_CLI_ARGS_init": "-backend-config=x"}
    assert [call["laid over"] for call in calls] == [over] * 4
    assert list(temporary.iterdir()) == []


def test_terraform_forgets_the_local_file_once_it_was_moved_and_nothing_else(
    deployed: Mover,
) -> None:
    stacks = deployed.folder / "cdktf.out" / "stacks"
    for stack in ("tap-dev", "tap-prod"):
        (stacks / stack / ".terraform" / "providers").mkdir(parents=True)
        (stacks / stack / ".terraform" / "terraform.tfstate").touch()
    before = {str(path.relative_to(stacks)) for path in stacks.glob("*/.terraform/*")}
    deployed.refusal(STUB_FAILS="state push")
    assert {str(path.relative_to(stacks)) for path in stacks.glob("*/.terraform/*")} == before
    deployed()
    after = {str(path.relative_to(stacks)) for path in stacks.glob("*/.terraform/*")}
    assert before - after == {"tap-dev/.terraform/terraform.tfstate"}


@pytest.mark.parametrize("empty", ["", "{}", '{"resources": null}'])
def test_a_backend_and_a_state_are_empty_however_they_say_so(deployed: Mover, empty: str) -> None:
    deployed.local().write_text(empty or EMPTY)
    assert deployed(STUB_EMPTY=empty, STUB_KEEPS=EMPTY) == MOVED.format("dev")
    assert deployed.commands == PUSHED


def test_the_terraform_that_is_named_does_it(deployed: Mover) -> None:
    named = deployed.terraform.rename(deployed.folder.parent / "tofu")
    assert deployed.refusal(TERRAFORM_BINARY_NAME="nope") == (
        "nope cannot be started: No such file or directory"
    )
    assert deployed(TERRAFORM_BINARY_NAME=str(named)) == MOVED.format("dev")


def test_an_interruption_waits_until_terraform_has_ended(
    deployed: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    communicate = subprocess.Popen.communicate
    interruptions = [KeyboardInterrupt()]

    def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
        if interruptions:
            raise interruptions.pop()
        return communicate(process)

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    assert deployed() == MOVED.format("dev")


# --- over no other state -----------------------------------------------------------------


def test_a_state_that_is_there_already_is_not_pushed_again(deployed: Mover) -> None:
    deployed.kept.write_text(STATE)
    deployed.aside().write_text(OTHER)
    assert deployed() == f"{MOVED.format('dev')}.moved"
    assert deployed.aside().read_text() == OTHER
    # The next time there is nothing left to do.
    assert deployed() == "tap-dev keeps its state there already; there is nothing to move"
    assert deployed.commands == ["init", "state pull"] * 2


@pytest.mark.parametrize("state", [STATE, EMPTY])
def test_another_state_is_not_written_over(deployed: Mover, state: str) -> None:
    deployed.local().write_text(state)
    deployed.kept.write_text(OTHER)
    assert deployed.refusal() == (
        "the backend keeps another state of tap-dev already, and nothing was changed; "
        "put terraform.tap-dev.tfstate aside if it is the older one"
    )
    assert (deployed.kept.read_text(), deployed.local().read_text()) == (OTHER, state)
    assert deployed.commands == ["init", "state pull"]
    assert not deployed.aside().exists()


def resources(*instances: dict[str, Any], **more: Any) -> str:
    queue = {"mode": "managed", "type": "aws_sqs_queue", "name": "q", **more}
    return json.dumps({"resources": [{**queue, "instances": [*instances]}]})


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (resources({"index_key": "a", "attributes": {"id": "b"}, "private": "x"}, each="m"), True),
        (resources({"index_key": "a", "attributes": {"id": "c"}}), False),
        (resources({"index_key": 1, "attributes": {"id": "b"}}), False),
        (resources({"index_key": "a"}), False),
        (resources({"index_key": "a", "attributes": {"id": "b"}}, module="m"), False),
    ],
)
def test_states_are_the_same_if_their_resources_are(
    deployed: Mover, other: str, is_same: bool
) -> None:
    deployed.local().write_text(resources({"index_key": "a", "attributes": {"id": "b"}}))
    deployed.kept.write_text(other)
    if is_same:
        assert deployed() == MOVED.format("dev")
    else:
        assert "another state" in deployed.refusal()


# --- what fails --------------------------------------------------------------------------


def test_without_any_state_there_is_nothing_to_move(mover: Mover) -> None:
    assert mover.refusal() == "there is no terraform.tap-dev.tfstate to move"


def test_another_workspace_than_the_default_is_rejected(deployed: Mover) -> None:
    assert deployed.refusal(TF_WORKSPACE="blue") == (
        "TF_WORKSPACE: only the state of the default workspace is moved; unset it"
    )
    assert deployed.calls == []


@pytest.mark.parametrize("command", ["init", "state pull", "state push"])
def test_the_file_stays_if_terraform_fails_whose_words_are_in_one_line(
    deployed: Mover, command: str
) -> None:
    said = deployed.refusal(STUB_FAILS=command)
    assert said == f"terraform {command.split(maxsplit=1)[0]} failed: Error: Access denied"
    assert deployed.commands[-1] == command
    assert (deployed.local().read_text(), deployed.aside().exists()) == (STATE, False)


@pytest.mark.parametrize("kept", [OTHER, "{}"])
def test_the_file_stays_if_something_else_comes_back(deployed: Mover, kept: str) -> None:
    assert (deployed.refusal(STUB_KEEPS=kept), deployed.local().read_text()) == (
        "the backend does not give back what was written; see terraform.tap-dev.tfstate",
        STATE,
    )


@pytest.mark.parametrize("state", ["", "{", "[]", "null", "\udcff"])
def test_what_is_no_state_is_not_pushed(deployed: Mover, state: str) -> None:
    deployed.local().write_text(state, errors="surrogateescape")
    assert deployed.refusal().startswith("terraform.tap-dev.tfstate cannot be understood: ")
    assert deployed.commands == ["init", "state pull"]


# --- the bucket --------------------------------------------------------------------------


def test_another_stack_does_not_make_the_bucket(bare: Mover) -> None:
    bare.local().write_text(OTHER)
    assert bare.refusal() == "there is no such bucket yet; make migrate ENV=state makes it"
    assert (bare.commands, bare.local().read_text()) == (["init"], OTHER)


@pytest.mark.parametrize(("is_approved", "options"), [(False, []), (True, ["-auto-approve"])])
def test_the_state_s_stack_makes_the_bucket_with_a_local_state_and_moves_that(
    bare: Mover, tmp_path: Path, is_approved: bool, options: list[str]
) -> None:
    answers = tmp_path / "answers"
    answers.write_text("yes\n")
    kept = os.dup(0)
    over = {"TF_CLI_ARGS": "-no-color", "TF_CLI_ARGS_init": "-backend-config=x"}
    with answers.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        said = bare("state", is_approved, **over)
    finally:
        os.dup2(kept, 0)
        os.close(kept)

    assert said == MOVED.format("state")
    assert bare.kept.read_text() == bare.aside("state").read_text() == MADE
    assert not bare.local("state").exists()
    calls = bare.calls
    assert bare.commands == ["init", "init locally", "apply locally", *PUSHED]
    local = {"backend": {"local": {"path": str(bare.local("state"))}}}
    whole = {**DOCUMENT, "terraform": {**DOCUMENT["terraform"], **local}}
    assert [call["document"] for call in calls[1:3]] == [whole, whole]
    assert [call["arguments"] for call in calls[1:3]] == [
        ["init", "-input=false"],
        ["apply", *options],
    ]
    # What lies over the real backend does not lie over the local one; apply alone may ask.
    assert [call["laid over"] for call in calls] == [over, {}, {}, *[over] * 4]
    assert [call["input"] for call in calls] == ["", "", "yes\n", *[""] * 4]


@pytest.mark.parametrize("command", ["init", "apply"])
def test_nothing_is_pushed_if_the_bucket_was_not_made(bare: Mover, command: str) -> None:
    assert bare.refusal("state", STUB_FAILS=f"{command} locally") == (
        f"terraform {command} failed; the next try goes on from there"
    )
    assert bare.commands[-1] == f"{command} locally"


def test_an_interruption_after_the_making_loses_nothing(bare: Mover) -> None:
    bare.refusal("state", STUB_FAILS="state push")
    assert bare.local("state").read_text() == MADE
    count = len(bare.commands)
    assert (bare("state"), bare.kept.read_text()) == (MOVED.format("state"), MADE)
    # What is there may be half made.
    again = ["init", "state pull", "init locally", "apply locally", *PUSHED[1:]]
    assert bare.commands[count:] == again


def test_a_bucket_that_is_there_is_not_made(mover: Mover) -> None:
    mover.kept.write_text(MADE)
    assert mover("state") == "tap-state keeps its state there already; there is nothing to move"
    assert mover.commands == ["init", "state pull"]


# --- the synthesis -----------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mover:
    """A project whose main.py is quick; its Terraform has a bucket and a state to move."""
    synthesized = migrate._synthesized
    mover = Mover(tmp_path, monkeypatch)
    mover.local().write_text(MADE)
    monkeypatch.setattr(migrate, "_synthesized", synthesized)
    monkeypatch.setattr(migrate, "_PROJECT", tmp_path)
    (tmp_path / "main.py").write_text(APP)
    return mover


@pytest.mark.parametrize("block", [{"backend": {"s3": {}}}, CLOUD], ids=["s3", "cloud"])
def test_the_backend_is_the_synthesized_one(project: Mover, block: dict[str, Any]) -> None:
    output = str(project.folder / "mine")
    project(STUB_TERRAFORM=json.dumps(block), TAP_ENVIRONMENT="dev", CDKTF_OUTDIR=output)
    assert project.calls[0]["document"] == {"terraform": block}
    assert json.loads((project.folder / "seen").read_text()) == ["1", "dev"]
    # The app writes nothing to the current folder.
    assert {path.name for path in project.folder.iterdir()} == {"seen", project.aside().name}


@pytest.mark.parametrize(
    ("backend", "code", "text"),
    [
        ("s3", "1", "the stack cannot be synthesized"),
        ("local", "0", "the state is to be kept in a local file; name a backend in cdktf.json"),
    ],
)
def test_what_has_no_backend_to_move_to_is_not_moved(
    project: Mover, backend: str, code: str, text: str
) -> None:
    block = json.dumps({"backend": {backend: {}}})
    assert project.refusal(STUB_TERRAFORM=block, STUB_CODE=code) == text
    assert project.calls == []


# --- the command -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "options", "name"),
    [(None, [], "dev"), ("", [], "dev"), ("state", ["--auto-approve"], "state")],
)
def test_the_command_moves_the_state_of_the_environment_and_prints_the_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    named: str | None,
    options: list[str],
    name: str,
) -> None:
    asked: list[tuple[Any, ...]] = []

    def move(*given: Any) -> str:
        asked.append(given)
        return "done"

    monkeypatch.setattr(migrate, "move_state", move)
    monkeypatch.setattr(sys, "argv", ["migrate", *options])
    if named is not None:
        monkeypatch.setenv("TAP_ENVIRONMENT", named)
    migrate.main()
    assert asked == [(name, Path.cwd(), os.environ, bool(options))]
    assert capsys.readouterr() == ("done\n", "")


def test_a_state_that_cannot_be_moved_ends_the_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["migrate"])
    monkeypatch.setenv("TF_WORKSPACE", "blue")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(migrate.__file__, run_name="__main__")
    assert str(end.value.code).startswith("error: TF_WORKSPACE: only the state of the default ")
