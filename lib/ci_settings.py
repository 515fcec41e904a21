"""What ``context.ci`` of cdktf.json says of the CI system that deploys, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.backend import Backend, StateStore, state_store
from lib.configuration import CI_ENVIRONMENT, environment_names, read_configuration
from lib.settings import Settings, load_settings
from lib.settings_rules import SettingsError

__all__ = ["Ci", "CiSettings", "load_ci", "load_ci_settings"]

# GitHub puts owner@number/name@number into a token's subject where that is switched on, which it
# is for every repository since July 2026.
_NAME = r"[A-Za-z0-9._-]+(@[0-9]+)?"
_EXAMPLE = '{"repository": "owner/name"}, or "owner@12/name@34"'


@dataclass(frozen=True, slots=True, kw_only=True)
class CiSettings:
    """The CI system.

    Attributes
    ----------
    repository
        The GitHub repository as its tokens write it: ``owner/name``, or
        ``owner@12/name@34``.
    oidc_provider_exists
        Whether the account has GitHub's OIDC provider already; it can have one only.
    """

    repository: str
    oidc_provider_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ci:
    """What tap-ci is made of.

    Attributes
    ----------
    settings
        The CI system.
    environments
        What it deploys, one role for each.
    store, state_key
        Where the state is kept, with ``{stack}`` for the stack's name.
    """

    settings: CiSettings
    environments: tuple[Settings, ...]
    store: StateStore
    state_key: str


def load_ci_settings(path: Path) -> CiSettings | None:
    """Read ``context.ci`` of a cdktf.json that is in order otherwise; ``None`` if it has none.

    Raises
    ------
    SettingsError
        With one line that names the key and says what would be right.
    """
    where = f"{path.name}: context.ci"
    block = _context(path).get("ci")
    if block is None:
        return None
    if not isinstance(block, dict):
        raise SettingsError(f"{where} must be a JSON object: {_EXAMPLE}")
    for key in block:
        if key not in CiSettings.__slots__:
            text = f"{where}.{key} is not known: it takes {', '.join(CiSettings.__slots__)}"
            raise SettingsError(" ".join(text.splitlines()))  # a name may hold a line end
    repository = block.get("repository")
    if not isinstance(repository, str) or not re.fullmatch(f"{_NAME}/{_NAME}", repository):
        raise SettingsError(f"{where}.repository must name the GitHub repository: {_EXAMPLE}")
    if ("@" in repository.partition("/")[0]) != ("@" in repository.partition("/")[2]):
        raise SettingsError(f"{where}.repository must have both numbers, or none: {_EXAMPLE}")
    exists = block.get("oidc_provider_exists", False)
    if not isinstance(exists, bool):
        raise SettingsError(f"{where}.oidc_provider_exists must be true or false")
    return CiSettings(repository=repository, oidc_provider_exists=exists)


def load_ci(path: Path, backend: Backend, environment: Mapping[str, str]) -> Ci:
    """Read what tap-ci is made of.

    Parameters
    ----------
    path
        The cdktf.json to read.
    backend
        The backend of tap-ci.
    environment
        The environment variables.

    Raises
    ------
    ConfigurationError
        With one line, if something of it is missing or cannot be deployed.
    """
    settings = load_ci_settings(path)
    if settings is None:
        raise SettingsError(
            f"{path.name}: context.ci is missing: tap-{CI_ENVIRONMENT} makes roles for the GitHub "
            f"repository that it names; write {_EXAMPLE}"
        )
    document = read_configuration(path)
    environments = tuple(load_settings(path, name) for name in environment_names(document))
    if not environments:
        raise SettingsError(f"{path.name}: context.environments must name an environment")
    store = state_store(path, backend, environment)  # so it is S3's
    key = document["terraform"]["backend"]["s3"].get("key", "")
    # It counts if nothing on the command line lies over it.
    if "{stack}" not in key or backend.values["key"] != backend.arguments["key"]:
        raise SettingsError(
            f"{path.name}: terraform.backend.s3.key must stand there, with {{stack}} in it: each "
            "role may read the state of its own stack alone"
        )
    return Ci(settings=settings, environments=environments, store=store, state_key=key)


def _context(path: Path) -> Mapping[str, Any]:
    context = read_configuration(path).get("context")
    return context if isinstance(context, dict) else {}
