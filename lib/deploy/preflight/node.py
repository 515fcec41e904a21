"""The Node that cdktf runs on; ``make setup`` asks here too, before it installs cdktf."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lib.deploy.preflight.finding import Finding, Level, error

_PROJECT = Path(__file__).parents[3]
_PATIENCE_SECONDS = 20


def check_node(variables: Mapping[str, str], project: Path = _PROJECT) -> Finding:
    """Check that Node is as new as package.json requires."""
    wanted = json.loads((project / "package.json").read_text("utf-8"))["engines"]["node"]
    needed = int(wanted.removeprefix(">="))
    cure = f"install Node {needed} or newer (nodejs.org), or put it first on the PATH"
    command = shutil.which("node", path=variables.get("PATH"))
    if command is None:
        return error("Node", f"is not installed: {cure}")
    try:
        answer = subprocess.run(  # noqa: S603  # the command that runs cdktf as well
            [command, "--version"],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_SECONDS,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError, UnicodeError) as failure:
        return error("Node", f"does not tell its version ({failure}): {cure}")
    version = re.match(r"v(\d+)\.", answer)
    if version is None:
        return error("Node", f"does not tell its version, but {answer!r}: {cure}")
    if int(version[1]) < needed:
        return error("Node", f"{answer} is too old: {cure}")
    return Finding("Node", answer)


def main() -> None:
    """Exit with code 1 and one line if there is no such Node."""
    finding = check_node(os.environ)
    if finding.level is Level.ERROR:
        sys.exit(f"error: Node {finding.text}")


if __name__ == "__main__":
    main()
