"""The function's zip: the same bytes from the same sources, wherever and whenever it is built."""

from __future__ import annotations

import zipfile
from pathlib import Path

SOURCE_ROOT = Path(__file__).parents[1] / "lambda"
_EARLIEST_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the zip format has none before it
_READABLE_BY_ALL = 0o100644 << 16
_UNIX = 3


def build_package(path: Path) -> Path:
    """Write the zip of the function's code, and return its path; Lambda has all else that it needs.

    Entries are sorted, dated alike and stored uncompressed (compressed bytes differ between
    releases of zlib), so the file changes if and only if a source's name or content does.
    """
    paths = SOURCE_ROOT.rglob("*.py")
    sources = {each.relative_to(SOURCE_ROOT).as_posix(): each for each in paths}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, source in sorted(sources.items()):
            entry = zipfile.ZipInfo(name, _EARLIEST_TIMESTAMP)
            entry.external_attr = _READABLE_BY_ALL
            entry.create_system = _UNIX
            archive.writestr(entry, source.read_bytes())
    return path
