"""context.ci of cdktf.json: what is accepted, and what every rejection says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import load_backend
from lib.backend.ci import Ci, load_ci
from lib.config.ci import CiSettings, load_ci_settings
from lib.config.document import ConfigurationError

S3 = {"bucket": "states", "key": "tap/{stack}.tfstate", "region": "eu-west-1", "use_lockfile": True}
EXAMPLE = '{"repository": "owner/name"}, or "owner@12/name@34"'
REPOSITORY = (
    f".repository must name the GitHub repository, with both numbers or with none: {EXAMPLE}"
)
GIVEN_KEY = {"TF_CLI_ARGS_init": "-backend-config=key=tap-ci"}
KEY = (
    "terraform.backend.s3.key must stand there, with {stack} in it: each role may read the state "
    "of its own stack alone"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdktf.json"


def write(path: Path, ci: object, backend: object = S3, environments: Any = None) -> None:
    dev = {"region": "eu-central-1"}
    context = {"environments": {"qa": dev, "dev": dev} if environments is None else environments}
    if ci is not None:
        context["ci"] = ci
    section = {"terraform": {"backend": {"s3": backend}}} if backend else {}
    path.write_text(json.dumps({"context": context, **section}))


def load(path: Path, **environment: str) -> Ci:
    environment = {"PATH": "", **environment}
    return load_ci(path, load_backend(path, "ci", environment, path.parent), environment)


@pytest.mark.parametrize(
    "repository", ["owner/name", "My-Org/my.repo_1", "owner@12/name@34", "0/1", "o/.github"]
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_repository_is_written_as_github_writes_it(
    path: Path, repository: str, exists: bool
) -> None:
    write(path, {"repository": repository, **({"oidc_provider_exists": True} if exists else {})})
    assert load_ci_settings(path) == CiSettings(repository=repository, oidc_provider_exists=exists)


@pytest.mark.parametrize("document", [{}, {"context": {}}, {"context": []}])
def test_without_ci_there_is_none(path: Path, document: object) -> None:
    path.write_text(json.dumps(document))
    assert load_ci_settings(path) is None


@pytest.mark.parametrize(
    ("ci", "text"),
    [
        *(
            ({"repository": wrong}, REPOSITORY)
            for wrong in (
                *(None, 1, "name", "o/n/m", "o/*", "o/n\n", "o/${x}", "/n", "o/"),
                *("o@1/n", "o/n@1", "o@x/n@1"),
            )
        ),
        ("o/n", f" must be a JSON object: {EXAMPLE}"),
        ({}, REPOSITORY),
        (
            {"repository": "o/n", "oidc_provider_exists": 1},
            ".oidc_provider_exists must be true or false",
        ),
        (
            {"repository": "o/n", "repo\nsitory": "o/n"},
            ".repo sitory is not known: did you mean repository? it takes oidc_provider_exists, "
            "repository",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path: Path, ci: object, text: str) -> None:
    write(path, ci)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert str(caught.value) == f"cdktf.json: context.ci{text}"


def test_every_environment_is_deployed_and_the_state_is_where_the_backend_keeps_it(
    path: Path,
) -> None:
    write(path, {"repository": "o/n"}, {**S3, "dynamodb_table": "locks"})
    ci = load(path)
    assert [settings.environment for settings in ci.environments] == ["qa", "dev"]
    assert ci.settings == CiSettings(repository="o/n")
    assert (ci.store.bucket, ci.store.region, ci.store.lock_table) == (
        *("states", "eu-west-1", "locks"),
    )
    assert ci.state_key == "tap/{stack}.tfstate"


REPOSITORY_ONLY = {"repository": "o/n"}


@pytest.mark.parametrize(
    ("written", "environment", "text"),
    [
        (
            [None],
            {},
            "context.ci is missing: tap-ci makes roles for the GitHub repository that it names; "
            f"write {EXAMPLE}",
        ),
        ([REPOSITORY_ONLY, S3, {}], {}, "context.environments must name an environment"),
        ([REPOSITORY_ONLY, None], {}, "terraform.backend names no S3 bucket that could be made;"),
        ([REPOSITORY_ONLY, {**S3, "bucket": "of-{stack}", "key": "literal"}], {}, KEY),
        ([REPOSITORY_ONLY, {n: S3[n] for n in S3 if n != "key"}], GIVEN_KEY, KEY),
        ([REPOSITORY_ONLY], GIVEN_KEY, KEY),
        (
            [REPOSITORY_ONLY, S3, {"dev": {"region": "moon"}}],
            {},
            "region must look like us-east-1 (environment dev)",
        ),
    ],
)
def test_there_are_no_roles_without_what_they_need(
    path: Path, written: list[Any], environment: dict[str, str], text: str
) -> None:
    write(path, *written)
    with pytest.raises(ConfigurationError) as caught:
        load(path, **environment)
    assert str(caught.value).startswith(f"cdktf.json: {text}")
