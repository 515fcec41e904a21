"""Which Terraform or OpenTofu takes which argument of the S3 backend, and what is said of it."""

from __future__ import annotations

import pytest

from lib.backend.s3_arguments import deprecation, is_beyond_the_table, refusal, replacements, row
from lib.backend.terraform import Terraform

OLD_ROLES = {
    "role_arn": "assume_role.role_arn",
    "session_name": "assume_role.session_name",
    "external_id": "assume_role.external_id",
    "assume_role_duration_seconds": "assume_role.duration",
    "assume_role_policy": "assume_role.policy",
    "assume_role_policy_arns": "assume_role.policy_arns",
    "assume_role_tags": "assume_role.tags",
    "assume_role_transitive_tag_keys": "assume_role.transitive_tag_keys",
}


def of(version: str) -> Terraform:
    """The Terraform that calls itself that."""
    return Terraform(*version.split())


# --- what is said ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (
            "Terraform 1.9.8",
            "use_lockfile",
            "Terraform 1.9.8 does not take it, Terraform does since 1.10; "
            "write dynamodb_table, or use Terraform 1.10 or newer",
        ),
        (
            "OpenTofu 1.9.0",
            "use_lockfile",
            "OpenTofu 1.9.0 does not take it, OpenTofu does since 1.10; "
            "write dynamodb_table, or use OpenTofu 1.10 or newer",
        ),
        (
            "Terraform 1.5.7",
            "endpoints",
            "Terraform 1.5.7 does not take it, Terraform does since 1.6; write dynamodb_endpoint "
            "or endpoint or iam_endpoint or sts_endpoint, or use Terraform 1.6 or newer",
        ),
        (
            "Terraform 1.6.0",
            "endpoints.sso",
            "Terraform 1.6.0 does not take it, Terraform does since 1.6.4; "
            "leave it out, or use Terraform 1.6.4 or newer",
        ),
        (
            "Terraform 1.10.5",
            "role_arn",
            "Terraform 1.10.5 does not take it, it was removed in Terraform 1.10; "
            "write assume_role.role_arn",
        ),
        (
            "OpenTofu 1.9.0",
            "use_legacy_workflow",
            "OpenTofu 1.9.0 does not take it, it was removed in OpenTofu 1.8; leave it out",
        ),
        (
            "Terraform 1.11.4",
            "lock_tags",
            "no Terraform takes it, OpenTofu does since 1.11; leave it out",
        ),
        (
            "OpenTofu 1.11.0",
            "endpoints.sso",
            "no OpenTofu takes it, Terraform does since 1.6.4; leave it out",
        ),
    ],
)
def test_what_is_not_taken_is_told_why_and_what_to_write(
    version: str, name: str, text: str
) -> None:
    assert refusal(name, of(version)) == text


@pytest.mark.parametrize("name", OLD_ROLES)
def test_what_was_removed_is_told_its_successor(name: str) -> None:
    text = refusal(name, of("Terraform 1.11.4"))
    assert str(text).endswith(f"; write {OLD_ROLES[name]}")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        *(("useLockfile", "use_lockfile"), ("use_lock_file", "use_lockfile")),
        *(("buket", "bucket"), ("Bucket", "bucket"), ("dynamodbTable", "dynamodb_table")),
        *(
            ("assume_role.tagz", "assume_role.tags"),
            ("assume_role.roleArn", "assume_role.role_arn"),
        ),
        *(("tags", "assume_role.tags"), ("assumeRole.role_arn", "assume_role.role_arn")),
        *(("Tags", "assume_role.tags"), ("secretKey", "secret_key")),
    ],
)
def test_an_unknown_name_is_told_the_nearest_that_is_taken(name: str, nearest: str) -> None:
    text = refusal(name, of("Terraform 1.11.4"))
    assert text == f"no Terraform up to 1.15 takes it; did you mean {nearest}?"


@pytest.mark.parametrize(
    ("version", "name", "nearest"),
    [
        ("OpenTofu 1.11.0", "stateTags", "state_tags"),
        ("OpenTofu 1.11.0", "roleArn", "role_arn"),
        ("OpenTofu 1.9.0", "buket", "bucket"),
    ],
)
def test_an_unknown_name_is_told_the_nearest_of_the_same_product(
    version: str, name: str, nearest: str
) -> None:
    text = refusal(name, of(version))
    assert text == f"no OpenTofu up to 1.11 takes it; did you mean {nearest}?"


