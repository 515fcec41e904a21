"""A local state that Terraform would forget for a backend: found, or rightly let go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.backend.rules import faults_of_forgotten_state
from tests.unit.backend_loader import S3, Loader, refusal


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a backend where no Terraform is installed."""
    return Loader(tmp_path)


@pytest.fixture
def local_state(tmp_path: Path) -> Path:
    """A state of two resources, where CDKTF keeps the one of tap-dev."""
    path = tmp_path / "terraform.tap-dev.tfstate"
    path.write_text('{"version": 4, "resources": [{"type": "a"}, {"type": "b"}]}')
    return path


def found(folder: Path) -> list[str]:
    """What is said of the folder's own local state."""
    return [str(fault) for fault in faults_of_forgotten_state(folder, "tap-dev", "s3")]


@pytest.mark.parametrize(
    ("type_", "block"), [("s3", S3), ("gcs", {"prefix": "{stack}"}), ("cloud", {})]
)
def test_a_local_state_that_would_be_forgotten_is_an_error(
    load: Loader, local_state: Path, type_: str, block: object
) -> None:
    assert refusal(load, type_, block) == (
        f"terraform.tap-dev.tfstate: holds resources, and the state is now kept in {type_}, "
        "which may know nothing of them; make migrate ENV=dev moves them there, or tells why not"
    )


def test_it_is_told_how_to_move_the_bucket_s_own_state(load: Loader, tmp_path: Path) -> None:
    (tmp_path / "terraform.tap-state.tfstate").write_text('{"resources": [{}]}')
    assert "make migrate ENV=state moves them" in refusal(load, "s3", S3, "state")


def test_another_stack_s_local_state_is_none_of_it(load: Loader, local_state: Path) -> None:
    assert load("s3", S3, "prod").type == "s3"


@pytest.mark.parametrize("value", ["1", ""])
def test_a_local_state_is_not_forgotten_while_it_is_moved(
    load: Loader, local_state: Path, value: str
) -> None:
    assert load("s3", S3, TAP_MOVING_STATE=value).type == "s3"


@pytest.mark.parametrize(("type_", "block"), [("local", {"path": "/{stack}"}), (None, None)])
def test_a_local_state_is_where_a_local_backend_keeps_it(
    load: Loader, local_state: Path, type_: str | None, block: object
) -> None:
    assert load(type_, block).type == type_


def test_it_is_an_error_whatever_terraform_remembers(
    load: Loader, local_state: Path, tmp_path: Path
) -> None:
    data = tmp_path / "cdktf.out" / "stacks" / "tap-dev" / ".terraform"
    data.mkdir(parents=True)
    remembered = {"version": 3, "backend": {"type": "local", "config": {}}}
    (data / "terraform.tfstate").write_text(json.dumps(remembered))
    assert "holds resources" in refusal(load, "s3", S3)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"5", b'"resources"', b"[]", b'["resources"]', b"\xff", b"{}"),
        *(b'{"resources": []}', b'{"resources": null}', b'{"resources": {}}', b'{"outputs": {}}'),
    ],
)
def test_a_file_without_resources_holds_nothing_to_forget(
    tmp_path: Path, local_state: Path, content: bytes
) -> None:
    local_state.write_bytes(content)
    assert found(tmp_path) == []


@pytest.mark.parametrize("resources", ["5", "true", '"a"', '{"a": 1}', "[null]", "[5]", "[[]]"])
def test_resources_count_whatever_they_look_like(
    tmp_path: Path, local_state: Path, resources: str
) -> None:
    local_state.write_text(f'{{"resources": {resources}}}')
    assert len(found(tmp_path)) == 1


def test_a_folder_in_the_state_s_place_holds_nothing_to_forget(tmp_path: Path) -> None:
    (tmp_path / "terraform.tap-dev.tfstate").mkdir()
    assert found(tmp_path) == []
