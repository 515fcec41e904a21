"""Loads a cdktf.json's backend from a folder of its own, for the tests of what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import Backend, load_backend
from lib.config.document import ConfigurationError

S3 = {
    "bucket": "states",
    "key": "tap/{stack}.tfstate",
    "region": "eu-west-1",
    "use_lockfile": True,
}
TEMPLATE = (
    "${…} and %{…} are not evaluated in a backend, Terraform takes them literally; "
    "write the value itself"
)
BAD_STACK = "{stack} is replaced in cdktf.json only; write it there"


class Loader:
    """Writes a cdktf.json and loads its backend; no Terraform is installed but in ``bin``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "cdktf.json"

    def __call__(
        self,
        type_: str | None,
        block: object = None,
        name: str = "dev",
        among: Iterable[str] = ("dev", "prod"),
        **environment: str,
    ) -> Backend:
        """Load one type's block, or none, of one of the environments."""
        section = {} if type_ is None else {"backend": {type_: block}}
        return self.section(section, name, among, **environment)

    def section(
        self,
        section: object,
        name: str = "dev",
        among: Iterable[str] = ("dev", "prod"),
        **environment: str,
    ) -> Backend:
        """Load whatever stands under ``terraform``."""
        environments: dict[str, object] = {each: {} for each in among}
        document = {"context": {"environments": environments}, "terraform": section}
        return self.text(json.dumps(document), name, **environment)

    def text(self, text: str, name: str = "dev", **environment: str) -> Backend:
        """Load a cdktf.json of that text."""
        self.path.write_text(text, "utf-8")
        environment = {"PATH": str(self.folder / "bin"), **environment}
        return load_backend(self.path, name, environment, self.folder)


def warnings(backend: Backend) -> list[str]:
    """What is warned of, but for a Terraform that is not there."""
    return [warning for warning in backend.warnings if "is not installed" not in warning]


def refusal(load: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """What the refusal says, a line for each fault."""
    with pytest.raises(ConfigurationError) as caught:
        load(*args, **kwargs)
    return str(caught.value)
