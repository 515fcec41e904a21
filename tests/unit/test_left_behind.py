"""A local state that Terraform would forget for a backend: found, or rightly let go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.backend_rules import left_behind
from tests.unit.backend_loader import S3, Loader, refusal

FORGOTTEN = "terraform.tap-dev.tfstate: holds resources that would be made anew"


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


def remember(data: Path, backend: object) -> None:
    """Let Terraform have been initialised with that backend and data folder."""
    data.mkdir(parents=True)
    (data / "terraform.tfstate").write_text(json.dumps({"version": 3, "backend": backend}))


def found(folder: Path) -> list[str]:
    """What is said of the folder's own local state, with the data folder in it."""
    return [str(fault) for fault in left_behind(folder, folder / "data", "tap-dev", "s3")]


# --- the local state ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "block"), [("s3", S3), ("gcs", {"prefix": "{stack}"}), ("cloud", {})]
)
def test_a_local_state_that_would_be_forgotten_is_an_error(
    load: Loader, local_state: Path, type_: str, block: object
) -> None:
    assert refusal(load, type_, block) == (
        f"{FORGOTTEN}, for the state is now kept in {type_}; make migrate ENV=dev moves them "
        "there, or delete the file if they have been moved"
    )


def test_another_stack_s_local_state_is_none_of_it(load: Loader, local_state: Path) -> None:
    assert load("s3", S3, "prod").type == "s3"


def test_a_local_state_is_not_forgotten_while_the_block_is_left_out(
    load: Loader, local_state: Path
) -> None:
    assert load("s3", S3, TAP_BACKEND="local").type is None


@pytest.mark.parametrize(("type_", "block"), [("local", {"path": "/{stack}"}), (None, None)])
def test_a_local_state_is_where_a_local_backend_keeps_it(
    load: Loader, local_state: Path, type_: str | None, block: object
) -> None:
    assert load(type_, block).type == type_


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


# --- what Terraform remembers ------------------------------------------------------------


def test_a_terraform_that_remembers_the_local_state_will_ask(
    tmp_path: Path, local_state: Path
) -> None:
    remember(tmp_path / "data", {"type": "local", "config": {}})
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    "backend", [{"type": "s3"}, {"type": ["local"]}, {}, None, "local", ["local"], [], 5, True]
)
def test_a_terraform_that_remembers_another_place_will_not_ask(
    tmp_path: Path, local_state: Path, backend: object
) -> None:
    remember(tmp_path / "data", backend)
    assert len(found(tmp_path)) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"5", b'"backend"', b"[]", b'["backend"]', b"\xff", b"{}"]
)
def test_a_terraform_that_remembers_nothing_will_not_ask(
    tmp_path: Path, local_state: Path, content: bytes
) -> None:
    remember(tmp_path / "data", {})
    (tmp_path / "data" / "terraform.tfstate").write_bytes(content)
    assert len(found(tmp_path)) == 1


# --- where it remembers it ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "data"),
    [
        ({}, "cdktf.out/stacks/tap-dev/.terraform"),
        ({"CDKTF_OUTDIR": "elsewhere"}, "elsewhere/stacks/tap-dev/.terraform"),
        ({"TF_DATA_DIR": "my data"}, "cdktf.out/stacks/tap-dev/my data"),
        ({"TF_DATA_DIR": "../of-dev"}, "cdktf.out/stacks/of-dev"),
        ({"CDKTF_OUTDIR": "elsewhere", "TF_DATA_DIR": "data"}, "elsewhere/stacks/tap-dev/data"),
    ],
)
def test_it_is_looked_up_where_terraform_will_run(
    load: Loader, local_state: Path, tmp_path: Path, environment: dict[str, str], data: str
) -> None:
    (tmp_path / "cdktf.out" / "stacks" / "tap-dev").mkdir(parents=True)  # for the ..
    remember(tmp_path / data, {"type": "local"})
    assert load("s3", S3, **environment).type == "s3"


@pytest.mark.parametrize(
    ("variable", "data"),
    [
        ("CDKTF_OUTDIR", "elsewhere/stacks/tap-dev/.terraform"),
        ("TF_DATA_DIR", "elsewhere"),
    ],
)
def test_it_is_looked_up_under_an_absolute_path(
    load: Loader, local_state: Path, tmp_path: Path, variable: str, data: str
) -> None:
    remember(tmp_path / data, {"type": "local"})
    assert load("s3", S3, **{variable: str(tmp_path / "elsewhere")}).type == "s3"


@pytest.mark.parametrize("variable", ["CDKTF_OUTDIR", "TF_DATA_DIR"])
def test_it_is_not_looked_up_anywhere_else(
    load: Loader, local_state: Path, tmp_path: Path, variable: str
) -> None:
    remember(tmp_path / "cdktf.out" / "stacks" / "tap-dev" / ".terraform", {"type": "local"})
    assert FORGOTTEN in refusal(load, "s3", S3, **{variable: "elsewhere"})
