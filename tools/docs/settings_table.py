"""Writes the README's table of settings, out of `Settings` and cdktf.json.

After a change: ``python -m tools.docs.settings_table``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from lib.config.settings import Settings, load_settings
from tools.docs.pages import markdown, with_block

_PROJECT = Path(__file__).parents[2]
README = _PROJECT / "README.md"
_ENVIRONMENTS = ("dev", "prod")

# Python's words, and JSON's for the same.
_IN_JSON = {"None": "null", "False": "false", "True": "true"}


def main() -> None:
    """Write the table into the README."""
    parser = argparse.ArgumentParser(prog="tools.docs.settings_table", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=README)
    page = parser.parse_args().page
    page.write_text(with_table(page.read_text("utf-8"), render()), "utf-8")


def render(configuration: Path = _PROJECT / "cdktf.json") -> str:
    """Return the table: what each setting is for, its default, and what each environment has.

    Parameters
    ----------
    configuration
        The cdktf.json whose values are shown.
    """
    meanings = _meanings()
    environments = [load_settings(configuration, name) for name in _ENVIRONMENTS]
    rows = []
    for field in fields(Settings):
        if field.name == "environment":
            continue
        default = _default(field)
        values = [_written(getattr(settings, field.name)) for settings in environments]
        own = ["" if value == default else value for value in values]
        rows.append([f"`{field.name}`", meanings[field.name], default, *own])
    return markdown(["key", "what it sets", "default", *_ENVIRONMENTS], rows)


def with_table(page: str, table: str) -> str:
    """Return a page with another table between the two marks.

    Raises
    ------
    ValueError
        If the page has no such marks.
    """
    return with_block(page, "settings", table, "make docs")


def _meanings() -> Mapping[str, str]:
    """Read what each setting means out of the class's docstring."""
    attributes = inspect.cleandoc(Settings.__doc__ or "").partition("----------\n")[2]
    entries = re.findall(r"^(\w+)\n((?:    .+\n?)+)", attributes, re.MULTILINE)
    return {name: _in_markdown(text) for name, text in entries}


def _in_markdown(text: str) -> str:
    words = re.sub(r"``(.+?)``", lambda code: f"`{_IN_JSON.get(code[1], code[1])}`", text)
    return " ".join(words.split()).removesuffix(".")


def _default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return _written(field.default_factory())
    return "must be set" if field.default is MISSING else _written(field.default)


def _written(value: Any) -> str:
    """Write a value as cdktf.json has it; texts, alone or in a list, without their quotes."""
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
