"""What tap-ci is made of: roles that may each read the state of one stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.backend.block import Backend, StateStore, state_store
from lib.config.ci import EXAMPLE, CiSettings, load_ci_settings
from lib.config.document import CI_ENVIRONMENT, SettingsError, environment_names, read_configuration
from lib.config.settings import Settings, load_settings


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
            f"repository that it names; write {EXAMPLE}"
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
