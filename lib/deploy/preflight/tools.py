"""The tools on this machine that a deployment runs, besides Node."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lib.backend.terraform import UnknownTerraform, ask_terraform
from lib.deploy.preflight.finding import Finding, error

# What cdktf 0.21 itself asks for. What the backend needs of it, lib.backend.block checks.
_TERRAFORM_SINCE = "1.2.0"


def check_terraform(variables: Mapping[str, str]) -> Finding:
    """Check that there is a Terraform or OpenTofu that cdktf can run."""
    try:
        terraform = ask_terraform(variables)
    except UnknownTerraform as reason:
        cure = "install Terraform or OpenTofu, and name it in TERRAFORM_BINARY_NAME"
        if shutil.which("tofu", path=variables.get("PATH")):
            cure = "export TERRAFORM_BINARY_NAME=tofu, which is there"
        elif not variables.get("TERRAFORM_BINARY_NAME"):
            cure = "install it, or name another one, such as tofu, in TERRAFORM_BINARY_NAME"
        return error("Terraform", f"{reason}: {cure}")
    if not terraform.is_at_least(_TERRAFORM_SINCE):
        return error(
            "Terraform",
            f"{terraform} is too old: install {_TERRAFORM_SINCE} or newer, or name another one in "
            "TERRAFORM_BINARY_NAME",
        )
    return Finding("Terraform", str(terraform))


def check_cdktf(project: Path) -> Finding:
    """Check that cdktf is installed in the release that package.json pins."""
    pinned = json.loads((project / "package.json").read_text("utf-8"))["dependencies"]["cdktf-cli"]
    modules = project / "node_modules"
    try:
        package = json.loads((modules / "cdktf-cli" / "package.json").read_text("utf-8"))
        version = str(package["version"])
    except (OSError, KeyError, TypeError, ValueError):
        version = ""
    if not version or not (modules / ".bin" / "cdktf").exists():
        return error("cdktf", "is not installed in node_modules: run npm ci")
    if version != pinned:
        return error("cdktf", f"{version} is installed, {pinned} is needed: run npm ci")
    return Finding("cdktf", version)
