"""The backend arguments that ``terraform init`` gets from the environment."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.document import ConfigurationError, Fault

# The order in which Terraform takes them, the later ones over the earlier.
_VARIABLES = ("TF_CLI_ARGS_init", "TF_CLI_ARGS")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the backend.

    Attributes
    ----------
    place
        Where it stands, for messages.
    name
        Its name.
    value
        What it is set to.
    is_text
        Whether the value came from the command line, where everything is text.
    is_ours
        Whether it stands in cdktf.json, where ``{stack}`` is replaced.
    """

    place: str
    name: str
    value: Any
    is_text: bool = False
    is_ours: bool = False


def init_arguments(environment: Mapping[str, str], folder: Path) -> list[Argument]:
    """Read each ``-backend-config`` of ``TF_CLI_ARGS_init`` and ``TF_CLI_ARGS``.

    Source: Terraform, "Backend Configuration", partial configuration.

    Parameters
    ----------
    environment
        The environment variables.
    folder
        The folder that Terraform will run in, for the files that are named.

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
    """Read a literal in Terraform's own language, such as ``["a"]`` or ``{a = "b"}``.

    Raises
    ------
    ValueError
        If it is none.
    """
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
    import hcl2  # noqa: PLC0415  # few need it, and it takes its time
    from hcl2.utils import SerializationOptions  # noqa: PLC0415  # the same
    from lark.exceptions import LarkError  # noqa: PLC0415  # the same

    options = SerializationOptions(with_comments=False, preserve_heredocs=False)
    try:
        document = hcl2.loads(text, serialization_options=options)
    except LarkError as error:
        raise ValueError(str(error)) from error
    return {name: _literal(value) for name, value in document.items()}


def _literal(value: Any) -> Any:
    """Take the quotes off strings; what has none is an expression, and no value."""
    if isinstance(value, str):
        if not value.startswith('"'):
            raise ValueError(f"{value} is no value; strings stand in quotes")
        return json.loads(value, strict=False)  # a tab may stand in it
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, dict):
        return {name.strip('"'): _literal(item) for name, item in value.items()}
    return value
