"""What holds for all tests."""

from __future__ import annotations

import os

# pytest-xdist's workers have the width of a terminal; what is printed must not depend on it.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
