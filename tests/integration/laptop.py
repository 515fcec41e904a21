"""A developer's machine: a clone of the project in which the README's commands are typed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lib.local.deployment import cdktf_environment, plain
from lib.local.emulator import Emulator
from lib.local.processes import Running, supervised
from lib.local.toolchain import Toolchain

PROJECT = Path(__file__).parents[2]
# What `make setup` has installed already, and is too large to copy.
_INSTALLED = (".venv", "node_modules")
_COPIED = (
    *("Makefile", "alerts", "cdktf.json", "main.py"),
    *("package.json", "package-lock.json", "requirements.txt"),
)


class Laptop:
    """A clone, with tools and an account."""

    def __init__(self, folder: Path, toolchain: Toolchain, emulator: Emulator) -> None:
        self.folder = folder
        self.emulator = emulator
        # Times on the pages are those of a machine in UTC.
        self._environment = {**cdktf_environment(folder, toolchain, emulator), "TZ": "UTC"}
        for name in _INSTALLED:
            (folder / name).symlink_to(PROJECT / name)
        for name in _COPIED:
            shutil.copy2(PROJECT / name, folder)
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("docs", "lib"):
            shutil.copytree(PROJECT / name, folder / name, ignore=ignored)

    def write_backend(self, type_: str, arguments: Mapping[str, Any]) -> None:
        """Change the backend block of cdktf.json."""
        with self._configuration() as document:
            document["terraform"] = {"backend": {type_: arguments}}

    def write_setting(self, key: str, value: Any) -> None:
        """Change a setting of all environments."""
        with self._configuration() as document:
            document["context"]["common"][key] = value

    def write_settings(self, environment: str, settings: Mapping[str, Any]) -> None:
        """Change settings of one environment."""
        with self._configuration() as document:
            document["context"]["environments"][environment].update(settings)

    def let_ci_deploy(self, repository: str) -> None:
        """Say in cdktf.json which repository deploys."""
        with self._configuration() as document:
            document["context"]["ci"] = {"repository": repository}

    def forget(self) -> None:
        """Throw away what Terraform remembers of the backend."""
        shutil.rmtree(self.folder / "cdktf.out")

    @contextmanager
    def _configuration(self) -> Iterator[dict[str, Any]]:
        """Read cdktf.json, and write it again as it is then."""
        path = self.folder / "cdktf.json"
        document: dict[str, Any] = json.loads(path.read_text())
        yield document
        path.write_text(json.dumps(document))

    @contextmanager
    def making(
        self,
        target: str,
        environment_name: str,
        *options: str,
        on_line: Callable[[str], None] = lambda _line: None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[Running]:
        """Start a make target that calls cdktf, without the questions that it would ask."""
        if target != "synth":
            options = ("--auto-approve", *options)
        if target in ("deploy", "destroy"):
            options = ("--skip-provider-lock", *options)
        command = ("make", target, f"ENV={environment_name}", f"ARGS={' '.join(options)}")
        everything = {**self._environment, **variables}
        with supervised(command, everything, self.folder, on_line) as running:
            yield running

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Keep Terraform where it is, with the lock that it holds, while this context lasts.

        Where there is no ``/proc``, it just takes its time.
        """
        stacks = (self.folder / "cdktf.out" / "stacks").resolve()
        pids = [pid for pid, folder in _folders_of_processes() if folder.is_relative_to(stacks)]
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    def run(self, command: str, variables: Mapping[str, str]) -> tuple[int, str]:
        """Run what a workflow runs; returns the exit code and what was printed."""
        # Without a registry, the provider cannot be locked for other platforms.
        return self.type(command, {"CDKTF_SKIP_PROVIDER_LOCK": "true", **variables})

    def type(
        self, command_line: str, variables: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, str]:
        """Run a command line as a shell does; returns the exit code and what was printed."""
        everything = {**self._environment, **variables}
        with supervised(["bash", "-c", command_line], everything, self.folder) as running:
            return running.wait(), said(running)

    def make(
        self,
        target: str,
        environment_name: str,
        *options: str,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, str]:
        """Run a make target to its end; returns the exit code and what was printed."""
        with self.making(target, environment_name, *options, variables=variables) as running:
            return running.wait(), said(running)


def _folders_of_processes() -> Iterator[tuple[int, Path]]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            yield int(process.name), (process / "cwd").readlink()


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def said(running: Running) -> str:
    """Return what a command has printed, without the decoration."""
    return "\n".join(line for line in map(plain, running.lines) if line)