@pytest.mark.parametrize("name", ["nonsense", "", "bucket.nonsense", "endpoints.nonsense"])
def test_a_name_that_is_near_to_nothing_is_to_be_left_out(name: str) -> None:
    assert refusal(name, of("Terraform 1.11.4")) == "no Terraform up to 1.15 takes it; leave it out"


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (
            *("Terraform 1.9.8", "useLockfile"),
            "if use_lockfile is meant, Terraform 1.9.8 does not take it, Terraform does since "
            "1.10; write dynamodb_table, or use Terraform 1.10 or newer",
        ),
        (
            *("Terraform 1.11.4", "roleArn"),
            "if role_arn is meant, Terraform 1.11.4 does not take it, it was removed in "
            "Terraform 1.10; write assume_role.role_arn",
        ),
        (
            *("Terraform 1.5.7", "endpoints.S3"),
            "if endpoints.s3 is meant, Terraform 1.5.7 does not take it, Terraform does since "
            "1.6; write endpoint, or use Terraform 1.6 or newer",
        ),
        (
            *("Terraform 1.5.7", "Tags"),
            "if assume_role.tags is meant, Terraform 1.5.7 does not take it, Terraform does since "
            "1.6; write assume_role_tags, or use Terraform 1.6 or newer",
        ),
    ],
)
def test_an_unknown_name_near_one_that_is_refused_is_told_why_that_is(
    version: str, name: str, text: str
) -> None:
    assert refusal(name, of(version)) == f"no Terraform up to 1.15 takes it; {text}"


def test_an_unknown_name_of_opentofu_near_one_that_is_refused_is_told_why_that_is() -> None:
    assert refusal("stateTags", of("OpenTofu 1.10.0")) == (
        "no OpenTofu up to 1.11 takes it; if state_tags is meant, OpenTofu 1.10.0 does not take "
        "it, OpenTofu does since 1.11; leave it out, or use OpenTofu 1.11 or newer"
    )


@pytest.mark.parametrize("name", ["role_arn", "use_legacy_workflow"])
def test_what_was_removed_is_not_taken_by_a_release_after_the_table_either(name: str) -> None:
    text = refusal(name, of("Terraform 1.99.0"))
    assert str(text).startswith("Terraform 1.99.0 does not take it, it was removed in Terraform 1.")


# --- without a Terraform -----------------------------------------------------------------


def test_without_a_terraform_what_nobody_ever_took_is_refused() -> None:
    text = refusal("useLockfile", None)
    assert text == "no Terraform up to 1.15 takes it; did you mean use_lockfile?"


@pytest.mark.parametrize("name", ["lock_tags", "endpoints.sso"])
def test_without_a_terraform_an_argument_of_either_product_is_found(name: str) -> None:
    assert row(name, None) is not None


def test_an_argument_is_looked_up_in_the_product_that_will_run() -> None:
    assert row("lock_tags", of("Terraform 1.11.4")) is None


# --- deprecation, replacement, newer releases --------------------------------------------


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (
            "Terraform 1.11.4",
            "dynamodb_table",
            "is deprecated since Terraform 1.11; write use_lockfile",
        ),
        (
            "Terraform 1.11.4",
            "endpoints.dynamodb",
            "is deprecated since Terraform 1.11; leave it out",
        ),
        (
            "OpenTofu 1.9.0",
            "role_arn",
            "is deprecated since OpenTofu 1.6; write assume_role.role_arn",
        ),
        ("Terraform 1.6.0", "endpoint", "is deprecated since Terraform 1.6; write endpoints.s3"),
    ],
)
def test_what_is_deprecated_is_told_since_when_and_what_to_write(
    version: str, name: str, text: str
) -> None:
    assert deprecation(name, of(version)) == text


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("Terraform 1.10.5", "dynamodb_table"),
        ("OpenTofu 1.11.0", "dynamodb_table"),
        ("OpenTofu 1.99.0", "dynamodb_table"),
        ("Terraform 1.5.7", "endpoint"),
        ("Terraform 1.11.4", "bucket"),
        ("Terraform 1.11.4", "nonsense"),
        ("Terraform 1.11.4", "lock_tags"),
    ],
)
def test_what_is_not_deprecated_is_not_said_to_be(version: str, name: str) -> None:
    assert deprecation(name, of(version)) is None


def test_without_a_terraform_nothing_is_deprecated() -> None:
    assert deprecation("dynamodb_table", None) is None


@pytest.mark.parametrize(
    ("name", "older"),
    [
        ("use_lockfile", ["dynamodb_table"]),
        ("endpoints.s3", ["endpoint"]),
        ("endpoints", ["dynamodb_endpoint", "endpoint", "iam_endpoint", "sts_endpoint"]),
        ("use_path_style", ["force_path_style"]),
        ("assume", []),
        ("bucket", []),
    ],
)
def test_an_argument_has_replaced_others(name: str, older: list[str]) -> None:
    assert replacements(of("Terraform 1.9.8"), name) == older


@pytest.mark.parametrize(
    "version", ["Terraform 1.16.0", "Terraform 2.0.0", "OpenTofu 1.12.0-alpha1", "Terraform 1.99.0"]
)
def test_a_release_after_the_last_that_was_read_is_beyond_the_table(version: str) -> None:
    assert is_beyond_the_table(of(version))


@pytest.mark.parametrize("version", ["Terraform 1.15.99", "OpenTofu 1.11.99", "Terraform 1.5.7"])
def test_a_release_that_was_read_is_not_beyond_the_table(version: str) -> None:
    assert not is_beyond_the_table(of(version))


def test_no_terraform_at_all_is_not_beyond_the_table() -> None:
    assert not is_beyond_the_table(None)
