"""Runs the command line: ``python -m lib.cli``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A closed one is None, and the next file or connection that is opened would get its number.
sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # until Python ends
sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115  # likewise

try:
    from lib.cli.app import main  # takes a moment, in which it may be interrupted already

    exit_code = main()
except KeyboardInterrupt:
    sys.stderr.write("interrupted\n")
    exit_code = 130
sys.exit(exit_code)
