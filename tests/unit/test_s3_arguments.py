"""Which Terraform or OpenTofu takes which argument of the S3 backend, and what is said of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backend import s3_arguments
from lib.backend.s3_arguments import deprecation, is_beyond_the_table, refusal, replacements, row
from lib.backend.terraform import Terraform

# As it is in the file: what is expected must not come from the code under test.
TABLE: Mapping[str, Any] = json.loads(
    Path(s3_arguments.__file__).with_name("s3_arguments.json").read_text("utf-8")
)
PRODUCTS = {"Terraform": "terraform", "OpenTofu": "opentofu"}
ARGUMENTS = {product: TABLE[key]["arguments"] for product, key in PRODUCTS.items()}
ROWS = [(product, name) for product, rows in ARGUMENTS.items() for name in rows]
NAMES = sorted({name for _, name in ROWS})


def of(version: str) -> Terraform:
    """The Terraform that calls itself that."""
    return Terraform(*version.split())


def as_list(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def releases() -> Iterator[tuple[str, str]]:
    """Every product's releases before, at and after each change that the table knows of."""
    for product, rows in ARGUMENTS.items():
        newest = TABLE[PRODUCTS[product]]["newest"]
        changes = {newest, *(found[key] for found in rows.values() for key in found if key in WHEN)}
        for change in changes:
            major, minor, patch = (*as_list(change), 0)[:3]
            before = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.99"
            for version in (before, f"{major}.{minor}.{patch}", f"{major}.{minor}.{patch + 1}"):
                yield product, version


WHEN = ("since", "deprecated", "removed")
RELEASES = sorted(set(releases()))


def is_between(found: Mapping[str, str], version: str, first: str, end: str) -> bool:
    """Whether a release is one of those from one change of an argument up to another."""
    return as_list(found.get(first, "0")) <= as_list(version) < as_list(found.get(end, "99"))


# --- the table ---------------------------------------------------------------------------


def test_an_argument_is_taken_by_exactly_the_releases_that_the_table_names() -> None:
    assert [
        (product, version, name)
        for product, version in RELEASES
        for name in NAMES
        if (refusal(name, Terraform(product, version)) is None)
        is not (
            name in ARGUMENTS[product]
            and is_between(ARGUMENTS[product][name], version, "since", "removed")
        )
    ] == []


def test_an_argument_is_deprecated_from_the_release_that_the_table_names() -> None:
    assert [
        (product, version, name)
        for product, version in RELEASES
        for name in NAMES
        if (deprecation(name, Terraform(product, version)) is not None)
        is not (
            "deprecated" in ARGUMENTS[product].get(name, {})
            and is_between(ARGUMENTS[product][name], version, "deprecated", "")
        )
    ] == []


def test_without_a_terraform_all_that_some_release_took_is_taken() -> None:
    assert [name for name in NAMES if refusal(name, None)] == []


# What no Terraform that the integration tests start can tell.
@pytest.mark.parametrize(
    ("name", "last_without", "first_with"),
    [
        ("assume_role", "Terraform 1.5.7", "Terraform 1.6.0"),
        ("skip_requesting_account_id", "Terraform 1.6.0", "Terraform 1.6.1"),
        ("skip_s3_checksum", "Terraform 1.6.2", "Terraform 1.6.3"),
        ("endpoints.sso", "Terraform 1.6.3", "Terraform 1.6.4"),
        ("use_lockfile", "Terraform 1.9.8", "Terraform 1.10.0-alpha1"),
        ("use_lockfile", "OpenTofu 1.9.0", "OpenTofu 1.10.0"),
        ("lock_tags", "OpenTofu 1.10.0", "OpenTofu 1.11.0"),
        ("assume_role.source_identity", "OpenTofu 1.11.0", "Terraform 1.11.4"),
        ("role_arn", "Terraform 1.10.5", "OpenTofu 1.11.0"),
    ],
)
def test_an_argument_is_taken_from_the_release_that_brought_it(
    name: str, last_without: str, first_with: str
) -> None:
    assert (refusal(name, of(last_without)) is None, refusal(name, of(first_with))) == (False, None)


def test_every_replacement_is_taken_by_the_newest_release() -> None:
    assert [
        found["instead"]
        for product, rows in ARGUMENTS.items()
        for found in rows.values()
        if "instead" in found
        and refusal(found["instead"], Terraform(product, TABLE[PRODUCTS[product]]["newest"]))
    ] == []


def test_an_argument_has_one_type_wherever_it_is_taken() -> None:
    types = {(name, rows[name]["type"]) for rows in ARGUMENTS.values() for name in rows}
    assert sorted(name for name, _ in types) == NAMES


