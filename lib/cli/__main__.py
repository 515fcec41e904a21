"""Runs the command line: ``python -m lib.cli``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Where one was closed, nobody reads; the first file or connection opened would take its place.
sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # until Python ends
sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115  # likewise

try:
    from lib.cli.app import main  # takes a moment, in which it may be interrupted already

    exit_code = main()
except KeyboardInterrupt:
    sys.stderr.write("interrupted\n")
    exit_code = 130
sys.exit(exit_code)
