"""``make plan``: what a deployment would change, in Terraform's words.

On a GitHub runner it is also the step's summary, in Markdown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lib.backend.terraform import command_name
from lib.config.document import stack_name
from lib.config.settings import DEFAULT_ENVIRONMENT

# A deployment may hold the lock meanwhile.
_LOCK_TIMEOUT = "300s"
# GitHub takes 1 MiB of a step.
_MAX_SUMMARY_BYTES = 900_000


class PlanError(Exception):
    """There is no plan; the text says why, and what Terraform printed."""


def plan(folder: Path, environment: Mapping[str, str]) -> str:
    """Return the plan for what was synthesized to a folder; changes nothing.

    Terraform masks what is sensitive in it.

    Raises
    ------
    PlanError
        If Terraform fails.
    """
    with tempfile.TemporaryDirectory() as temporary:
        file = str(Path(temporary, "plan"))  # it holds what is sensitive
        _terraform(folder, environment, "init", "-input=false")
        _terraform(
            folder,
            environment,
            *("plan", "-input=false", f"-lock-timeout={_LOCK_TIMEOUT}", f"-out={file}"),
        )
        return _terraform(folder, environment, "show", file).strip()


def _terraform(folder: Path, environment: Mapping[str, str], verb: str, *words: str) -> str:
    name = command_name(environment)
    try:
        done = subprocess.run(  # noqa: S603  # the command that cdktf runs as well
            [name, verb, "-no-color", *words],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PlanError(f"{name} cannot be run in {folder}: {error.strerror}") from None
    if done.returncode:
        raise PlanError(f"{name} {verb} failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def markdown(stack: str, text: str) -> str:
    """Return the plan as the summary of a workflow's step; one that is too long is cut."""
    verdict = re.search(r"^(?:Plan:|No changes\.).*", text, re.MULTILINE)
    raw = text.encode()
    if len(raw) > _MAX_SUMMARY_BYTES:
        text = raw[:_MAX_SUMMARY_BYTES].decode(errors="ignore") + "\n… cut: see the log"
    # Longer than any in the text, so that none of those ends it.
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", text))])
    return (
        f"### {stack}: {verdict[0] if verdict else 'outputs change'}\n\n"
        f"<details><summary>The plan</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n"
    )


def main() -> int:
    """Print the plan of the synthesized stack of ``TAP_ENVIRONMENT``; returns the exit code."""
    stack = stack_name(os.environ.get("TAP_ENVIRONMENT") or DEFAULT_ENVIRONMENT)
    try:
        text = plan(Path("cdktf.out", "stacks", stack), os.environ)
    except PlanError as reason:
        sys.stderr.write(f"error: {reason}\n")
        return 1
    sys.stdout.write(f"{text}\n")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(stack, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
