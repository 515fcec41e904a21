"""The stacks as cdktf and as cdktn synthesize them, from a copy of the app."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.document import (
    CI_ENVIRONMENT,
    STATE_ENVIRONMENT,
    ConfigurationError,
    environment_names,
    read_configuration,
    stack_name,
)
from lib.formats.errors import LocalError

_PROJECT = Path(__file__).parents[1]
_COMPLIANCE = "compliance"
# For tap-state and tap-ci alone, which need a bucket; with a lock table.
_BACKEND = {
    "bucket": "example-tap-state",
    "key": "tap/{stack}.tfstate",
    "region": "us-east-1",
    "encrypt": True,
    "dynamodb_table": "tap-locks",
}
_CI = {"repository": "owner/name"}
_BINDINGS = re.compile(r"\bcdktf_cdktf_provider_aws\b")
_LIBRARY = re.compile(r"^( *from )cdktf(?= import )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SynthesizedStack:
    """A stack, synthesized with both.

    Attributes
    ----------
    name
        Its name.
    before, after
        The Terraform configuration that cdktf writes, and the one that cdktn does.
    """

    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def rename_imports(source: str) -> str:
    """Return a module's source with cdktn and its AWS bindings in place of cdktf's."""
    return _LIBRARY.sub(r"\1cdktn", _BINDINGS.sub("cdktn_provider_aws", source))


def change_imports(folder: Path) -> None:
    """Make the app in a folder import cdktn."""
    for file in (folder / "main.py", *folder.glob("lib/**/*.py")):
        file.write_text(rename_imports(file.read_text("utf-8")), "utf-8")


def synthesize_with_both(cdktf: Path, cdktn: Path) -> list[SynthesizedStack]:
    """Synthesize every stack with the Pythons that have cdktf and cdktn.

    There is one for each environment of cdktf.json, one for docs/compliance.json, tap-state and
    tap-ci.

    Raises
    ------
    LocalError
        If one of them does not synthesize, with what it printed.
    """
    configurations = _configurations()
    with tempfile.TemporaryDirectory(prefix="tapstack-successor-") as name:
        folder = Path(name)  # the same for both, because its path is synthesized
        shutil.copy(_PROJECT / "main.py", folder)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_PROJECT / "lib", folder / "lib", ignore=ignored)
        before = _synthesize(folder, cdktf, configurations)
        change_imports(folder)
        after = _synthesize(folder, cdktn, configurations)
    return [SynthesizedStack(stack, before[stack], after[stack]) for stack in before]


def _configurations() -> dict[str, Any]:
    """Return a cdktf.json for each environment."""
    try:
        document: Any = read_configuration(_PROJECT / "cdktf.json")
    except ConfigurationError as fault:
        raise LocalError(f"cdktf.json: {fault}") from fault
    environments = environment_names(document)
    if not environments:
        raise LocalError("cdktf.json: context.environments must name an environment")
    compliance = json.loads((_PROJECT / "docs" / "compliance.json").read_text("utf-8"))
    document["context"]["environments"].setdefault(_COMPLIANCE, compliance)
    kept = {**document, "terraform": {"backend": {"s3": _BACKEND}}}
    return {
        **dict.fromkeys([*environments, _COMPLIANCE], document),
        STATE_ENVIRONMENT: kept,
        CI_ENVIRONMENT: {**kept, "context": {"ci": _CI, **document["context"]}},
    }


def _synthesize(
    folder: Path, python: Path, configurations: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Synthesize with one of them, and return the stacks by their names."""
    output = folder / "out"
    stacks = {}
    for environment, configuration in configurations.items():
        stack = stack_name(environment)
        (folder / "cdktf.json").write_text(json.dumps(configuration, default=float), "utf-8")
        shutil.rmtree(output, ignore_errors=True)
        done = subprocess.run(
            [str(python), "main.py"],
            cwd=folder,
            env={
                **os.environ,
                "CDKTF_OUTDIR": str(output),
                # Otherwise, modules that were compiled before the imports changed could be used.
                "PYTHONDONTWRITEBYTECODE": "1",
                "TAP_ENVIRONMENT": environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalError(f"{python} does not synthesize {stack}:\n{done.stderr.strip()}")
        stacks[stack] = json.loads((output / "stacks" / stack / "cdk.tf.json").read_text("utf-8"))
    return stacks
