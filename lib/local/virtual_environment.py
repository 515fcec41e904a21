"""Virtual environments for tools that run next to the project."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lib.formats.errors import LocalError

CACHE = Path(__file__).parents[2] / ".cache"
_STAMP = "installed"


def is_installed(name: str, cache: Path = CACHE) -> bool:
    """Return whether `virtual_environment` has nothing left to do."""
    return (_folder(name, cache) / _STAMP).exists()


def virtual_environment(name: str, cache: Path = CACHE) -> Path:
    """Create the environment that ``<name>-requirements.txt`` describes, once.

    Returns
    -------
    Path
        The folder of its executables.

    Raises
    ------
    LocalError
        If it cannot be installed.
    """
    folder = _folder(name, cache)
    install_once(folder, lambda: _install(folder, str(_requirements(name))))
    return folder / "bin"


def install_once(folder: Path, install: Callable[[], None]) -> None:
    """Fill a folder of the cache, unless that was done before.

    Parameters
    ----------
    folder
        The folder, named after its content and the content's version.
    install
        Fills it; if it raises, the next call tries again.
    """
    stamp = folder / _STAMP
    if stamp.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests that run in parallel need the same ones
        if not stamp.exists():
            install()
            stamp.touch()


def _install(folder: Path, requirements: str) -> None:
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), *install, "--require-hashes", "-r", requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
            reason = errors[-1] if errors else f"exit code {done.returncode}"
            raise LocalError(f"{requirements} cannot be installed: {reason}")


def _requirements(name: str) -> Path:
    return Path(__file__).with_name(f"{name}-requirements.txt")


def _folder(name: str, cache: Path) -> Path:
    # An environment cannot be moved: its commands contain the path of their Python.
    content = f"{_requirements(name).read_text()}\n{sys.version}\n{cache.absolute()}"
    return cache / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
