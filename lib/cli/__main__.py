"""Runs the command line: ``python -m lib.cli``."""

from __future__ import annotations

import sys

try:
    from lib.cli.app import main  # takes a moment, in which it may be interrupted already

    exit_code = main()
except KeyboardInterrupt:
    sys.stderr.write("interrupted\n")
    exit_code = 130
sys.exit(exit_code)
