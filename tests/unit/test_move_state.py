"""Moving a state: whatever happens, it is in one place at least, and over no other one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.state_mover import BACKEND, DOCUMENT, EMPTY, OTHER, STATE, Mover

PUSHED = ["init", "state pull", "state push", "state pull"]
MOVED = "the state of tap-{0} was moved; the file is now terraform.tap-{0}.tfstate.moved"


@pytest.fixture
def mover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mover:
    """A bucket with nothing in it, and no local state."""
    return Mover(tmp_path, monkeypatch)


@pytest.fixture
def deployed(mover: Mover) -> Mover:
    """The same with a local state of dev."""
    mover.local().write_text(STATE)
    return mover


# --- into an empty backend ---------------------------------------------------------------


def test_the_backend_gets_exactly_the_file(deployed: Mover) -> None:
    deployed()
    assert deployed.kept.read_text() == STATE


def test_what_was_pushed_is_read_again(deployed: Mover) -> None:
    deployed()
    assert deployed.commands == PUSHED


def test_the_file_is_put_aside_as_it_was(deployed: Mover) -> None:
    deployed()
    assert (deployed.local().exists(), deployed.aside().read_text()) == (False, STATE)


def test_one_line_says_so(deployed: Mover) -> None:
    assert deployed() == MOVED.format("dev")


def test_another_stack_s_file_stays(deployed: Mover) -> None:
    deployed.local("prod").write_text(OTHER)
    deployed()
    assert deployed.local("prod").read_text() == OTHER


def test_terraform_forgets_the_local_file_and_nothing_else(deployed: Mover) -> None:
    stacks = deployed.folder / "cdktf.out" / "stacks"
    for stack in ("tap-dev", "tap-prod"):
        (stacks / stack / ".terraform" / "providers").mkdir(parents=True)
        (stacks / stack / ".terraform" / "terraform.tfstate").touch()
    deployed()
    assert sorted(str(path.relative_to(stacks)) for path in stacks.glob("*/.terraform/*")) == [
        "tap-dev/.terraform/providers",
        "tap-prod/.terraform/providers",
        "tap-prod/.terraform/terraform.tfstate",
    ]


@pytest.mark.parametrize("block", [{"backend": BACKEND}, {"cloud": {"organization": "us"}}])
def test_terraform_sees_where_the_state_goes_and_nothing_more(
    deployed: Mover, block: dict[str, Any]
) -> None:
    terraform = {**block, "required_version": ">= 1.10"}
    deployed.document = {
        **DOCUMENT,
        "terraform": {**terraform, "required_providers": {"aws": {"source": "aws"}}},
    }
    deployed()
    assert [call["document"] for call in deployed.calls] == [{"terraform": terraform}] * 4


def test_what_lies_over_the_backend_s_arguments_lies_there_too(deployed: Mover) -> None:
    deployed(TF_CLI_ARGS_init="-backend-config=x")
    assert deployed.calls[0]["laid over"] == {"TF_CLI_ARGS_init": "-backend-config=x"}


def test_terraform_is_never_to_ask(deployed: Mover) -> None:
    deployed()
    assert deployed.calls[0]["arguments"] == ["init", "-input=false", "-no-color"]


def test_the_push_is_not_forced(deployed: Mover) -> None:
    deployed()
    assert deployed.calls[2]["arguments"] == ["state", "push", str(deployed.local())]


def test_the_terraform_that_is_named_does_it(deployed: Mover) -> None:
    named = deployed.terraform.rename(deployed.folder.parent / "tofu")
    deployed.terraform.symlink_to("/bin/false")
    assert deployed(TERRAFORM_BINARY_NAME=str(named)) == MOVED.format("dev")


def test_a_data_folder_of_the_user_s_own_is_not_used(deployed: Mover) -> None:
    deployed(TF_DATA_DIR="data")
    assert [call["laid over"] for call in deployed.calls] == [{}] * 4


def test_nothing_is_left_in_the_temporary_folder(
    deployed: Mover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    deployed()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("said", [EMPTY, "", "{}", '{"resources": null}'])
def test_a_backend_is_empty_however_it_says_so(deployed: Mover, said: str) -> None:
    deployed(STUB_EMPTY=said)
    assert deployed.kept.read_text() == STATE


@pytest.mark.parametrize("state", [EMPTY, '{"resources": null}', "{}"])
def test_a_state_of_nothing_is_moved_as_well(deployed: Mover, state: str) -> None:
    deployed.local().write_text(state)
    assert deployed(STUB_KEEPS=EMPTY) == MOVED.format("dev")


# --- over no other state -----------------------------------------------------------------


def test_a_state_that_is_there_already_is_not_pushed_again(deployed: Mover) -> None:
    deployed.kept.write_text(STATE)
    deployed()
    assert deployed.commands == ["init", "state pull"]


def test_the_file_of_a_state_that_is_there_already_is_put_aside(deployed: Mover) -> None:
    deployed.kept.write_text(STATE)
    assert (deployed(), deployed.local().exists()) == (MOVED.format("dev"), False)


@pytest.mark.parametrize("state", [STATE, EMPTY, '{"resources": null}'])
def test_another_state_is_not_written_over(deployed: Mover, state: str) -> None:
    deployed.local().write_text(state)
    deployed.kept.write_text(OTHER)
    deployed.refusal()
    assert (deployed.kept.read_text(), deployed.commands) == (OTHER, ["init", "state pull"])


def test_what_could_not_be_moved_for_another_state_stays(deployed: Mover) -> None:
    deployed.kept.write_text(OTHER)
    assert (deployed.refusal(), deployed.local().read_text(), deployed.aside().exists()) == (
        "the backend keeps another state of tap-dev already, and nothing was changed; "
        "put terraform.tap-dev.tfstate aside if it is the older one",
        STATE,
        False,
    )


def test_a_state_that_is_kept_needs_no_moving(mover: Mover) -> None:
    mover.kept.write_text(STATE)
    assert mover() == "tap-dev keeps its state there already; there is nothing to move"


def test_without_any_state_there_is_nothing_to_move(mover: Mover) -> None:
    assert mover.refusal() == "there is no terraform.tap-dev.tfstate to move"


def test_a_state_that_terraform_writes_in_another_form_is_the_same(deployed: Mover) -> None:
    instance = {"index_key": "a", "attributes": {"id": "b"}}
    resource = {"mode": "managed", "type": "aws_sqs_queue", "name": "q"}
    one = {**resource, "instances": [instance]}
    other = {**resource, "each": "map", "instances": [{**instance, "sensitive_attributes": []}]}
    deployed.local().write_text(json.dumps({"resources": [one]}))
    assert deployed(STUB_KEEPS=json.dumps({"resources": [other]})) == MOVED.format("dev")


@pytest.mark.parametrize("instance", [{"attributes": {"id": "c"}}, {"index_key": 1}])
def test_another_thing_of_the_same_name_makes_it_another_state(
    deployed: Mover, instance: dict[str, Any]
) -> None:
    resource = {"mode": "managed", "type": "aws_sqs_queue", "name": "q"}
    one = {**resource, "instances": [{"attributes": {"id": "b"}}]}
    deployed.local().write_text(json.dumps({"resources": [one]}))
    deployed.kept.write_text(json.dumps({"resources": [{**resource, "instances": [instance]}]}))
    assert "another state" in deployed.refusal()


def test_a_file_that_was_put_aside_before_stays(deployed: Mover) -> None:
    deployed.aside().write_text(OTHER)
    assert deployed().endswith("terraform.tap-dev.tfstate.moved.moved")
    assert deployed.aside().read_text() == OTHER


def test_another_workspace_than_the_default_is_refused(deployed: Mover) -> None:
    said = deployed.refusal(TF_WORKSPACE="blue")
    assert (said, deployed.calls) == (
        "TF_WORKSPACE: only the state of the default workspace is moved; unset it",
        [],
    )


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


# --- what fails --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "first"), [("init", "init"), ("state pull", "state"), ("state push", "state")]
)
def test_terraform_s_own_words_stand_in_one_line(deployed: Mover, command: str, first: str) -> None:
    said = deployed.refusal(STUB_FAILS=command)
    assert said == f"terraform {first} failed: Error: Access denied"


def test_nothing_follows_an_init_that_failed(mover: Mover) -> None:
    mover.refusal("state", STUB_FAILS="init")
    assert mover.commands == ["init"]


def test_a_terraform_that_is_not_there_is_named(deployed: Mover) -> None:
    said = deployed.refusal(TERRAFORM_BINARY_NAME="nope")
    assert said == "nope cannot be started: No such file or directory"


@pytest.mark.parametrize("state", ["", "{", "[]", "null", "\udcff"])
def test_what_is_no_state_is_not_pushed(deployed: Mover, state: str) -> None:
    deployed.local().write_text(state, errors="surrogateescape")
    said = deployed.refusal()
    assert (said.partition(":")[0], deployed.commands) == (
        "terraform.tap-dev.tfstate cannot be understood",
        ["init", "state pull"],
    )


@pytest.mark.parametrize("command", ["init", "state pull", "state push"])
def test_the_file_stays_if_terraform_fails(deployed: Mover, command: str) -> None:
    deployed.refusal(STUB_FAILS=command)
    assert (deployed.local().read_text(), deployed.aside().exists()) == (STATE, False)


@pytest.mark.parametrize("kept", [OTHER, EMPTY, "{}"])
def test_the_file_stays_if_something_else_comes_back(deployed: Mover, kept: str) -> None:
    assert (deployed.refusal(STUB_KEEPS=kept), deployed.local().read_text()) == (
        f"the backend does not give back what was written; see {deployed.local().name}",
        STATE,
    )


def test_terraform_does_not_forget_what_was_not_moved(deployed: Mover) -> None:
    remembered = deployed.folder / "cdktf.out/stacks/tap-dev/.terraform/terraform.tfstate"
    remembered.parent.mkdir(parents=True)
    remembered.touch()
    deployed.refusal(STUB_FAILS="state push")
    assert remembered.exists()
