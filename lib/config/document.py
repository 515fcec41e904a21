"""cdktf.json as it was written, and the names of its stacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

# Its stack, tap-state, is the bucket that the other stacks keep their state in.
STATE_ENVIRONMENT = "state"
# Its stack, tap-ci, has the roles that a CI system assumes.
CI_ENVIRONMENT = "ci"
# What a region looks like.
REGION = r"[a-z]{2}(-[a-z]+)+-[0-9]"


class ConfigurationError(ValueError):
    """A configuration that cannot be deployed: its faults, as a string one line each."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, one line each."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.faults)


class SettingsError(ConfigurationError):
    """Settings that cannot be deployed; the text is one line that names the key."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong and what would be right; a warning can be deployed. As a string, one line."""

    place: str
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return one_line(f"{self.place}: {self.text}")


def one_line(text: str) -> str:
    """Return an error as one line: a name in it may contain a line end."""
    return " ".join(text.splitlines())


def stack_name(environment: str) -> str:
    """Return the name of an environment's stack."""
    return f"tap-{environment}"


def local_state(folder: Path, stack: str) -> Path:
    """Return where CDKTF keeps a stack's state if there is no other backend."""
    return folder / f"terraform.{stack}.tfstate"


def region_of_environment(environment: Mapping[str, str]) -> str:
    """Return the region that Terraform reads from the environment variables; "" for none."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", "")


def read_configuration(path: Path) -> Mapping[str, Any]:
    """Read cdktf.json; fractions become `Decimal`.

    Raises
    ------
    ConfigurationError
        With one line that does not name the file, if it holds no JSON object.
    """
    try:
        document = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}") from error
    except ArithmeticError as error:
        raise ConfigurationError("holds a number that is beyond all bounds") from error
    except (RecursionError, ValueError) as error:
        raise ConfigurationError(f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError("the document must be a JSON object")
    return document


def environment_names(document: Mapping[str, Any]) -> list[str]:
    """Return the environments that a cdktf.json has settings for."""
    context = document.get("context")
    environments = context.get("environments") if isinstance(context, dict) else None
    return list(environments) if isinstance(environments, dict) else []


def texts_in(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts_in(item)


def not_literal(text: str) -> str | None:
    """Return why Terraform would not read a string as it is meant, if so."""
    if "${" in text or "%{" in text:
        return (
            "${…} and %{…} are not evaluated in a backend, Terraform takes them literally; "
            "write the value itself"
        )
    if "{stack}" in text:  # those in cdktf.json have been replaced
        return "{stack} is replaced in cdktf.json only; write it there"
    return None
