"""What tap-ci is built from: roles that may each read the state of one stack."""

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
    """What tap-ci is built from: a role for each environment that CI deploys.

    The state key has ``{stack}`` for the stack's name.
    """

    settings: CiSettings
    environments: tuple[Settings, ...]
    store: StateStore
    state_key: str


def load_ci(path: Path, backend: Backend, environment: Mapping[str, str]) -> Ci:
    """Return what tap-ci is built from.

    Raises
    ------
    ConfigurationError
        With one line, if anything is missing or cannot be deployed.
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
    # The command line must not override it.
    if "{stack}" not in key or backend.values["key"] != backend.arguments["key"]:
        raise SettingsError(
            f"{path.name}: terraform.backend.s3.key must stand there, with {{stack}} in it: each "
            "role may read the state of its own stack alone"
        )
    return Ci(settings=settings, environments=environments, store=store, state_key=key)
