"""What preflight says of the tools on this machine."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from lib.deploy.preflight import node
from lib.deploy.preflight.finding import Finding, error
from lib.deploy.preflight.node import check_node
from lib.deploy.preflight.tools import check_cdktf, check_terraform


def install(command: Path, script: str) -> None:
    command.parent.mkdir(exist_ok=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def terraform(folder: Path, version: str, name: str = "terraform") -> None:
    answer = json.dumps({"terraform_version": version, "terraform_outdated": False})
    install(folder / name, f"echo '{answer}'")


# --- Terraform ---------------------------------------------------------------------------

NONE = "terraform is not installed: "
NAME = "TERRAFORM_BINARY_NAME"


@pytest.mark.parametrize(
    ("installed", "named", "finding"),
    [
        ({"terraform": "1.2.0"}, "", Finding("Terraform", "Terraform 1.2.0")),
        ({"tofu": "1.9.0"}, "tofu", Finding("Terraform", "OpenTofu 1.9.0")),
        (
            {"terraform": "1.1.9"},
            "",
            error(
                "Terraform",
                "Terraform 1.1.9 is too old: install 1.2.0 or newer, or name another one in "
                f"{NAME}",
            ),
        ),
        (
            {},
            "",
            error("Terraform", f"{NONE}install it, or name another one, such as tofu, in {NAME}"),
        ),
        ({"tofu": "1.9.0"}, "", error("Terraform", f"{NONE}export {NAME}=tofu, which is there")),
        (
            {"terraform": "1.2.0"},
            "teraform",
            error(
                "Terraform",
                f"teraform is not installed: install Terraform or OpenTofu, and name it in {NAME}",
            ),
        ),
    ],
)
def test_a_terraform_that_cdktf_cannot_run_is_to_be_replaced(
    tmp_path: Path, installed: dict[str, str], named: str, finding: Finding
) -> None:
    for name, version in installed.items():
        terraform(tmp_path, version, name)
    assert check_terraform({"PATH": str(tmp_path), NAME: named}) == finding


# --- Node --------------------------------------------------------------------------------

CURE = "install Node 20 or newer (nodejs.org), or put it first on the PATH"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo v18.20.4", "v18.20.4 is too old"),
        ("echo hello", "does not tell its version, but 'hello'"),
        ("exit 3", "does not tell its version (Command "),
        (None, "is not installed"),
    ],
)
def test_a_node_that_is_not_new_enough_is_to_be_replaced(
    tmp_path: Path, script: str | None, text: str
) -> None:
    if script:
        install(tmp_path / "node", script)
    found = check_node({"PATH": str(tmp_path)})
    assert found == error("Node", found.text)
    assert found.text.startswith(text)
    assert found.text.endswith(f": {CURE}")


def test_package_json_says_which_node_is_new_enough(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"engines": {"node": ">=22"}}')
    install(tmp_path / "node", "echo v20.0.0")
    variables = {"PATH": str(tmp_path)}
    assert "install Node 22 or newer" in check_node(variables, tmp_path).text
    assert check_node(variables) == Finding("Node", "v20.0.0")


def test_setup_stops_where_node_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    install(tmp_path / "node", "echo v20.0.0")
    node.main()
    install(tmp_path / "node", "echo v18.0.0")
    monkeypatch.delitem(sys.modules, node.__name__)
    with pytest.raises(SystemExit) as end:
        runpy.run_module(node.__name__, run_name="__main__")
    assert end.value.code == f"error: Node v18.0.0 is too old: {CURE}"


# --- cdktf -------------------------------------------------------------------------------

NO_CDKTF = error("cdktf", "is not installed in node_modules: run npm ci")


@pytest.mark.parametrize(
    ("package", "has_command", "finding"),
    [
        ('{"version": "0.21.0"}', True, Finding("cdktf", "0.21.0")),
        *(
            (
                f'{{"version": "{version}"}}',
                True,
                error("cdktf", f"{version} is installed, 0.21.0 is needed: run npm ci"),
            )
            for version in ("0.20.1", "0.22.0")
        ),
        *((package, True, NO_CDKTF) for package in (None, "{", "[]", "{}")),
        ('{"version": "0.21.0"}', False, NO_CDKTF),
    ],
)
def test_the_cdktf_that_is_pinned_must_be_installed(
    tmp_path: Path, package: str | None, has_command: bool, finding: Finding
) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"cdktf-cli": "0.21.0"}}')
    modules = tmp_path / "node_modules"
    (modules / ".bin").mkdir(parents=True)
    (modules / "cdktf-cli").mkdir()
    if has_command:
        (modules / ".bin" / "cdktf").touch()
    if package is not None:
        (modules / "cdktf-cli" / "package.json").write_text(package)
    assert check_cdktf(tmp_path) == finding
