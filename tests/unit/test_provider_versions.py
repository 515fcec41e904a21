"""Version constraints: what they admit, and which are rejected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.config.provider_versions import (
    DEFAULT_AWS_PROVIDER,
    Version,
    admits,
    bad_release,
    is_constraint,
)
from lib.config.settings import load_settings
from lib.config.settings_rules import SettingsError


@pytest.mark.parametrize(
    ("constraint", "version", "is_admitted"),
    [
        *(("5.100.0", (5, 100, 0), True), ("5.100", (5, 100, 1), False)),
        *(("= 6.5", (6, 5, 0), True), ("=6.5.1", (6, 5, 0), False)),
        *(("!= 6.5", (6, 5, 0), False), ("!= 6.5", (6, 5, 1), True)),
        *(("> 6.5", (6, 5, 0), False), ("> 6.5", (6, 5, 1), True)),
        *((">= 6.5", (6, 5, 0), True), (">= 6.5", (6, 4, 9), False)),
        *(("< 6.5", (6, 4, 9), True), ("< 6.5", (6, 5, 0), False)),
        *(("<= 6.5", (6, 5, 0), True), ("<= 6.5", (6, 5, 1), False)),
        *(("~> 5.100", (5, 101, 0), True), ("~> 5.100", (6, 0, 0), False)),
        *(("~> 5.100", (5, 99, 9), False), ("~> 6.5.1", (6, 5, 9), True)),
        *(("~> 6.5.1", (6, 6, 0), False), ("~> 6.5.1", (6, 5, 0), False)),
        *(("~> 6", (6, 99, 0), True), ("~> 6", (7, 0, 0), False)),
        *((">= 5.100, < 7", (6, 17, 0), True), (">=5.100,<6.17", (6, 17, 0), False)),
    ],
)
def test_a_constraint_admits_what_terraform_would_take(
    constraint: str, version: Version, is_admitted: bool
) -> None:
    assert is_constraint(constraint)
    assert admits(constraint, version) is is_admitted


@pytest.mark.parametrize(
    "text", ["", "latest", "~> ", ">= 6,", ", >= 6", "6.1.0-beta1", "^6", "v6", "6.1.2.3", "6\n"]
)
def test_what_terraform_would_not_take_is_no_constraint(text: str) -> None:
    assert not is_constraint(text)


@pytest.mark.parametrize(
    ("constraint", "release"),
    [
        *((DEFAULT_AWS_PROVIDER, None), (">= 6.5, < 6.10", None), ("> 6.28.9", None)),
        *((">= 5.100, < 7", "6.17"), ("~> 6.0", "6.17"), ("6.17.1", "6.17"), (">= 6.18", "6.28")),
    ],
)
def test_a_release_that_plans_the_indexes_for_ever_is_found(
    constraint: str, release: str | None
) -> None:
    assert bad_release(constraint) == release


def refusal(folder: Path, constraint: object) -> str:
    path = folder / "cdktf.json"
    common = {"region": "us-east-1", "aws_provider": constraint}
    path.write_text(json.dumps({"context": {"common": common, "environments": {"dev": {}}}}))
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return str(caught.value)


@pytest.mark.parametrize("constraint", [None, 6, "latest", "${x}"])
def test_what_is_no_constraint_is_rejected(tmp_path: Path, constraint: object) -> None:
    assert "aws_provider must be a version constraint" in refusal(tmp_path, constraint)


def test_a_constraint_that_admits_a_bad_release_is_rejected_with_one_line(tmp_path: Path) -> None:
    text = refusal(tmp_path, "~> 6.0")
    assert "aws_provider must not admit 6.17" in text
    assert len(text.splitlines()) == 1
