"""Virtual environments of their own for what runs beside the project."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from lib.local.errors import LocalError

__all__ = ["CACHE", "is_installed", "virtual_environment"]

CACHE = Path(__file__).parents[2] / ".cache"


def is_installed(name: str, cache: Path = CACHE) -> bool:
    """Tell whether `virtual_environment` has nothing left to do."""
    return _stamp(name, cache).exists()


def virtual_environment(name: str, cache: Path = CACHE) -> Path:
    """Make the environment that ``<name>-requirements.txt`` describes, once.

    Returns
    -------
    Path
        The folder of its executables.

    Raises
    ------
    LocalError
        If it cannot be installed.
    """
    stamp = _stamp(name, cache)
    folder = stamp.parent
    if not stamp.exists():
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(
            *(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes", "-r", str(_requirements(name))),
        )
        stamp.touch()
    return folder / "bin"


def _requirements(name: str) -> Path:
    return Path(__file__).with_name(f"{name}-requirements.txt")


def _stamp(name: str, cache: Path) -> Path:
    wanted = _requirements(name).read_bytes() + sys.version.encode()
    return cache / f"{name}-{hashlib.sha256(wanted).hexdigest()[:12]}" / "installed"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise LocalError(f"{' '.join(command[-2:])} cannot be installed: {reason}")
