"""Checks the arguments of an S3 backend before Terraform runs.

Terraform would report them late or not at all: it drops an unknown nested argument, takes ``${…}``
literally, and in an initialised folder ignores even ``use_lockfile``. What ``init`` reports in one
clear line is left to it: most formats of values, and arguments that exclude each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.backend.s3_arguments import TABLE, deprecation, is_beyond_the_table, refusal, row
from lib.backend.terraform import Argument, Terraform, value_of_expression
from lib.config.document import REGION, Fault, not_literal, region_of_environment, texts_in

LOCKFILE_SINCE: str = TABLE["terraform"]["arguments"]["use_lockfile"]["since"]

_SECRETS = (
    *("access_key", "secret_key", "token", "sse_customer_key"),
    "assume_role_with_web_identity.web_identity_token",
)
_TYPES = {
    "string": "a string",
    "bool": "true or false, without quotes",
    "number": "a whole number, without quotes",
    "set(string)": "a list of strings",
    "map(string)": "an object of strings",
    "object": "an object",
}


def check_s3(
    block: str,
    arguments: Sequence[Argument],
    terraform: Terraform | None,
    environment: Mapping[str, str],
) -> list[Fault]:
    """Return everything that is wrong with a backend's arguments, and what to warn of.

    ``block`` is the place of the backend block. Of two arguments with one name, the later one
    counts. Without a ``terraform``, the checks that depend on it are left out.
    """
    parts = _parts_that_count(arguments)
    values = {part.name: part for part in parts if part.value is not None}
    return [
        *(
            Fault(argument.place, f"a dot is no part of a name; write {_nested(argument.name)}")
            for argument in arguments
            if "." in argument.name
        ),
        *(fault for part in parts for fault in _faults_of(part, terraform)),
        *_missing(block, values, terraform),
        *_region(block, values, environment),
        *_unlocked(block, values, terraform),
    ]


def values_of(arguments: Sequence[Argument]) -> dict[str, Any]:
    """Return the effective values by name; text from the command line is converted."""
    parts = _parts_that_count(arguments)
    return {part.name: part.value for part in parts if part.value is not None}


def _nested(name: str) -> str:
    parent, _, child = name.partition(".")
    return json.dumps({parent: {child: "…"}}, ensure_ascii=False)


def _parts_that_count(arguments: Sequence[Argument]) -> list[Argument]:
    """Return the last argument of each name, and what is nested in it."""
    # In JSON, Terraform takes "//" for a comment.
    last = {
        argument.name: argument
        for argument in arguments
        if "." not in argument.name and argument.name != "//"
    }
    return [part for argument in last.values() for part in _parts(argument)]


def _parts(argument: Argument) -> Iterator[Argument]:
    """Yield an argument and those nested in it."""
    type_ = (row(argument.name, None) or {"type": "string"})["type"]
    value = _typed(argument.value, type_) if argument.is_text else argument.value
    yield Argument(argument.place, argument.name, value, is_ours=argument.is_ours)
    if type_ == "object" and isinstance(value, dict):
        for name, nested in value.items():
            yield Argument(
                f"{argument.place}.{name}",
                f"{argument.name}.{name}",
                nested,
                is_ours=argument.is_ours,
            )


def _typed(text: str, type_: str) -> Any:
    """Convert as Terraform does; what cannot be converted stays text, which is rejected later."""
    if type_ == "string":
        return text
    if type_ == "bool":
        return {"true": True, "1": True, "false": False, "0": False}.get(text, text)
    if type_ == "number":
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text
    try:
        return value_of_expression(text)
    except ValueError:
        return text


def _faults_of(argument: Argument, terraform: Terraform | None) -> Iterator[Fault]:
    place, name, value = argument.place, argument.name, argument.value
    parent, dot, _ = name.partition(".")
    if dot and refusal(parent, terraform):
        return  # the parent's fault says it
    if reason := refusal(name, terraform):
        is_newer = row(name, terraform) is None and is_beyond_the_table(terraform)
        yield Fault(place, reason, is_warning=is_newer)
        return
    if value is None:
        return
    type_ = (row(name, terraform) or {"type": ""})["type"]
    if faults := list(_faults_of_value(argument, type_)):
        yield from faults
        return
    if warning := deprecation(name, terraform):
        yield Fault(place, warning, is_warning=True)
    if name in _SECRETS and argument.is_ours:
        yield Fault(
            place,
            "is a secret that everybody can read who has the file; leave it out, and let the "
            "environment or a profile provide it",
            is_warning=True,
        )


def _faults_of_value(argument: Argument, type_: str) -> Iterator[Fault]:
    """Yield what is wrong with a value, but not with what is nested in an object."""
    if not _is_of_type(argument.value, type_):
        yield Fault(argument.place, f"must be {_TYPES[type_]}")
        return
    for text in texts_in(argument.value) if type_ != "object" else ():
        if reason := not_literal(text):
            yield Fault(argument.place, reason)
        elif argument.name == "key" and re.search("[{}]", text):
            yield Fault(argument.place, "must have no braces: only {stack} is replaced")


def _is_of_type(value: Any, type_: str) -> bool:
    match type_:
        case "string":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "number":
            return type(value) is int and value >= 0  # a bool is an int
        case "set(string)":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "map(string)":
            return isinstance(value, dict) and all(isinstance(i, str) for i in value.values())
        case _:
            return isinstance(value, dict)


def _missing(
    block: str, values: Mapping[str, Argument], terraform: Terraform | None
) -> Iterator[Fault]:
    # OpenTofu requires no more than Terraform does.
    product = terraform.product.lower() if terraform else "opentofu"
    objects = {
        name
        for name, part in values.items()
        if isinstance(part.value, dict) and not refusal(name, terraform)
    }
    for name, found in TABLE[product]["arguments"].items():
        parent = name.rpartition(".")[0]
        if found.get("required") and name not in values and (not parent or parent in objects):
            place = values[parent].place if parent else block
            yield Fault(place, f"{name} is missing; add it")
    # With half a pair, Terraform says that both are empty.
    for one, other in (("access_key", "secret_key"), ("secret_key", "access_key")):
        if one in values and other not in values:
            yield Fault(values[one].place, f"needs {other} beside it; add that, or leave it out")


def _region(
    block: str, values: Mapping[str, Argument], environment: Mapping[str, str]
) -> Iterator[Fault]:
    region = _value("region", values)
    if not region:
        if not region_of_environment(environment):
            yield Fault(block, "region is missing; add it, or set AWS_REGION")
    elif (  # without this, preflight would blame the network
        isinstance(region, str)
        and not not_literal(region)
        and _value("skip_region_validation", values) is not True
        and not re.fullmatch(REGION, region)
    ):
        yield Fault(values["region"].place, "must look like us-east-1")


def _unlocked(
    block: str, values: Mapping[str, Argument], terraform: Terraform | None
) -> Iterator[Fault]:
    if _value("use_lockfile", values) is True or _value("dynamodb_table", values):
        return
    cure = f'add "use_lockfile": true, or "dynamodb_table" for Terraform before {LOCKFILE_SINCE}'
    if terraform and not terraform.is_at_least(LOCKFILE_SINCE):
        cure = (
            f'add "dynamodb_table", or "use_lockfile": true with {terraform.product} '
            f"{LOCKFILE_SINCE} or newer ({terraform} does not know it)"
        )
    yield Fault(
        block,
        f"nothing locks the state, so two deployments at once can destroy it; {cure}",
        is_warning=True,
    )


def _value(name: str, values: Mapping[str, Argument]) -> Any:
    return values[name].value if name in values else None
