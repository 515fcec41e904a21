"""Runs the command line: ``python -m lib.cli``."""

from __future__ import annotations

import sys

from lib.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
