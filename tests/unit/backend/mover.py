"""Moves states to and fro beside a Terraform that is none: its backend is a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lib.backend import migrate

EMPTY = '{"version": 4, "serial": 0, "lineage": "", "resources": []}'
STATE = '{"version": 4, "serial": 7, "lineage": "a",\n "resources": [{"type": "aws_sqs_queue"}]}'
OTHER = '{"version": 4, "serial": 9, "lineage": "b", "resources": [{"type": "aws_sns_topic"}]}'
MADE = '{"version": 4, "serial": 1, "lineage": "c", "resources": [{"type": "aws_s3_bucket"}]}'
BACKEND = {"s3": {"bucket": "tap-state", "key": "tap", "use_lockfile": True}}
DOCUMENT: dict[str, Any] = {
    "terraform": {
        "backend": BACKEND,
        "required_version": ">= 1.10",
        "required_providers": {"aws": {"source": "aws"}},
    },
    "provider": {"aws": [{}]},
    "resource": {"aws_s3_bucket": {"state": {}}},
}

# STUB_FAILS: the commands that fail. STUB_EMPTY: what a backend with nothing in it says.
# STUB_KEEPS: what it keeps in place of what is pushed.
_TERRAFORM = """#!{python} -IS
import json, os, pathlib, shutil, sys

home = pathlib.Path({home!r})
bucket, kept, environment = home / "bucket", home / "kept", os.environ
document = json.loads(pathlib.Path("main.tf.json").read_text())
local = document["terraform"].get("backend", {{}}).get("local")
command = " ".join(word for word in sys.argv[1:] if word[0] not in "-/")
call = {{
    "command": command + (" locally" if local else ""),
    "arguments": sys.argv[1:],
    "document": document,
    "laid over": {{name: environment[name] for name in environment if name[:3] == "TF_"}},
    "input": "" if local and command == "init" else sys.stdin.readline(),
}}
with (home / "calls").open("a") as calls:
    print(json.dumps(call), file=calls)
if call["command"] in environment.get("STUB_FAILS", "").split(","):
    print("Error: Access\\n  denied", file=sys.stderr)
    sys.exit(1)
if command == "init":
    if not local and not bucket.exists():
        print("\\nError: Failed to get existing workspaces: S3 bucket \\"tap-state\\" does not\\n"
              "exist.\\n\\nThe referenced S3 bucket must have been created.", file=sys.stderr)
        sys.exit(1)
    pathlib.Path(".terraform").mkdir()
elif not pathlib.Path(".terraform").exists():
    sys.exit("Error: Backend initialization required")
elif command == "state pull":
    print(kept.read_text() if kept.exists() else environment.get("STUB_EMPTY", {empty!r}), end="")
elif command == "state push":
    kept.write_text(environment.get("STUB_KEEPS") or pathlib.Path(sys.argv[3]).read_text())
else:
    bucket.touch()
    pathlib.Path(local["path"]).write_text({made!r})
"""


class Mover:
    """A project's folder, a backend, and the Terraform between them."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = home / "folder"
        self.bucket = home / "bucket"
        self.kept = home / "kept"
        self.terraform = home / "bin" / "terraform"
        self.document = DOCUMENT
        self._calls = home / "calls"
        self.folder.mkdir()
        self.bucket.touch()
        self.terraform.parent.mkdir()
        self.terraform.write_text(
            _TERRAFORM.format(python=sys.executable, home=str(home), empty=EMPTY, made=MADE)
        )
        self.terraform.chmod(0o755)
        monkeypatch.setattr(migrate, "_synthesized", lambda *_: self.document)

    def __call__(self, name: str = "dev", is_approved: bool = False, /, **environment: str) -> str:
        """Move the state of an environment."""
        path = f"{self.terraform.parent}:{os.environ['PATH']}"
        return migrate.move_state(name, self.folder, {"PATH": path, **environment}, is_approved)

    def refusal(self, name: str = "dev", **environment: str) -> str:
        """Say why it was not moved."""
        with pytest.raises(migrate.StateError) as caught:
            self(name, **environment)
        return str(caught.value)

    def local(self, name: str = "dev") -> Path:
        """Return where an environment's local state is."""
        return self.folder / f"terraform.tap-{name}.tfstate"

    def aside(self, name: str = "dev") -> Path:
        """Return where an environment's local state is put."""
        return self.folder / f"terraform.tap-{name}.tfstate.moved"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What Terraform was called for."""
        if not self._calls.exists():
            return []
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    @property
    def commands(self) -> list[str]:
        """The same, without the arguments."""
        return [call["command"] for call in self.calls]
