"""TapStack deployed by the real cdktf, Terraform and AWS provider to the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lib.formats.errors import LocalError
from lib.local.emulator import Emulator
from lib.local.processes import Running, supervised
from lib.local.toolchain import Toolchain
from lib.local.virtual_environment import CACHE

# A failed message is redelivered after 6 s instead of 60: nobody waits for five attempts.
QUICK_RETRIES = {"function_timeout_seconds": 1, "visibility_timeout_seconds": 6}

_PROJECT = Path(__file__).parents[2]
ENVIRONMENT = "dev"
_STACK = f"tap-{ENVIRONMENT}"
# Colours, cursor movements, and the spinner's frames, which are whole lines here.
_DECORATION = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|^[\u2800-\u28ff].*")
# What would lead to another account, or change how make behaves.
_FOREIGN_VARIABLES = ("AWS_", "CDKTF_", "MAKE", "MFLAGS", "TAP_", "TERRAFORM_", "TF_")


class Deployment:
    """A copy of the project with settings of its own, deployed by cdktf.

    Parameters
    ----------
    folder
        For the copy and for Terraform's state: empty, or that of an earlier deployment. Changes
        made in it apply to the next command.
    settings
        Override those of the dev environment.
    """

    def __init__(
        self, folder: Path, toolchain: Toolchain, emulator: Emulator, settings: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        self._toolchain = toolchain
        _copy_project(folder, settings)
        self._environment = {
            **cdktf_environment(folder, toolchain, emulator),
            "TAP_ENVIRONMENT": ENVIRONMENT,
        }

    def deploying(
        self, on_line: Callable[[str], None] = lambda _line: None
    ) -> AbstractContextManager[Running]:
        """Start ``cdktf deploy``; leaving the context early ends it."""
        words = ("deploy", "--auto-approve", "--outputs-file", "outputs.json")
        return self._cdktf(*words, on_line=on_line)

    def outputs(self) -> dict[str, str]:
        """Read the outputs of a successful deployment."""
        outputs = json.loads((self.folder / "outputs.json").read_text("utf-8"))
        return dict(outputs[_STACK])

    def deploy(self) -> dict[str, str]:
        """Deploy and return the stack's outputs; raises `LocalError` if cdktf fails."""
        with self.deploying() as running:
            check(running)
        return self.outputs()

    def plan(self) -> str:
        """Return what ``cdktf diff`` prints."""
        with self._cdktf("diff") as running:
            return check(running)

    def destroy(self) -> str:
        """Destroy the stack and return what cdktf printed."""
        with self._cdktf("destroy", "--auto-approve") as running:
            return check(running)

    def _cdktf(
        self, *arguments: str, on_line: Callable[[str], None] = lambda _line: None
    ) -> AbstractContextManager[Running]:
        command = [self._toolchain.cdktf, *arguments, _STACK, "--no-color", "--skip-provider-lock"]
        return supervised(
            command, self._environment, self.folder, lambda line: on_line(plain(line))
        )


def check(running: Running) -> str:
    """Wait for a command's end and return its output.

    Raises
    ------
    LocalError
        If it fails; with its last lines.
    """
    exit_code = running.wait()
    lines = [line for line in map(plain, running.lines) if line]
    if exit_code:
        raise LocalError("cdktf failed; its last lines were:\n" + "\n".join(lines[-20:]))
    return "\n".join(lines)


def plain(line: str) -> str:
    """Strip decoration and the stack's name from a line of cdktf's output."""
    return _DECORATION.sub("", line).removeprefix(_STACK).strip()


def _copy_project(folder: Path, settings: Mapping[str, Any]) -> None:
    shutil.rmtree(folder / "lib", ignore_errors=True)
    shutil.copy(_PROJECT / "main.py", folder)
    shutil.copytree(_PROJECT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    context = json.loads((_PROJECT / "cdktf.json").read_text("utf-8"))["context"]
    context["environments"][ENVIRONMENT].update(settings)
    # Only these keys: a backend block would lead to somebody's real state.
    configuration = {
        "language": "python",
        "app": f"{shlex.quote(sys.executable)} main.py",
        "projectId": "embedded",
        "sendCrashReports": "false",
        "context": context,
    }
    (folder / "cdktf.json").write_text(json.dumps(configuration), "utf-8")


def own_environment() -> dict[str, str]:
    """Return the environment without variables of other accounts, settings and calls of make."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_VARIABLES)
    }


def cdktf_environment(folder: Path, toolchain: Toolchain, emulator: Emulator) -> dict[str, str]:
    """Return an environment in which cdktf works on the embedded AWS and nowhere else.

    cdktf keeps its files in the folder; Terraform's CLI configuration is written to it.
    """
    environment = own_environment()
    file = Path(os.environ.get("TF_CLI_CONFIG_FILE", ""))
    if toolchain.cli_configuration is not None:
        file = folder / "terraform.tfrc"
        file.write_text(toolchain.cli_configuration, "utf-8")
    if file.is_file():
        environment["TF_CLI_CONFIG_FILE"] = str(file.absolute())  # cdktf runs in another folder
    plugin_cache = CACHE / "terraform-plugins"
    plugin_cache.mkdir(parents=True, exist_ok=True)
    return {
        **environment,
        **emulator.variables,
        "CDKTF_HOME": str(folder),
        "CHECKPOINT_DISABLE": "1",
        "CI": "1",
        "TERRAFORM_BINARY_NAME": toolchain.terraform,
        # Download a provider only once. There is no lock file here.
        "TF_PLUGIN_CACHE_DIR": str(plugin_cache),
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1",
    }
