"""Which Terraform or OpenTofu is going to run, and in which version."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_SECONDS = 60


class UnknownTerraform(Exception):
    """Nothing is known of the Terraform that will run; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Terraform:
    """A Terraform or an OpenTofu.

    Attributes
    ----------
    product
        ``Terraform`` or ``OpenTofu``.
    version
        Its release, as it says it: ``1.11.4``.
    """

    product: str
    version: str

    def __str__(self) -> str:
        return f"{self.product} {self.version}"

    def is_at_least(self, version: str) -> bool:
        """Tell whether it is this release or a newer one; a pre-release counts as its release."""
        return version_numbers(self.version) >= version_numbers(version)


def version_numbers(version: str) -> tuple[int, int, int]:
    """Read the numbers of a version: ``1.10`` and ``1.10.0-beta1`` are both (1, 10, 0).

    Raises
    ------
    ValueError
        If it is no version.
    """
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if match is None:
        raise ValueError(f"{version!r} is no version")
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def command_name(environment: Mapping[str, str]) -> str:
    """Name the command that cdktf is going to run."""
    return environment.get("TERRAFORM_BINARY_NAME") or "terraform"


def ask_terraform(environment: Mapping[str, str]) -> Terraform:
    """Ask the command that cdktf is going to run for its version.

    Parameters
    ----------
    environment
        The environment variables; ``TERRAFORM_BINARY_NAME`` names the command, as for cdktf.

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
