"""``make preflight``: what would go wrong with a deployment, one line for each thing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lib.config.document import stack_name
from lib.deploy.preflight.checks import check_all
from lib.deploy.preflight.finding import Level

_PROJECT = Path(__file__).parents[3]


def main() -> None:
    """Check, print, and end with exit code 1 if the deployment would fail."""
    parser = argparse.ArgumentParser(prog="make preflight", description=__doc__)
    parser.add_argument("environment", help="whose stack: dev, prod, state, …")
    environment = parser.parse_args().environment
    faults = 0
    for finding in check_all(environment, os.environ, _PROJECT, Path.cwd()):
        print(finding, flush=True)  # noqa: T201  # a command's own output
        faults += finding.level is Level.ERROR
    if faults:
        sys.exit(
            f"error: {faults} of these would make the deployment of {stack_name(environment)} fail "
            "(PREFLIGHT=no deploys all the same)"
        )


if __name__ == "__main__":
    main()
