"""Writes docs/settings.md's table from `Settings` and cdktf.json.

After a change: ``python -m tools.docs.settings_table``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from lib.config.kinds import Schema, settings_of
from lib.config.settings import Settings, load_settings
from tools.docs.pages import markdown, with_block

_PROJECT = Path(__file__).parents[2]
SETTINGS_PAGE = _PROJECT / "docs" / "settings.md"
_ENVIRONMENTS = ("dev", "prod")

_TYPES = {"string": "text", "array": "list"}  # the others are English already


def main() -> None:
    """Write the table into the page."""
    parser = argparse.ArgumentParser(prog="tools.docs.settings_table", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=SETTINGS_PAGE)
    page = parser.parse_args().page
    page.write_text(with_block(page.read_text("utf-8"), "settings", render(), "make docs"), "utf-8")


def render(configuration: Path = _PROJECT / "cdktf.json") -> str:
    """Return the table: each setting's purpose and default, and its values in a cdktf.json."""
    environments = [load_settings(configuration, name) for name in _ENVIRONMENTS]
    rows = []
    for setting in settings_of(Settings):
        default = "must be set" if setting.must_be_set else _written(setting.default)
        values = [_written(getattr(settings, setting.name)) for settings in environments]
        own = ["" if value == default else value for value in values]
        accepted = _accepted(setting.schema)
        rows.append([f"`{setting.name}`", setting.sentence, accepted, default, *own])
    return markdown(["key", "what it sets", "accepts", "default", *_ENVIRONMENTS], rows)


def _accepted(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(map(_written, schema["enum"]))
    type_, *null = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if type_ == "integer":
        type_ = f"{schema['minimum']:,} to {schema['maximum']:,}"
    most = schema.get("maxItems") or schema.get("maxProperties")
    count = f" of at most {most}" if most else ""
    return " or ".join([f"{_TYPES.get(type_, type_)}{count}", *null])


def _written(value: Any) -> str:
    """Return a value as in cdktf.json, but with texts, alone or in a list, without their quotes."""
    match value:
        case str():
            return value
        case Decimal():
            return f"{value:f}"
        case (str(), *_):
            return ", ".join(value)
        case _:
            return json.dumps(value, default=asdict)


if __name__ == "__main__":
    main()
