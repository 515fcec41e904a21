"""Writes the JSON schema of cdktf.json, with which editors complete and check it.

After a change: ``python -m tools.docs.cdktf_schema``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lib.backend.block import BACKENDS
from lib.backend.s3_arguments import TABLE
from lib.config.ci import CI
from lib.config.kinds import Schema, object_schema
from lib.config.settings import CDKTF_FLAGS, ENVIRONMENT_NAME, TAKEN, Settings

FILE = Path(__file__).parents[2] / "docs" / "cdktf.schema.json"

_TYPES: dict[str, Schema] = {
    "string": {"type": ["string", "null"]},
    "bool": {"type": ["boolean", "null"]},
    "number": {"type": ["integer", "null"], "minimum": 0},
    "set(string)": {"type": ["array", "null"], "items": {"type": "string"}},
    "map(string)": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
    "object": {"type": ["object", "null"]},
}


def main() -> None:
    """Write the schema into docs/."""
    parser = argparse.ArgumentParser(prog="tools.docs.cdktf_schema", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    parser.parse_args().file.write_text(render(), "utf-8")


def render() -> str:
    """Return the schema as text."""
    return json.dumps(document_schema(), indent=1, ensure_ascii=False) + "\n"


def document_schema() -> Schema:
    """Return the schema of our own parts of cdktf.json.

    It cannot say which settings go together, or which Terraform accepts which argument.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the one that editors know best
        "title": "cdktf.json of the price alerts",
        "type": "object",
        "required": ["context"],
        "properties": {"context": _context(), "terraform": _terraform()},
        "definitions": {"settings": object_schema(Settings) | {"required": []}},
    }


def _context() -> Schema:
    settings = {"$ref": "#/definitions/settings"}
    has_region = {"required": ["region"]}
    return {
        "type": "object",
        "required": ["environments"],
        "properties": {
            "common": {"description": "Settings of every environment", **_all_of(settings)},
            "environments": {
                "description": "What each environment has besides, or in its place",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {**ENVIRONMENT_NAME.schema, "not": {"enum": [*TAKEN]}},
                "additionalProperties": settings,
            },
            "ci": CI.schema | {"type": ["object", "null"]},
            **{flag: {"description": "A flag of CDKTF itself"} for flag in CDKTF_FLAGS},
        },
        "additionalProperties": False,
        "anyOf": [
            {"required": ["common"], "properties": {"common": has_region}},
            {"properties": {"environments": {"additionalProperties": has_region}}},
        ],
    }


def _all_of(schema: Schema) -> Schema:
    return {"allOf": [schema]}  # draft 7 ignores all other words next to a $ref


def _terraform() -> Schema:
    types = {name: {"type": "object"} for name in BACKENDS}
    backend = {
        "description": "Where the state is kept; docs/state.md",
        "type": ["object", "null"],
        "properties": types | {"s3": {"type": "object", "properties": _s3_arguments()}},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    return {"type": "object", "properties": {"backend": backend}, "additionalProperties": False}


def _s3_arguments() -> Schema:
    """Describe what any Terraform or OpenTofu accepts; unknown arguments are left open."""
    arguments: Schema = {}
    for product in ("opentofu", "terraform"):
        rows: dict[str, Any] = TABLE[product]["arguments"]
        for name, row in rows.items():
            parent, _, child = name.rpartition(".")
            level = arguments[parent].setdefault("properties", {}) if parent else arguments
            level[child] = level.get(child, {}) | _TYPES[row["type"]]
    return arguments


if __name__ == "__main__":
    main()
