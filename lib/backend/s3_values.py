"""What the value of one argument of the S3 backend must be like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lib.backend.init_arguments import Argument
from lib.config.document import Fault, not_literal, texts_in

_TYPES = {
    "string": "a string",
    "bool": "true or false, without quotes",
    "number": "a whole number, without quotes",
    "set(string)": "a list of strings",
    "map(string)": "an object of strings",
    "object": "an object",
}
WEB_IDENTITY = "assume_role_with_web_identity"
_ROLE = (r"arn:[^:]+:iam::[0-9]{12}:role/.+", "a role's ARN, arn:aws:iam::<account>:role/<name>")
_SESSION = (r"[A-Za-z0-9_+=,.@-]{2,64}", "2 to 64 letters, digits or +=,.@-")
_ACCOUNTS = (r"[0-9]{12}", "account ids of twelve digits")
_KMS_KEY = (
    r"([0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})"
)
_KMS_ALIAS = r"alias/[\w/-]+"
# Source: Terraform, internal/backend/remote-state/s3, PrepareConfig and Configure.
_FORMS = {
    "bucket": (
        r"[A-Za-z0-9._-]{3,255}|arn:\S+",
        "a bucket's name, 3 to 63 of a-z 0-9 - . alone, or the ARN of an access point",
    ),
    "key": (
        r"(?!/)(?!.*//)[^{}\\]*[^{}\\/\s]",
        "a path that neither begins nor ends with /, without //, backslashes and braces; "
        "of braces, only {stack} is replaced",
    ),
    "workspace_key_prefix": (r"(?!/)(.*[^/])?", "a path that neither begins nor ends with /"),
    "kms_key_id": (
        rf"(arn:[^:]+:kms:[^:]+:[0-9]{{12}}:(key/{_KMS_KEY}|{_KMS_ALIAS})|{_KMS_KEY}|{_KMS_ALIAS})",
        "a key's id, alias/<name>, or the ARN of one",
    ),
    "sse_customer_key": (r"[A-Za-z0-9+/]{43}=", "256 bits in base64: 44 characters"),
    "retry_mode": (r"standard|adaptive", "standard or adaptive"),
    "ec2_metadata_service_endpoint_mode": (r"IPv4|IPv6", "IPv4 or IPv6"),
    "allowed_account_ids": _ACCOUNTS,
    "forbidden_account_ids": _ACCOUNTS,
    "ec2_metadata_service_endpoint": (r"https?://\S+", "a URL"),
    "assume_role.external_id": (
        r"[A-Za-z0-9_+=,.@:/-]{2,1224}",
        "2 to 1,224 letters, digits or +=,.@:/-",
    ),
    "assume_role.source_identity": _SESSION,
    **{
        f"{parent}.{name}": form
        for parent in ("assume_role", WEB_IDENTITY)
        for name, form in {
            "role_arn": _ROLE,
            "duration": (r"([0-9]+(\.[0-9]+)?(h|m|s))+", "a duration, as in 1h30m"),
            "policy": (r"\s*\{.*\}\s*", "a policy as JSON"),
            "policy_arns": (r"arn:[^:]+:iam::([0-9]{12}|aws):policy/.+", "the ARNs of policies"),
            "session_name": _SESSION,
        }.items()
    },
}


def faults_of_value(argument: Argument, type_: str) -> Iterator[Fault]:
    """Find what is wrong with an argument's value; of an object, not with what is in it.

    Parameters
    ----------
    argument
        The argument; its value is not null.
    type_
        The type that Terraform has it in.
    """
    if not _is_of_type(argument.value, type_):
        yield Fault(argument.place, f"must be {_TYPES[type_]}")
    elif type_ != "object":
        yield from _faults_of_texts(argument)


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


def _faults_of_texts(argument: Argument) -> Iterator[Fault]:
    form, wanted = _FORMS.get(argument.name, (r".*", ""))
    for text in texts_in(argument.value):
        if reason := not_literal(text):
            yield Fault(argument.place, reason)
        elif not re.fullmatch(form, text, re.DOTALL):
            yield Fault(argument.place, f"must be {wanted}")
