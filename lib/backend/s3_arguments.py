"""Which Terraform or OpenTofu takes which argument of the S3 backend, since and until when.

The table, s3_arguments.json, was made from their releases.
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
    """Look an argument up; without a Terraform, in whatever product knows it."""
    products = [terraform.product] if terraform else ["Terraform", "OpenTofu"]
    rows = (_arguments(product).get(name) for product in products)
    return next(filter(None, rows), None)


def refusal(name: str, terraform: Terraform | None) -> str | None:
    """Say why an argument is not taken and what would be right; ``None`` if it is taken.

    Parameters
    ----------
    name
        The argument; a nested one is written ``parent.child``.
    terraform
        What will run; ``None`` refuses only what none of them ever took.
    """
    found = row(name, terraform)
    if found is None:
        return _unknown(name, terraform)
    if terraform is None:
        return None
    if not terraform.is_at_least(found.get("since", "0.0")):
        newer = f"{terraform.product} {found['since']} or newer"
        older = " or ".join(replacements(terraform, name))
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
    """Tell whether a Terraform is newer than what the table was made from."""
    if terraform is None:
        return False
    newest = TABLE[terraform.product.lower()]["newest"]
    return version_numbers(terraform.version)[:2] > version_numbers(newest)[:2]


def deprecation(name: str, terraform: Terraform | None) -> str | None:
    """Say since when an argument is deprecated and what to write instead, if it is."""
    found = row(name, terraform)
    if not (terraform and found and "deprecated" in found):
        return None
    if not terraform.is_at_least(found["deprecated"]):
        return None
    return f"is deprecated since {terraform.product} {found['deprecated']}; {_cure(found)}"


def replacements(terraform: Terraform, name: str) -> list[str]:
    """List the arguments that this one, or an argument inside it, has replaced."""
    return [
        old
        for old, found in _arguments(terraform.product).items()
        if f"{found.get('instead')}.".startswith(f"{name}.")
    ]


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
