"""The table of the S3 backend's arguments: what the releases take, as they were released."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lib.backend import s3_arguments
from lib.backend.s3_arguments import refusal
from lib.backend.terraform import Terraform, ask_terraform

# As it stands in the file: what is expected must not come from the code under test.
FILE = Path(s3_arguments.__file__).with_name("s3_arguments.json")
TABLE: Mapping[str, Any] = json.loads(FILE.read_text("utf-8"))
ARGUMENTS = {product: TABLE[product]["arguments"] for product in ("terraform", "opentofu")}
ROWS = [(product, name) for product, rows in ARGUMENTS.items() for name in rows]
NAMES = sorted({name for _, name in ROWS})
VERSIONS = [
    *("Terraform 1.9.8", "Terraform 1.10.5", "Terraform 1.11.4", "Terraform 1.15.5"),
    *("OpenTofu 1.9.0", "OpenTofu 1.11.0"),
]
WITH_LOCKFILE = {"Terraform 1.10.5", "Terraform 1.11.4", "Terraform 1.15.5", "OpenTofu 1.11.0"}
WITH_OLD_ROLES = {"Terraform 1.9.8", "OpenTofu 1.9.0", "OpenTofu 1.11.0"}
TERRAFORMS = {version for version in VERSIONS if version.startswith("Terraform")}
OLD_ROLES = (
    *("role_arn", "session_name", "external_id", "assume_role_duration_seconds"),
    *("assume_role_policy", "assume_role_policy_arns", "assume_role_tags"),
    "assume_role_transitive_tag_keys",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Terraform]:
    """What each version answers, started as a command and asked once."""
    answers = {}
    for said in VERSIONS:
        folder = tmp_path_factory.mktemp("bin")
        product, version = said.split()
        outdated = {"terraform_outdated": True} if product == "Terraform" else {}
        answer = json.dumps({"terraform_version": version, **outdated})
        (folder / "terraform").write_text(
            "#!/bin/sh\n"
            f'if [ "$2" = -json ]; then echo {shlex.quote(answer)}; else echo {said}; fi\n',
            "utf-8",
        )
        (folder / "terraform").chmod(0o755)
        answers[said] = ask_terraform({"PATH": str(folder)})
    return answers


def takes(version: str, name: str) -> bool:
    """What the table says of a release."""
    product, numbers = version.split()
    found = ARGUMENTS[product.lower()].get(name)
    if found is None:
        return False
    is_old_enough = "removed" not in found or as_list(numbers) < as_list(found["removed"])
    return is_old_enough and as_list(numbers) >= as_list(found.get("since", "0"))


def as_list(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


# --- the table ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_argument_is_taken_by_exactly_the_versions_that_the_table_names(
    installed: Mapping[str, Terraform], version: str, name: str
) -> None:
    assert (refusal(name, installed[version]) is None) is takes(version, name)


@pytest.mark.parametrize(
    ("name", "takers"),
    [
        *((name, set(VERSIONS)) for name in ("bucket", "key", "region", "encrypt", "kms_key_id")),
        *((name, set(VERSIONS)) for name in ("dynamodb_table", "endpoint", "force_path_style")),
        *((name, set(VERSIONS)) for name in ("endpoints", "endpoints.s3", "endpoints.dynamodb")),
        *((name, set(VERSIONS)) for name in ("assume_role", "assume_role.role_arn")),
        ("assume_role_with_web_identity.web_identity_token_file", set(VERSIONS)),
        ("use_lockfile", WITH_LOCKFILE),
        *((name, WITH_OLD_ROLES) for name in OLD_ROLES),
        *((name, {"OpenTofu 1.11.0"}) for name in ("state_tags", "lock_tags")),
        *((name, TERRAFORMS) for name in ("assume_role.source_identity", "endpoints.sso")),
        ("use_legacy_workflow", set()),
        *((name, set()) for name in ("lock_table", "tags", "endpoints.kms", "assume_role.bucket")),
    ],
)
def test_an_argument_is_taken_by_exactly_the_versions_that_were_released_with_it(
    installed: Mapping[str, Terraform], name: str, takers: set[str]
) -> None:
    assert {version for version in VERSIONS if not refusal(name, installed[version])} == takers


@pytest.mark.parametrize(
    ("name", "last_without", "first_with"),
    [
        ("endpoints", "1.5.7", "1.6.0"),
        ("assume_role", "1.5.7", "1.6.0"),
        ("allowed_account_ids", "1.5.7", "1.6.0"),
        ("skip_requesting_account_id", "1.6.0", "1.6.1"),
        ("skip_s3_checksum", "1.6.2", "1.6.3"),
        ("endpoints.sso", "1.6.3", "1.6.4"),
        ("https_proxy", "1.6.3", "1.6.4"),
        ("no_proxy", "1.6.3", "1.6.4"),
        ("use_lockfile", "1.9.8", "1.10.0-alpha1"),
    ],
)
def test_an_argument_is_taken_from_the_terraform_that_brought_it(
    name: str, last_without: str, first_with: str
) -> None:
    verdicts = [
        refusal(name, Terraform("Terraform", version)) is None
        for version in (last_without, first_with)
    ]
    assert verdicts == [False, True]


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("bucket", "string"),
        ("encrypt", "bool"),
        ("use_lockfile", "bool"),
        ("max_retries", "number"),
        ("assume_role_duration_seconds", "number"),
        ("allowed_account_ids", "set(string)"),
        ("shared_credentials_file", "string"),
        ("shared_credentials_files", "set(string)"),
        ("assume_role", "object"),
        ("assume_role.duration", "string"),
        ("assume_role.tags", "map(string)"),
        ("assume_role.policy_arns", "set(string)"),
        ("endpoints", "object"),
        ("endpoints.s3", "string"),
    ],
)
@pytest.mark.parametrize("product", ["terraform", "opentofu"])
def test_an_argument_has_the_type_that_the_releases_give_it(
    product: str, name: str, type_: str
) -> None:
    assert ARGUMENTS[product][name]["type"] == type_


@pytest.mark.parametrize(
    ("product", "names"),
    [
        (
            "terraform",
            {"bucket", "key", "assume_role.role_arn", "assume_role_with_web_identity.role_arn"},
        ),
        ("opentofu", {"bucket", "key", "assume_role.role_arn"}),
    ],
)
def test_the_arguments_that_must_be_there_are_those_of_the_releases(
    product: str, names: set[str]
) -> None:
    required = {name for name, found in ARGUMENTS[product].items() if found.get("required")}
    assert required == names


@pytest.mark.parametrize(
    ("product", "name"),
    [(product, name) for product, name in ROWS if "instead" in ARGUMENTS[product][name]],
)
def test_every_replacement_in_the_table_is_taken_by_the_newest_release(
    product: str, name: str
) -> None:
    newest = f"{product} {TABLE[product]['newest']}"
    assert takes(newest, ARGUMENTS[product][name]["instead"])


@pytest.mark.parametrize(("product", "name"), [found for found in ROWS if "." in found[1]])
def test_every_nested_argument_in_the_table_has_a_parent(product: str, name: str) -> None:
    assert ARGUMENTS[product][name.partition(".")[0]]["type"] == "object"


@pytest.mark.parametrize(("product", "name"), ROWS)
def test_every_type_in_the_table_is_known(product: str, name: str) -> None:
    types = {"string", "bool", "number", "set(string)", "map(string)", "object"}
    assert ARGUMENTS[product][name]["type"] in types


def test_both_products_give_an_argument_the_same_type() -> None:
    common = ARGUMENTS["terraform"].keys() & ARGUMENTS["opentofu"].keys()
    types = [{rows[name]["type"] for rows in ARGUMENTS.values()} for name in common]
    assert [len(type_) for type_ in types] == [1] * len(common)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_terraform_all_that_some_version_took_is_taken(name: str) -> None:
    assert refusal(name, None) is None
