"""context.ci of cdktf.json: what is taken, and what every refusal says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import load_backend
from lib.backend.ci import Ci, load_ci
from lib.config.ci import CiSettings, load_ci_settings
from lib.config.document import ConfigurationError, SettingsError

S3 = {"bucket": "states", "key": "tap/{stack}.tfstate", "region": "eu-west-1", "use_lockfile": True}
DEV = {"region": "eu-central-1"}
EXAMPLE = '{"repository": "owner/name"}, or "owner@12/name@34"'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdktf.json"


def write(path: Path, ci: object, backend: object = S3, environments: Any = None) -> None:
    context = {"environments": {"dev": DEV, "prod": DEV} if environments is None else environments}
    if ci is not None:
        context["ci"] = ci
    section = {"terraform": {"backend": {"s3": backend}}} if backend else {}
    path.write_text(json.dumps({"context": context, **section}))


def load(path: Path, **environment: str) -> Ci:
    environment = {"PATH": "", **environment}
    return load_ci(path, load_backend(path, "ci", environment, path.parent), environment)


def refusal(path: Path, **environment: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path, **environment)
    return str(caught.value)


# --- context.ci --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repository", ["owner/name", "My-Org/my.repo_1", "owner@12/name@34", "0/1", "o/.github"]
)
def test_a_repository_is_written_as_github_writes_it(path: Path, repository: str) -> None:
    write(path, {"repository": repository})
    assert load_ci_settings(path) == CiSettings(repository=repository, oidc_provider_exists=False)


@pytest.mark.parametrize("document", [{}, {"context": {}}, {"context": []}])
def test_without_ci_there_is_none(path: Path, document: object) -> None:
    path.write_text(json.dumps(document))
    assert load_ci_settings(path) is None


def test_the_account_may_have_the_provider_already(path: Path) -> None:
    write(path, {"repository": "o/n", "oidc_provider_exists": True})
    settings = load_ci_settings(path)
    assert settings is not None
    assert settings.oidc_provider_exists


@pytest.mark.parametrize(
    "repository",
    [None, 1, "name", "o/n/m", "o/*", "o/n\n", "o/${x}", "o@1/n", "o/n@1", "o@x/n@1", "/n", "o/"],
)
def test_what_cannot_be_a_repository_is_rejected(path: Path, repository: object) -> None:
    write(path, {"repository": repository})
    with pytest.raises(SettingsError) as caught:
        load_ci_settings(path)
    assert str(caught.value) == (
        "cdktf.json: context.ci.repository must name the GitHub repository, with both numbers or "
        f"with none: {EXAMPLE}"
    )


@pytest.mark.parametrize(
    ("ci", "text"),
    [
        ("o/n", f" must be a JSON object: {EXAMPLE}"),
        ({}, ".repository must name the GitHub repository, with both numbers or with none: "),
        ({"repository": "o/n", "oidc_provider_exists": 1}, ".oidc_provider_exists must be true or"),
        (
            {"repository": "o/n", "repo\nsitory": "o/n"},
            ".repo sitory is not known: did you mean repository? it takes oidc_provider_exists, ",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path: Path, ci: object, text: str) -> None:
    write(path, ci)
    with pytest.raises(SettingsError) as caught:
        load_ci_settings(path)
    assert str(caught.value).startswith(f"cdktf.json: context.ci{text}")


# --- what tap-ci is made of --------------------------------------------------------------


def test_every_environment_is_deployed(path: Path) -> None:
    write(path, {"repository": "o/n"}, environments={"qa": DEV, "dev": DEV})
    assert [settings.environment for settings in load(path).environments] == ["qa", "dev"]


def test_the_state_is_where_the_backend_keeps_it(path: Path) -> None:
    write(path, {"repository": "o/n"}, {**S3, "dynamodb_table": "locks"})
    ci = load(path)
    assert (ci.store.bucket, ci.store.region, ci.store.lock_table, ci.state_key) == (
        *("states", "eu-west-1", "locks"),
        "tap/{stack}.tfstate",
    )


def test_no_repository_no_roles(path: Path) -> None:
    write(path, None)
    assert refusal(path) == (
        "cdktf.json: context.ci is missing: tap-ci makes roles for the GitHub repository that it "
        f"names; write {EXAMPLE}"
    )


def test_no_environment_no_roles(path: Path) -> None:
    write(path, {"repository": "o/n"}, environments={})
    assert refusal(path) == "cdktf.json: context.environments must name an environment"


def test_no_bucket_no_roles(path: Path) -> None:
    write(path, {"repository": "o/n"}, backend=None)
    assert refusal(path).startswith("cdktf.json: terraform.backend names no S3 bucket")


@pytest.mark.parametrize(
    ("block", "arguments"),
    [
        ({**S3, "key": "literal"}, ""),
        (
            {name: value for name, value in S3.items() if name != "key"},
            "-backend-config=key=tap-ci",
        ),
        (S3, "-backend-config=key=tap-ci"),
    ],
    ids=["no name of a stack", "on the command line alone", "on the command line too"],
)
def test_the_roles_must_know_each_stack_s_state(path: Path, block: object, arguments: str) -> None:
    write(path, {"repository": "o/n"}, block, environments={"dev": DEV})
    text = refusal(path, TF_CLI_ARGS_init=arguments)
    assert text.startswith("cdktf.json: terraform.backend.s3.key")


def test_settings_that_cannot_be_deployed_are_refused_as_always(path: Path) -> None:
    write(path, {"repository": "o/n"}, environments={"dev": {"region": "moon"}})
    assert refusal(path) == "cdktf.json: region must look like us-east-1 (environment dev)"
