"""The CI system that deploys: ``context.ci`` of cdktf.json, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from lib.config.document import SettingsError, one_line, read_configuration
from lib.config.kinds import SWITCH, object_of, text

EXAMPLE = '{"repository": "owner/name"}, or "owner@12/name@34"'
# The subject of GitHub's tokens is owner@number/name@number where that is switched on, as for every
# repository since July 2026.
_NAME = "[A-Za-z0-9._-]+"
_REPOSITORY = text(
    f"{_NAME}/{_NAME}|{_NAME}@[0-9]+/{_NAME}@[0-9]+",
    f"name the GitHub repository, with both numbers or with none: {EXAMPLE}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CiSettings:
    """The CI system."""

    repository: Annotated[
        str,
        _REPOSITORY,
        "The GitHub repository as its tokens write it: `owner/name`, or with numbers",
    ]
    oidc_provider_exists: Annotated[
        bool, SWITCH, "The account has GitHub's OIDC provider already; it can have one only"
    ] = False


CI = object_of(CiSettings, f": {EXAMPLE}")


def load_ci_settings(path: Path) -> CiSettings | None:
    """Read ``context.ci`` of an otherwise valid cdktf.json; ``None`` if it has none.

    Raises
    ------
    SettingsError
        With one line that names the key and says what would be right.
    """
    context = read_configuration(path).get("context")
    block = context.get("ci") if isinstance(context, dict) else None
    if block is None:
        return None
    try:
        settings: CiSettings = CI.read(block)
    except SettingsError as reason:
        raise SettingsError(one_line(f"{path.name}: context.ci{reason}")) from None
    return settings
