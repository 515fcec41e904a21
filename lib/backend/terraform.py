"""The Terraform or OpenTofu that will run: its version, and the arguments that ``init`` gets."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.document import ConfigurationError, Fault

_PATIENCE_SECONDS = 60
# In Terraform's order: the later one overrides the earlier.
_VARIABLES = ("TF_CLI_ARGS_init", "TF_CLI_ARGS")


class UnknownTerraform(Exception):
    """The version of the Terraform that will run is unknown; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Terraform:
    """A product, ``Terraform`` or ``OpenTofu``, and its release, such as ``1.11.4``."""

    product: str
    version: str

    def __str__(self) -> str:
        return f"{self.product} {self.version}"

    def is_at_least(self, version: str) -> bool:
        """Return whether it is this release or newer; a pre-release counts as its release."""
        return version_numbers(self.version) >= version_numbers(version)


def version_numbers(version: str) -> tuple[int, int, int]:
    """Return a version's numbers, or raise a `ValueError`: ``1.10.0-beta1`` is (1, 10, 0)."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if match is None:
        raise ValueError(f"{version!r} is no version")
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def command_name(environment: Mapping[str, str]) -> str:
    """Return the command that cdktf will run."""
    return environment.get("TERRAFORM_BINARY_NAME") or "terraform"


def ask_terraform(environment: Mapping[str, str]) -> Terraform:
    """Ask the command that cdktf will run for its version.

    Raises
    ------
    UnknownTerraform
        If there is no such command, or it does not answer.
    """
    name = command_name(environment)
    command = shutil.which(name, path=environment.get("PATH"))
    if command is None:
        raise UnknownTerraform(f"{name} is not installed")
    answer = _run(command, "-json", environment=environment)
    try:
        details = json.loads(answer[answer.find("{") :])  # a wrapper may say something first
        version = details["terraform_version"]  # OpenTofu's key as well
        version_numbers(version)
    except (KeyError, TypeError, ValueError):
        raise UnknownTerraform(f"{name} version -json does not tell its version") from None
    if "tofu" in Path(command).resolve().name or "tofu" in Path(command).name:
        return Terraform("OpenTofu", version)
    # Both call themselves "terraform_version"; only Terraform says whether it is outdated.
    if "terraform_outdated" not in details and "OpenTofu" in _run(command, environment=environment):
        return Terraform("OpenTofu", version)
    return Terraform("Terraform", version)


def _run(command: str, *options: str, environment: Mapping[str, str]) -> str:
    # Arguments that are meant for other commands would be an error here.
    clean = {name: value for name, value in environment.items() if "TF_CLI_ARGS" not in name}
    try:
        done = subprocess.run(  # noqa: S603  # the command that cdktf is going to run as well
            [command, "version", *options],
            env={**clean, "CHECKPOINT_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError, UnicodeError) as error:
        raise UnknownTerraform(f"{Path(command).name} version fails: {error}") from error
    return done.stdout


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the backend.

    Attributes
    ----------
    place
        Where it is written, for messages.
    is_text
        Whether the value is from the command line, where everything is text.
    is_ours
        Whether it is in cdktf.json, where ``{stack}`` is replaced.
    """

    place: str
    name: str
    value: Any
    is_text: bool = False
    is_ours: bool = False


def init_arguments(environment: Mapping[str, str], folder: Path) -> list[Argument]:
    """Read each ``-backend-config`` of ``TF_CLI_ARGS_init`` and ``TF_CLI_ARGS``.

    Files are relative to ``folder``, in which Terraform runs.
    Source: Terraform, "Backend Configuration", partial configuration.

    Raises
    ------
    ConfigurationError
        With one line, if a variable cannot be split into arguments or a file cannot be read.
    """
    arguments: list[Argument] = []
    for variable in _VARIABLES:
        for configuration in _configurations(variable, environment.get(variable, "")):
            name, equals, value = configuration.partition("=")
            if equals:
                place = f"{variable}: -backend-config={name}"
                arguments.append(Argument(place, name, value, is_text=True))
            elif configuration:  # an empty one stands for no file
                arguments += _arguments_in(variable, folder, configuration)
    return arguments


def value_of_expression(text: str) -> Any:
    """Read a literal in Terraform's language, such as ``{a = "b"}``, or raise a `ValueError`."""
    return _parsed(f"value = {text}\n")["value"]


def _configurations(variable: str, value: str) -> Iterator[str]:
    try:
        words = iter(shlex.split(value))
    except ValueError as error:
        raise ConfigurationError(
            f"{variable}: cannot be split into arguments: {error}; write it as for a shell"
        ) from error
    for word in words:
        flag, equals, configuration = word.partition("=")
        if flag in ("-backend-config", "--backend-config"):
            yield configuration if equals else next(words, "")


def _arguments_in(variable: str, folder: Path, name: str) -> list[Argument]:
    place = f"{variable}: -backend-config={name}"
    file = folder / name
    try:
        text = file.read_text("utf-8-sig")
        values = json.loads(text) if file.suffix == ".json" else _parsed(text)
        if not isinstance(values, dict):
            raise TypeError("it holds no object")
    except OSError as error:
        cure = f"Terraform runs in {folder}, so write an absolute path"
        raise ConfigurationError(
            str(Fault(place, f"cannot be read: {error.strerror}; {cure}"))
        ) from error
    except (RecursionError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise ConfigurationError(
            str(Fault(place, f'cannot be understood: {why}; write lines like name = "value"'))
        ) from error
    return [Argument(f"{place}: {key}", key, value) for key, value in values.items()]


def _parsed(text: str) -> dict[str, Any]:
    import hcl2  # noqa: PLC0415  # slow to import, and rarely needed
    from hcl2.utils import SerializationOptions  # noqa: PLC0415  # the same
    from lark.exceptions import LarkError  # noqa: PLC0415  # the same

    options = SerializationOptions(with_comments=False, preserve_heredocs=False)
    try:
        document = hcl2.loads(text, serialization_options=options)
    except LarkError as error:
        raise ValueError(str(error)) from error
    return {name: _literal(value) for name, value in document.items()}


def _literal(value: Any) -> Any:
    """Remove the quotes of strings; an unquoted one is an expression, which is rejected."""
    if isinstance(value, str):
        if not value.startswith('"'):
            raise ValueError(f"{value} is no value; strings stand in quotes")
        return json.loads(value, strict=False)  # it may contain a tab
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, dict):
        return {name.strip('"'): _literal(item) for name, item in value.items()}
    return value
