"""Where Terraform keeps its state: cdktf.json's backend block, checked.

CDKTF ignores the block. It is read here, together with the overrides in ``TF_CLI_ARGS_init``, and
rejected with one line for each fault if the Terraform that will run could not use it as intended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lib.backend.rules import (
    faults_of_forgotten_state,
    faults_of_local,
    faults_of_one_bucket,
    faults_of_others,
    faults_of_shared_state,
)
from lib.backend.s3 import LOCKFILE_SINCE, check_s3, values_of
from lib.backend.terraform import (
    Argument,
    Terraform,
    UnknownTerraform,
    ask_terraform,
    init_arguments,
)
from lib.config.document import (
    STATE_ENVIRONMENT,
    ConfigurationError,
    Fault,
    environment_names,
    read_configuration,
    region_of_environment,
    stack_name,
)

BACKENDS = (
    *("azurerm", "cloud", "consul", "cos", "gcs", "http", "kubernetes", "local", "oci", "oss"),
    *("pg", "remote", "s3"),
)
_CREDENTIALS = (
    *("allowed_account_ids", "forbidden_account_ids"),
    *("assume_role", "assume_role_with_web_identity"),
    *("profile", "shared_config_files", "shared_credentials_files"),
)
# Source: Amazon S3, "General purpose bucket naming rules".
_BUCKET_NAME = r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that passed the checks.

    Attributes
    ----------
    type
        ``None`` for CDKTF's own: a file next to cdktf.json.
    arguments
        As in cdktf.json, with ``{stack}`` replaced.
    values
        The effective S3 arguments, with those of the command line; nested ones as
        ``parent.child``.
    warnings
        One line each.
    """

    type: str | None
    arguments: Mapping[str, Any]
    values: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def required_version(self) -> str | None:
        """The Terraform versions that the stack requires.

        In an initialised folder, a Terraform that does not know ``use_lockfile`` silently ignores
        it, and does not lock the state.
        """
        return f">= {LOCKFILE_SINCE}" if self.values.get("use_lockfile") is True else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStore:
    """What the S3 backend needs in AWS, for the stack that creates it.

    Attributes
    ----------
    kms_key_id
        The key that the bucket is encrypted with, if not S3's own.
    credentials
        The backend's arguments that choose the account, which the provider needs as well.
    """

    bucket: str
    region: str
    kms_key_id: str | None
    lock_table: str | None
    credentials: Mapping[str, Any]


def load_backend(
    path: Path, environment_name: str, environment: Mapping[str, str], folder: Path
) -> Backend:
    """Read and check the backend of a stack; CDKTF keeps local state in ``folder``.

    Raises
    ------
    ConfigurationError
        With all faults: where each is, what is wrong, what would be right.
    """
    stack = stack_name(environment_name)
    output = Path(folder, environment.get("CDKTF_OUTDIR", "cdktf.out"))
    given = init_arguments(environment, output / "stacks" / stack)
    document = _read(path)
    type_, block = _written(document, path.name)
    place = f"{path.name}: terraform.backend.{type_}"
    arguments = _with_stack(block, stack)
    own = [
        Argument(f"{place}.{name}", name, value, is_ours=True) for name, value in arguments.items()
    ]
    faults: list[Fault] = []
    values: Mapping[str, Any] = {}
    if type_ == "s3":
        terraform, unknown = _terraform(place, environment)
        faults += [*unknown, *check_s3(place, [*own, *given], terraform, environment)]
        values = values_of([*own, *given])
    else:
        faults += faults_of_others(place, type_, [*own, *given], environment)
    try:
        json.dumps(arguments, allow_nan=False)
    except ValueError:
        faults.append(Fault(place, "holds a number that JSON does not have; write another one"))
    if type_ in (None, "local"):
        faults += faults_of_local(given, path.name, type_)
    elif "TAP_MOVING_STATE" not in environment:  # lib.backend.migrate moves it
        faults += faults_of_forgotten_state(folder, stack, type_)
    if type_ is not None:
        stacks = _stacks(stack, type_, document)
        faults += faults_of_shared_state(place, type_, block, given, stacks)
    if environment_name == STATE_ENVIRONMENT and type_ == "s3":
        faults += faults_of_one_bucket(place, block)
    if errors := [str(fault) for fault in faults if not fault.is_warning]:
        raise ConfigurationError(*errors)
    return Backend(
        type=type_,
        arguments=arguments,
        values=values,
        warnings=tuple(str(fault) for fault in faults),
    )