# --- what is said ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (
            *("Terraform 1.9.8", "use_lockfile"),
            "Terraform 1.9.8 does not take it, Terraform does since 1.10; "
            "write dynamodb_table, or use Terraform 1.10 or newer",
        ),
        (
            *("Terraform 1.5.7", "endpoints"),
            "Terraform 1.5.7 does not take it, Terraform does since 1.6; write dynamodb_endpoint "
            "or endpoint or iam_endpoint or sts_endpoint, or use Terraform 1.6 or newer",
        ),
        (
            *("OpenTofu 1.10.0", "lock_tags"),
            "OpenTofu 1.10.0 does not take it, OpenTofu does since 1.11; "
            "leave it out, or use OpenTofu 1.11 or newer",
        ),
        (
            *("Terraform 1.99.0", "role_arn"),
            "Terraform 1.99.0 does not take it, it was removed in Terraform 1.10; "
            "write assume_role.role_arn",
        ),
        (
            *("OpenTofu 1.9.0", "use_legacy_workflow"),
            "OpenTofu 1.9.0 does not take it, it was removed in OpenTofu 1.8; leave it out",
        ),
        (
            *("Terraform 1.11.4", "lock_tags"),
            "no Terraform takes it, OpenTofu does since 1.11; leave it out",
        ),
        (
            *("OpenTofu 1.11.0", "endpoints.sso"),
            "no OpenTofu takes it, Terraform does since 1.6.4; leave it out",
        ),
        *(
            (
                *("Terraform 1.11.4", name),
                f"no Terraform up to 1.15 takes it; did you mean {nearest}?",
            )
            for name, nearest in {
                "use_lock_file": "use_lockfile",
                "Bucket": "bucket",
                "assumeRole.role_arn": "assume_role.role_arn",
                "Tags": "assume_role.tags",
            }.items()
        ),
        ("OpenTofu 1.9.0", "roleArn", "no OpenTofu up to 1.11 takes it; did you mean role_arn?"),
        *(
            ("Terraform 1.11.4", name, "no Terraform up to 1.15 takes it; leave it out")
            for name in ("nonsense", "", "bucket.nonsense", "endpoints.nonsense")
        ),
        (
            *("Terraform 1.9.8", "useLockfile"),
            "no Terraform up to 1.15 takes it; if use_lockfile is meant, Terraform 1.9.8 does not "
            "take it, Terraform does since 1.10; write dynamodb_table, or use Terraform 1.10 or "
            "newer",
        ),
    ],
)
def test_what_is_not_taken_is_told_why_and_what_to_write(
    version: str, name: str, text: str
) -> None:
    assert refusal(name, of(version)) == text


def test_without_a_terraform_what_nobody_ever_took_is_refused() -> None:
    text = refusal("useLockfile", None)
    assert text == "no Terraform up to 1.15 takes it; did you mean use_lockfile?"


def misspelt(name: str, at: int) -> list[str]:
    """A name with a letter of its last part doubled, and as CDKTF itself would write it."""
    parent, dot, last = name.rpartition(".")
    at %= len(last)
    doubled = last[:at] + last[at] + last[at:]
    camel = re.sub("_([a-z])", lambda match: match[1].upper(), last)
    return [f"{parent}{dot}{spelling}" for spelling in (doubled, camel) if spelling != last]


@given(st.sampled_from(ROWS), st.integers(min_value=0))
def test_a_misspelt_name_is_told_the_one_that_is_meant(named: tuple[str, str], at: int) -> None:
    product, name = named
    newest = TABLE[PRODUCTS[product]]["newest"]
    for spelling in misspelt(name, at):
        text = str(refusal(spelling, Terraform(product, newest)))
        start = f"no {product} up to {newest} takes it; "
        assert text.startswith((f"{start}did you mean {name}?", f"{start}if {name} is meant, "))


# --- deprecation, replacement, newer releases --------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dynamodb_table", "is deprecated since Terraform 1.11; write use_lockfile"),
        ("endpoints.dynamodb", "is deprecated since Terraform 1.11; leave it out"),
    ],
)
def test_what_is_deprecated_is_told_since_when_and_what_to_write(name: str, text: str) -> None:
    assert deprecation(name, of("Terraform 1.11.4")) == text


def test_without_a_terraform_nothing_is_deprecated() -> None:
    assert [name for name in NAMES if deprecation(name, None)] == []


@pytest.mark.parametrize(
    ("name", "older"),
    [
        ("use_lockfile", ["dynamodb_table"]),
        ("endpoints", ["dynamodb_endpoint", "endpoint", "iam_endpoint", "sts_endpoint"]),
        ("assume", []),
    ],
)
def test_an_argument_has_replaced_others(name: str, older: list[str]) -> None:
    assert replacements(of("Terraform 1.9.8"), name) == older


def test_an_argument_is_looked_up_in_the_product_that_will_run_or_in_both() -> None:
    found = [row("lock_tags", terraform) is None for terraform in (of("Terraform 1.11.4"), None)]
    assert found == [True, False]


@pytest.mark.parametrize(
    ("version", "is_beyond"),
    [
        *(("Terraform 1.15.99", False), ("Terraform 1.16.0", True), ("Terraform 2.0.0", True)),
        *(("OpenTofu 1.11.99", False), ("OpenTofu 1.12.0-alpha1", True)),
    ],
)
def test_a_release_after_the_last_that_was_read_is_beyond_the_table(
    version: str, is_beyond: bool
) -> None:
    assert is_beyond_the_table(of(version)) is is_beyond


def test_no_terraform_at_all_is_not_beyond_the_table() -> None:
    assert not is_beyond_the_table(None)
