"""Which releases of Terraform and OpenTofu accept which arguments of the S3 backend.

The table, s3_arguments.json, was compiled from the releases themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lib.backend.terraform import Terraform, version_numbers

TABLE: Mapping[str, Any] = json.loads(
    Path(__file__).with_name("s3_arguments.json").read_text("utf-8")
)


def row(name: str, terraform: Terraform | None) -> Mapping[str, Any] | None:
    """Return an argument's row; without a Terraform, that of any product that knows it."""
    products = [terraform.product] if terraform else ["Terraform", "OpenTofu"]
    rows = (_arguments(product).get(name) for product in products)
    return next(filter(None, rows), None)


def refusal(name: str, terraform: Terraform | None) -> str | None:
    """Return why an argument is rejected and what would be right; ``None`` if it is accepted.

    Without a Terraform, only what no release ever accepted is rejected.
    """
    found = row(name, terraform)
    if found is None:
        return _unknown(name, terraform)
    if terraform is None:
        return None
    if not terraform.is_at_least(found.get("since", "0.0")):
        newer = f"{terraform.product} {found['since']} or newer"
        older = " or ".join(
            old
            for old, replaced in _arguments(terraform.product).items()
            if f"{replaced.get('instead')}.".startswith(f"{name}.")
        )
        return (
            f"{terraform} does not take it, {terraform.product} does since {found['since']}; "
            + (f"write {older}, or use {newer}" if older else f"leave it out, or use {newer}")
        )
    if "removed" in found and terraform.is_at_least(found["removed"]):
        return (
            f"{terraform} does not take it, it was removed in {terraform.product} "
            f"{found['removed']}; {_cure(found)}"
        )
    return None


def is_beyond_the_table(terraform: Terraform | None) -> bool:
    """Return whether a Terraform is newer than the releases in the table."""
    if terraform is None:
        return False
    newest = TABLE[terraform.product.lower()]["newest"]
    return version_numbers(terraform.version)[:2] > version_numbers(newest)[:2]


def deprecation(name: str, terraform: Terraform | None) -> str | None:
    """Return since when an argument is deprecated and what to write instead, if it is."""
    found = row(name, terraform) or {}
    since = found.get("deprecated")
    if not (terraform and since and terraform.is_at_least(since)):
        return None
    return f"is deprecated since {terraform.product} {since}; {_cure(found)}"


def _arguments(product: str) -> Mapping[str, Mapping[str, Any]]:
    arguments: Mapping[str, Mapping[str, Any]] = TABLE[product.lower()]["arguments"]
    return arguments


def _cure(found: Mapping[str, Any]) -> str:
    return f"write {found['instead']}" if "instead" in found else "leave it out"


def _unknown(name: str, terraform: Terraform | None) -> str:
    if terraform and (foreign := row(name, None)):
        product = "OpenTofu" if terraform.product == "Terraform" else "Terraform"
        return (
            f"no {terraform.product} takes it, {product} does since {foreign['since']}; "
            "leave it out"
        )
    product = terraform.product if terraform else "Terraform"
    text = f"no {product} up to {TABLE[product.lower()]['newest']} takes it"
    nearest = _nearest(name, list(_arguments(product)))
    if nearest is None:
        return f"{text}; leave it out"
    if reason := refusal(nearest, terraform):
        return f"{text}; if {nearest} is meant, {reason}"
    return f"{text}; did you mean {nearest}?"


def _nearest(name: str, known: list[str]) -> str | None:
    parent, _, last = name.rpartition(".")
    last = re.sub(r"(?<!^)(?=[A-Z])", "_", last).lower()  # CDKTF's own spelling is useLockfile
    siblings = {
        other.rpartition(".")[2]: other for other in known if other.rpartition(".")[0] == parent
    }
    for match in get_close_matches(last, siblings, n=1):
        return siblings[match]
    return next((other for other in known if other.rpartition(".")[2] == last), None)