def state_store(path: Path, backend: Backend, environment: Mapping[str, str]) -> StateStore:
    """Return what has to be created for the backend.

    Raises
    ------
    ConfigurationError
        With one line, if cdktf.json names no bucket that can be created.
    """
    values = backend.values
    if "bucket" not in values:
        raise ConfigurationError(
            f"{path.name}: terraform.backend names no S3 bucket that could be made; write "
            '{"s3": {"bucket": …, "key": "tap/{stack}.tfstate", "region": …, "use_lockfile": true}}'
        )
    if not re.fullmatch(_BUCKET_NAME, values["bucket"]):
        raise ConfigurationError(
            f"{path.name}: terraform.backend.s3.bucket: no bucket can be made of that name; "
            "it takes 3 to 63 of a-z 0-9 - . and is no IP address"
        )
    return StateStore(
        bucket=values["bucket"],
        region=values.get("region") or region_of_environment(environment),
        kms_key_id=values.get("kms_key_id"),
        lock_table=values.get("dynamodb_table") or None,
        credentials={name: values[name] for name in _CREDENTIALS if name in values},
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_configuration(path)
    except ConfigurationError as reason:
        raise ConfigurationError(f"{path.name}: {reason}") from None


def _written(document: Mapping[str, Any], file: str) -> tuple[str | None, Mapping[str, Any]]:
    """Return the block's type and arguments; the type is ``None`` if there is no block."""
    section = document.get("terraform", {})
    if not isinstance(section, dict) or set(section) - {"backend"}:
        raise ConfigurationError(
            f'{file}: terraform takes one thing, a backend: {{"backend": {{"s3": {{…}}}}}}'
        )
    backends = section.get("backend")
    if backends is None:
        return None, {}
    if not isinstance(backends, dict) or len(backends) != 1:
        raise ConfigurationError(
            f'{file}: terraform.backend must be an object with one key, the type: {{"s3": {{…}}}}'
        )
    ((type_, arguments),) = backends.items()
    if type_ not in BACKENDS:
        nearest = get_close_matches(type_.lower(), BACKENDS, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        text = f"there is no such backend; {hint}there are {', '.join(BACKENDS)}"
        raise ConfigurationError(str(Fault(f"{file}: terraform.backend.{type_}", text)))
    if not isinstance(arguments, dict):
        raise ConfigurationError(f"{file}: terraform.backend.{type_} must be an object")
    return type_, arguments


def _stacks(stack: str, type_: str, document: Mapping[str, Any]) -> list[str]:
    """List the stacks that may use the backend, this one first."""
    others = [*environment_names(document), *([STATE_ENVIRONMENT] if type_ == "s3" else [])]
    return list(dict.fromkeys([stack, *map(stack_name, others)]))


def _with_stack(value: Any, stack: str) -> Any:
    if isinstance(value, str):
        return value.replace("{stack}", stack)
    if isinstance(value, list):
        return [_with_stack(item, stack) for item in value]
    if isinstance(value, dict):
        return {_with_stack(key, stack): _with_stack(item, stack) for key, item in value.items()}
    return float(value) if isinstance(value, Decimal) else value  # jsii takes no Decimal


def _terraform(
    place: str, environment: Mapping[str, str]
) -> tuple[Terraform | None, Sequence[Fault]]:
    try:
        return ask_terraform(environment), ()
    except UnknownTerraform as reason:
        text = f"{reason}, so the arguments were checked without its version"
        return None, [Fault(place, text, is_warning=True)]
