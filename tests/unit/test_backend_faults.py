"""What is no backend: the file, the structure, the type; and what a local one takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.backend.block import load_backend
from tests.unit.backend_loader import S3, Loader, refusal, warnings

LOCAL = {"path": "/var/{stack}.tfstate"}
STRUCTURE = 'cdktf.json: terraform takes one thing, a backend: {"backend": {"s3": {…}}}'
ONE_TYPE = 'cdktf.json: terraform.backend must be an object with one key, the type: {"s3": {…}}'
NO_OBJECT = "cdktf.json: terraform.backend.s3 must be an object"
TYPES = "there are azurerm, cloud, consul, cos, gcs, http, kubernetes, local, oci, oss, pg, remote"
LINE_ENDS = ["\n", "\r\n", "\r", "\u2028", "\x85"]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a backend where no Terraform is installed."""
    return Loader(tmp_path)


# --- the type ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "hint"),
    [
        ("S3", "did you mean s3? "),
        ("s4", "did you mean s3? "),
        ("gcp", "did you mean gcs? "),
        ("AzureRM", "did you mean azurerm? "),
        ("HTTP", "did you mean http? "),
        ("", ""),
        ("xyz", ""),
        ("dynamodb", ""),
        ("mysql", ""),
        ("azure", "did you mean azurerm? "),
    ],
)
def test_an_unknown_type_is_told_the_nearest_and_all(load: Loader, type_: str, hint: str) -> None:
    assert refusal(load, type_, {}) == (
        f"cdktf.json: terraform.backend.{type_}: there is no such backend; {hint}{TYPES}, s3"
    )


# --- the structure -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        (None, STRUCTURE),
        ([], STRUCTURE),
        (["backend"], STRUCTURE),
        ("s3", STRUCTURE),
        (True, STRUCTURE),
        ({"s3": {}}, STRUCTURE),
        ({"backends": {}}, STRUCTURE),
        ({"Backend": {}}, STRUCTURE),
        ({"backend": {"s3": S3}, "required_version": ">= 1.0"}, STRUCTURE),
        ({"backend": {}}, ONE_TYPE),
        ({"backend": "s3"}, ONE_TYPE),
        ({"backend": ""}, ONE_TYPE),
        ({"backend": ["s3"]}, ONE_TYPE),
        ({"backend": []}, ONE_TYPE),
        ({"backend": False}, ONE_TYPE),
        ({"backend": {"s3": S3, "gcs": {}}}, ONE_TYPE),
        ({"backend": {"s3": None}}, NO_OBJECT),
        ({"backend": {"s3": []}}, NO_OBJECT),
        ({"backend": {"s3": [S3]}}, NO_OBJECT),
        ({"backend": {"s3": "states"}}, NO_OBJECT),
        ({"backend": {"s3": True}}, NO_OBJECT),
    ],
)
def test_what_is_no_block_is_told_what_one_looks_like(
    load: Loader, section: object, complaint: str
) -> None:
    assert refusal(load.section, section) == complaint


# --- the file ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
        (b"[]", "the document must be a JSON object"),
        (b"\xff", "is not JSON: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "cdktf.json"
    path.write_bytes(content)
    text = refusal(load_backend, path, "dev", {}, tmp_path)
    assert (text.startswith(f"cdktf.json: {complaint}"), len(text.splitlines())) == (True, 1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    text = refusal(load_backend, tmp_path / "cdktf.json", "dev", {}, tmp_path)
    assert text == "cdktf.json: cannot be read: No such file or directory"


def test_another_file_s_faults_bear_its_name(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"terraform": {"backend": {"local": {"path": "/${x}"}}}}')
    text = refusal(load_backend, path, "dev", {}, tmp_path)
    assert text.startswith("other.json: terraform.backend.local.path: ")


# --- local -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "block", "cure"),
    [
        (
            *(None, None),
            'write {"terraform": {"backend": {"s3": {}}}} into cdktf.json to keep it in S3',
        ),
        ("local", LOCAL, "name another backend in cdktf.json"),
    ],
    ids=["no block", "a local one"],
)
def test_an_argument_that_a_local_backend_does_not_take_is_refused(
    load: Loader, type_: str | None, block: object, cure: str
) -> None:
    given = "-backend-config=region=eu-west-3"
    assert refusal(load, type_, block, TF_CLI_ARGS_init=given) == (
        "TF_CLI_ARGS_init: -backend-config=region: the state is kept in a local file, "
        f"and path and workspace_dir are all that takes; {cure}"
    )


@pytest.mark.parametrize(("type_", "block"), [(None, None), ("local", LOCAL)])
@pytest.mark.parametrize("name", ["path", "workspace_dir"])
def test_an_argument_that_a_local_backend_takes_is_allowed(
    load: Loader, type_: str | None, block: object, name: str
) -> None:
    given = f"-backend-config={name}=/x/tap-dev"
    assert warnings(load(type_, block, TF_CLI_ARGS_init=given)) == []


# --- several faults, and one line for each -----------------------------------------------


def test_faults_of_different_places_are_reported_together(load: Loader) -> None:
    block = {**S3, "key": "one", "bucket": 5, "acl": "${x}"}
    given = "-backend-config=nope=1"
    places = [
        line.rsplit(": ", 1)[0]
        for line in refusal(load, "s3", block, TF_CLI_ARGS_init=given).splitlines()
    ]
    assert places == [
        "cdktf.json: terraform.backend.s3.bucket",
        "cdktf.json: terraform.backend.s3.acl",
        "TF_CLI_ARGS_init: -backend-config=nope",
        "cdktf.json: terraform.backend.s3.key",
    ]


def test_faults_are_not_mixed_with_warnings(load: Loader) -> None:
    assert refusal(load, "s3", {**S3, "bucket": 5, "use_lockfile": False}) == (
        "cdktf.json: terraform.backend.s3.bucket: must be a string"
    )


@pytest.mark.parametrize("end", LINE_ENDS)
def test_a_line_end_in_an_argument_s_name_does_not_break_the_line(load: Loader, end: str) -> None:
    assert refusal(load, "s3", {**S3, f"a{end}b": 1}) == (
        "cdktf.json: terraform.backend.s3.a b: no Terraform up to 1.15 takes it; leave it out"
    )


@pytest.mark.parametrize("end", LINE_ENDS)
def test_a_line_end_in_a_type_s_name_does_not_break_the_line(load: Loader, end: str) -> None:
    assert refusal(load, f"x{end}y", {}) == (
        f"cdktf.json: terraform.backend.x y: there is no such backend; {TYPES}, s3"
    )


def test_an_argument_without_a_name_is_one_fault(load: Loader) -> None:
    assert refusal(load, "s3", {**S3, "": 5}) == (
        "cdktf.json: terraform.backend.s3.: no Terraform up to 1.15 takes it; leave it out"
    )
