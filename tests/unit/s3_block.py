"""A sound block of the S3 backend, and what is said of it when something lies over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.backend.init_arguments import Argument
from lib.backend.s3 import check_s3
from lib.backend.terraform import Terraform

TERRAFORM = Terraform("Terraform", "1.11.4")
OLD = Terraform("Terraform", "1.9.8")
NEWER = Terraform("Terraform", "1.99.0")
TOFU = Terraform("OpenTofu", "1.11.0")
SOUND = {"bucket": "states", "key": "k", "region": "us-east-1", "use_lockfile": True}
LOCKED = {"use_lockfile": None, "dynamodb_table": "locks"}
ROLE = "arn:aws:iam::123456789012:role/deploy"
KMS_KEY = "alias/state"
WEB_IDENTITY = "assume_role_with_web_identity"
CUSTOMER_KEY = "A" * 43 + "="
# Arguments that take any value of their type, and a Terraform that takes them.
OF_TYPE = {
    "string": "profile",
    "bool": "encrypt",
    "number": "max_retries",
    "set(string)": "shared_config_files",
    "map(string)": "state_tags",
    "object": "endpoints",
}
MUST_BE = {
    "string": "must be a string",
    "bool": "must be true or false, without quotes",
    "number": "must be a whole number, without quotes",
    "set(string)": "must be a list of strings",
    "map(string)": "must be an object of strings",
    "object": "must be an object",
}
TEMPLATE = (
    "${…} and %{…} are not evaluated in a backend, Terraform takes them literally; "
    "write the value itself"
)
BAD_STACK = "{stack} is replaced in cdktf.json only; write it there"


def on_the_command_line(name: str, text: str) -> Argument:
    return Argument("cli", name, text, is_text=True)


def said(
    values: Mapping[str, Any] | None = None,
    terraform: Terraform | None = TERRAFORM,
    *given: Argument,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """What is said of a sound block that those values lie over; `None` takes what is there away."""
    block = {**SOUND, **(values or {})}
    own = [
        Argument(f"s3.{name}", name, value, is_ours=True)
        for name, value in block.items()
        if value is not None or name not in SOUND
    ]
    faults = check_s3("s3", [*own, *given], terraform, environment or {})
    return [f"{'warning: ' if fault.is_warning else ''}{fault}" for fault in faults]


def errors(values: Mapping[str, Any], terraform: Terraform | None = TERRAFORM) -> list[str]:
    """What is said of it, but for the warnings."""
    return [fault for fault in said(values, terraform) if not fault.startswith("warning: ")]


def complaints(
    name: str, value: object, terraform: Terraform | None = TOFU, is_text: bool = False
) -> list[str]:
    """What is said of one argument beside a sound rest."""
    rest = [Argument(other, other, SOUND[other]) for other in SOUND if other != name]
    one = Argument("here", name, value, is_text=is_text)
    return [str(fault) for fault in check_s3("block", [*rest, one], terraform, {})]
