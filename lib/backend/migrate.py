"""``make migrate``: moves a stack's local state into cdktf.json's backend, over no other state.

For tap-state it makes the bucket first, which cannot keep the state of its own making. cdktf's
``--migrate-state`` says yes to whatever Terraform asks, overwriting a state included; this asks
nothing and overwrites nothing, so it can be interrupted and repeated at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.backend.terraform import command_name
from lib.config.document import STATE_ENVIRONMENT, local_state, stack_name
from lib.config.settings import DEFAULT_ENVIRONMENT

_PROJECT = Path(__file__).parents[2]


class StateError(Exception):
    """A state that cannot be moved; the text says why, and what would be right."""


def main() -> None:
    """Move the state of the environment that ``TAP_ENVIRONMENT`` names."""
    parser = argparse.ArgumentParser(prog="make migrate", description=__doc__)
    parser.add_argument("--auto-approve", action="store_true", help="ask nothing")
    options = parser.parse_args()
    environment_name = os.environ.get("TAP_ENVIRONMENT") or DEFAULT_ENVIRONMENT
    try:
        print(move_state(environment_name, Path.cwd(), os.environ, options.auto_approve))  # noqa: T201  # a command's own output
    except StateError as reason:
        sys.exit(f"error: {reason}")


def move_state(
    environment_name: str, folder: Path, environment: Mapping[str, str], is_approved: bool
) -> str:
    """Move a stack's state and rename the local file; returns one line that says so.

    Raises
    ------
    StateError
        If there is nothing to move, or nowhere to move it to; the local state is still there.
    """
    if environment.get("TF_WORKSPACE", "default") != "default":
        raise StateError("TF_WORKSPACE: only the state of the default workspace is moved; unset it")
    stack = stack_name(environment_name)
    local = local_state(folder, stack)
    with tempfile.TemporaryDirectory() as temporary:
        document = _synthesized(stack, Path(temporary), folder, environment)
        target = _Folder(Path(temporary, "target"), document, environment)
        has_bucket = target.init()
        if environment_name == STATE_ENVIRONMENT:
            # An existing bucket may be incomplete while its own state is still local.
            if not has_bucket or (local.exists() and not target.pull()):
                bucket = Path(temporary, "bucket")
                _make_bucket(document, bucket, local, environment, is_approved)
                has_bucket = has_bucket or target.init()
        elif not has_bucket:
            raise StateError("there is no such bucket yet; make migrate ENV=state makes it")
        done = _push(target, local, stack)
    # What Terraform remembers of the local file would make it ask what to do.
    data = folder / "cdktf.out" / "stacks" / stack / ".terraform"
    (data / "terraform.tfstate").unlink(missing_ok=True)
    return done


class _Folder:
    """A folder for Terraform to run in, with nothing but a stack's backend in it."""

    def __init__(
        self, path: Path, document: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        path.mkdir()
        terraform = document["terraform"]
        kept = ("backend", "cloud", "required_version")
        block = {name: terraform[name] for name in kept if name in terraform}
        (path / "main.tf.json").write_text(json.dumps({"terraform": block}), "utf-8")
        self._path = path
        self._environment = environment

    def init(self) -> bool:
        """Connect to the backend; returns whether its bucket exists."""
        try:
            self._run("init", "-input=false", "-no-color")
        except StateError as failure:
            if re.search(r'S3 bucket "[^"]*" does not exist', str(failure)):
                return False
            raise
        return True

    def pull(self) -> list[str]:
        """Return the resources of the state in the backend."""
        return _holdings(self._run("state", "pull") or "{}", "the state in the backend")

    def push(self, file: Path) -> None:
        """Write a state to the backend; Terraform locks it, and rejects an older one."""
        self._run("state", "push", str(file))

    def _run(self, *arguments: str) -> str:
        done = _terraform(
            arguments,
            self._path,
            self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if done.returncode:
            said = " ".join(f"{done.stdout}\n{done.stderr}".split())
            raise StateError(f"terraform {arguments[0]} failed: {said}")
        return done.stdout


def _synthesized(
    stack: str, output: Path, folder: Path, environment: Mapping[str, str]
) -> Mapping[str, Any]:
    done = subprocess.run(  # noqa: S603  # this project's own app
        [sys.executable, str(_PROJECT / "main.py")],
        cwd=folder,
        env={**environment, "CDKTF_OUTDIR": str(output), "TAP_MOVING_STATE": "1"},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise StateError("the stack cannot be synthesized")
    document: dict[str, Any] = json.loads(
        (output / "stacks" / stack / "cdk.tf.json").read_text("utf-8")
    )
    if "local" in document["terraform"].get("backend", {}):
        raise StateError("the state is to be kept in a local file; name a backend in cdktf.json")
    return document


def _make_bucket(
    document: Mapping[str, Any],
    folder: Path,
    local: Path,
    environment: Mapping[str, str],
    is_approved: bool,
) -> None:
    """Deploy tap-state with its state in the local file."""
    folder.mkdir()
    terraform = {**document["terraform"], "backend": {"local": {"path": str(local)}}}
    (folder / "main.tf.json").write_text(json.dumps({**document, "terraform": terraform}), "utf-8")
    # Overrides of the real backend's arguments are no arguments of the local one.
    clean = {name: v for name, v in environment.items() if not name.startswith("TF_CLI_ARGS")}
    approval = ["-auto-approve"] if is_approved else []
    for command in (["init", "-input=false"], ["apply", *approval]):
        if _terraform(command, folder, clean).returncode:
            raise StateError(f"terraform {command[0]} failed; the next try goes on from there")


def _push(target: _Folder, local: Path, stack: str) -> str:
    kept = target.pull()
    if not local.exists():
        if kept:
            return f"{stack} keeps its state there already; there is nothing to move"
        raise StateError(f"there is no {local.name} to move")
    holdings = _holdings(local.read_bytes(), local.name)
    if kept and kept != holdings:
        raise StateError(
            f"the backend keeps another state of {stack} already, and nothing was changed; "
            f"put {local.name} aside if it is the older one"
        )
    if not kept:
        target.push(local)
        if target.pull() != holdings:
            raise StateError(f"the backend does not give back what was written; see {local.name}")
    aside = local.with_name(f"{local.name}.moved")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}.moved")
    local.rename(aside)
    return f"the state of {stack} was moved; the file is now {aside.name}"


def _holdings(text: str | bytes, name: str) -> list[str]:
    """Return the resources of a state; Terraform may write the rest of it differently."""
    try:
        return sorted(
            json.dumps(
                [
                    *(resource.get(key) for key in ("module", "mode", "type", "name")),
                    instance.get("index_key"),
                    (instance.get("attributes") or {}).get("id"),
                ]
            )
            for resource in json.loads(text).get("resources") or []
            for instance in resource.get("instances") or [{}]
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise StateError(f"{name} cannot be understood: {error}") from error


def _terraform(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Terraform to its end, even after an interrupt."""
    command = command_name(environment)
    # The user's own data folder belongs to the backend of another folder.
    clean = {name: value for name, value in environment.items() if name != "TF_DATA_DIR"}
    try:
        process = subprocess.Popen(  # noqa: S603  # the command that cdktf runs as well
            [command, *arguments], cwd=folder, env=clean, text=True, **options
        )
    except OSError as error:
        raise StateError(f"{command} cannot be started: {error.strerror}") from error
    while True:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            continue  # Terraform got the signal too, and shuts down cleanly
        return subprocess.CompletedProcess(command, process.returncode, output, errors)


if __name__ == "__main__":
    main()
