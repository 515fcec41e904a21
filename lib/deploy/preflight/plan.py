"""What is about to be deployed, as cdktf.json has it: its settings, its region, its state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lib.backend.block import Backend, load_backend, state_store
from lib.config.document import (
    STATE_ENVIRONMENT,
    ConfigurationError,
    environment_names,
    local_state,
    read_configuration,
    stack_name,
)
from lib.config.settings import Settings, load_settings
from lib.deploy.preflight.finding import Finding, error, skipped, warning


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be deployed.

    Attributes
    ----------
    variables, folder
        The environment variables, and the current folder, which CDKTF keeps local state in.
    settings
        The settings; ``None`` if there are none, or if they are wrong.
    backend
        Where the state is; ``None`` if that is wrong.
    region
        Where the stack goes; empty if cdktf.json does not say, ``None`` if the settings are wrong.
    """

    environment: str
    variables: Mapping[str, str]
    folder: Path
    findings: list[Finding] = field(default_factory=list)
    settings: Settings | None = None
    backend: Backend | None = None
    region: str | None = ""


def read_plan(path: Path, environment: str, variables: Mapping[str, str], folder: Path) -> Plan:
    """Return what main.py would build a stack from."""
    findings, settings, backend = list[Finding](), None, None
    region: str | None = ""
    try:
        backend = load_backend(path, environment, variables, folder)
        findings += [warning("backend", text) for text in backend.warnings]
        findings.append(Finding("backend", _place(backend, environment, folder)))
    except ConfigurationError as wrong:
        findings += [error("backend", fault) for fault in wrong.faults]
    try:
        known = environment_names(read_configuration(path))
        if environment in known:
            settings = load_settings(path, environment)
            region = settings.region
            findings.append(Finding("settings", f"{environment} of {path.name}"))
        elif environment != STATE_ENVIRONMENT:
            findings.append(
                skipped("settings", f"{path.name} has none for {environment}: {', '.join(known)}")
            )
        elif backend is not None:
            region = state_store(path, backend, variables).region
    except ConfigurationError as wrong:
        findings += [error("settings", fault) for fault in wrong.faults]
        region = None
    return Plan(environment, variables, folder, findings, settings, backend, region)


def check_region(region: str | None, shell: str, known: Collection[str]) -> Finding:
    """Return where the stack goes, compared with where AWS tools (``shell``) are set to.

    ``known`` are the regions that boto3 knows; empty if it lists none.
    """
    if region is None:
        return skipped("region", "stands in the settings, which are wrong")
    chosen = region or shell
    if not chosen:
        return skipped("region", "neither cdktf.json nor AWS_REGION names one")
    if known and chosen not in known:
        return warning(
            "region",
            f"boto3 knows no {chosen}: unless it is new, correct it in cdktf.json or AWS_REGION",
        )
    if shell and shell != chosen:
        return warning(
            "region",
            f"the stack goes to {chosen}, but AWS tools and ./alerts are set to {shell} and would "
            f"not find it: export AWS_REGION={chosen}",
        )
    return Finding("region", chosen)


def _place(backend: Backend, environment: str, folder: Path) -> str:
    if backend.type is None:
        return f"{local_state(folder, stack_name(environment)).name}, on this machine only"
    places = [backend.values.get(name) for name in ("bucket", "key")]
    return "/".join([backend.type, *filter(None, places)])
