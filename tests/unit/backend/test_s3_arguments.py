"""Which Terraform or OpenTofu accepts which argument of the S3 backend, and what is said of it."""

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
from lib.backend.s3_arguments import deprecation, is_beyond_the_table, refusal
from lib.backend.terraform import Terraform

# As it is in the file: what is expected must not come from the code under test.
TABLE: Mapping[str, Any] = json.loads(
    Path(s3_arguments.__file__).with_name("s3_arguments.json").read_text("utf-8")
)
ARGUMENTS = {product: TABLE[product.lower()]["arguments"] for product in ("Terraform", "OpenTofu")}
NEWEST = {product: TABLE[product.lower()]["newest"] for product in ARGUMENTS}
ROWS = [(product, name) for product, rows in ARGUMENTS.items() for name in rows]
NAMES = sorted({name for _, name in ROWS})
WHEN = ("since", "deprecated", "removed")


def of(version: str) -> Terraform:
    """The Terraform that calls itself that."""
    return Terraform(*version.split())


def as_list(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def releases() -> Iterator[tuple[str, str]]:
    """Every product's releases before, at and after each change that the table knows of."""
    for product, rows in ARGUMENTS.items():
        changes = {found[key] for found in rows.values() for key in found if key in WHEN}
        for change in {NEWEST[product], *changes}:
            major, minor, patch = (*as_list(change), 0)[:3]
            before = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.99"
            for version in (before, f"{major}.{minor}.{patch}", f"{major}.{minor}.{patch + 1}"):
                yield product, version


def is_between(product: str, name: str, version: str, first: str, end: str) -> bool:
    """Whether a release is one of those from one change of an argument up to another."""
    found = ARGUMENTS[product].get(name, {"since": "99", "deprecated": "99"})
    default = "0" if first == "since" else "99"
    return as_list(found.get(first, default)) <= as_list(version) < as_list(found.get(end, "99"))


def test_exactly_the_releases_that_the_table_names_accept_or_deprecate_an_argument() -> None:
    assert [
        (product, version, name)
        for product, version in sorted(set(releases()))
        for name in NAMES
        if (
            refusal(name, Terraform(product, version)) is None,
            deprecation(name, Terraform(product, version)) is not None,
        )
        != (
            is_between(product, name, version, "since", "removed"),
            is_between(product, name, version, "deprecated", ""),
        )
    ] == []


def test_without_a_terraform_all_that_some_release_accepted_is_accepted() -> None:
    assert [name for name in NAMES if refusal(name, None) or deprecation(name, None)] == []


def test_every_replacement_is_accepted_by_the_newest_release_and_types_agree() -> None:
    assert [
        found["instead"]
        for product, rows in ARGUMENTS.items()
        for found in rows.values()
        if "instead" in found and refusal(found["instead"], Terraform(product, NEWEST[product]))
    ] == []
    assert len({(name, ARGUMENTS[product][name]["type"]) for product, name in ROWS}) == len(NAMES)


# From the releases' own notes: what no Terraform that the integration tests start can say.
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
def test_an_argument_is_accepted_from_the_release_that_brought_it(
    name: str, last_without: str, first_with: str
) -> None:
    assert (refusal(name, of(last_without)) is None, refusal(name, of(first_with))) == (False, None)


NO_TERRAFORM = "no Terraform up to 1.15 takes it; "
NOT_YET = "does not take it, Terraform does since"
LOCK = f"Terraform 1.9.8 {NOT_YET} 1.10; write dynamodb_table, or use Terraform 1.10 or newer"


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        ("Terraform 1.9.8", "use_lockfile", LOCK),
        (
            *("Terraform 1.5.7", "endpoints"),
            f"Terraform 1.5.7 {NOT_YET} 1.6; write dynamodb_endpoint or endpoint or iam_endpoint "
            "or sts_endpoint, or use Terraform 1.6 or newer",
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
        ("OpenTofu 1.9.0", "roleArn", "no OpenTofu up to 1.11 takes it; did you mean role_arn?"),
        ("Terraform 1.11.4", "Tags", f"{NO_TERRAFORM}did you mean assume_role.tags?"),
        *(
            ("Terraform 1.11.4", name, f"{NO_TERRAFORM}leave it out")
            for name in ("nonsense", "", "bucket.nonsense", "endpoints.nonsense")
        ),
        ("Terraform 1.9.8", "useLockfile", f"{NO_TERRAFORM}if use_lockfile is meant, {LOCK}"),
        ("", "useLockfile", f"{NO_TERRAFORM}did you mean use_lockfile?"),
    ],
)
def test_a_refusal_says_why_and_what_to_write(version: str, name: str, text: str) -> None:
    assert refusal(name, of(version) if version else None) == text


@given(st.sampled_from(ROWS), st.integers(min_value=0))
def test_a_misspelt_name_gets_the_one_that_is_meant(named: tuple[str, str], at: int) -> None:
    product, name = named
    parent, dot, last = name.rpartition(".")
    at %= len(last)
    doubled = last[:at] + last[at] + last[at:]
    camel = re.sub("_([a-z])", lambda match: match[1].upper(), last)  # as CDKTF writes it
    for spelling in {doubled, camel} - {last}:
        text = str(refusal(f"{parent}{dot}{spelling}", Terraform(product, NEWEST[product])))
        start = f"no {product} up to {NEWEST[product]} takes it; "
        assert text.startswith((f"{start}did you mean {name}?", f"{start}if {name} is meant, "))


def test_a_deprecation_says_since_when_and_what_to_write() -> None:
    deprecated = {
        "dynamodb_table": "is deprecated since Terraform 1.11; write use_lockfile",
        "endpoints.dynamodb": "is deprecated since Terraform 1.11; leave it out",
    }
    assert {name: deprecation(name, of("Terraform 1.11.4")) for name in deprecated} == deprecated


def test_a_release_after_the_last_that_was_read_is_beyond_the_table() -> None:
    for version in ("Terraform 1.16.0", "Terraform 2.0.0", "OpenTofu 1.12.0-alpha1"):
        assert is_beyond_the_table(of(version))
    for version in ("Terraform 1.15.99", "OpenTofu 1.11.99"):
        assert not is_beyond_the_table(of(version))
    assert not is_beyond_the_table(None)
