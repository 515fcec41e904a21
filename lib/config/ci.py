"""What ``context.ci`` of cdktf.json says of the CI system that deploys, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.document import read_configuration
from lib.config.settings_rules import SettingsError

# GitHub puts owner@number/name@number into a token's subject where that is switched on, which it
# is for every repository since July 2026.
_NAME = r"[A-Za-z0-9._-]+(@[0-9]+)?"
EXAMPLE = '{"repository": "owner/name"}, or "owner@12/name@34"'


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
        raise SettingsError(f"{where} must be a JSON object: {EXAMPLE}")
    for key in block:
        if key not in CiSettings.__slots__:
            text = f"{where}.{key} is not known: it takes {', '.join(CiSettings.__slots__)}"
            raise SettingsError(" ".join(text.splitlines()))  # a name may hold a line end
    repository = block.get("repository")
    if not isinstance(repository, str) or not re.fullmatch(f"{_NAME}/{_NAME}", repository):
        raise SettingsError(f"{where}.repository must name the GitHub repository: {EXAMPLE}")
    if ("@" in repository.partition("/")[0]) != ("@" in repository.partition("/")[2]):
        raise SettingsError(f"{where}.repository must have both numbers, or none: {EXAMPLE}")
    exists = block.get("oidc_provider_exists", False)
    if not isinstance(exists, bool):
        raise SettingsError(f"{where}.oidc_provider_exists must be true or false")
    return CiSettings(repository=repository, oidc_provider_exists=exists)


def _context(path: Path) -> Mapping[str, Any]:
    context = read_configuration(path).get("context")
    return context if isinstance(context, dict) else {}
