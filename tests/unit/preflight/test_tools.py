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

PROJECT = Path(__file__).parents[3]


def install(command: Path, script: str) -> None:
    command.parent.mkdir(exist_ok=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def terraform(folder: Path, version: str, name: str = "terraform") -> None:
    answer = json.dumps({"terraform_version": version, "terraform_outdated": False})
    install(folder / name, f"echo '{answer}'")


# --- Terraform ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2.0", "1.15.5"])
def test_a_terraform_that_cdktf_can_run_is_named(tmp_path: Path, version: str) -> None:
    terraform(tmp_path, version)
    assert check_terraform({"PATH": str(tmp_path)}) == Finding("Terraform", f"Terraform {version}")


def test_a_terraform_that_is_too_old_is_to_be_replaced(tmp_path: Path) -> None:
    terraform(tmp_path, "1.1.9")
    assert check_terraform({"PATH": str(tmp_path)}) == error(
        "Terraform",
        "Terraform 1.1.9 is too old: install 1.2.0 or newer, or name another one in "
        "TERRAFORM_BINARY_NAME",
    )


def test_without_a_terraform_one_is_to_be_installed(tmp_path: Path) -> None:
    assert check_terraform({"PATH": str(tmp_path)}) == error(
        "Terraform",
        "terraform is not installed: install it, or name another one, such as tofu, in "
        "TERRAFORM_BINARY_NAME",
    )


def test_an_opentofu_that_is_there_is_to_be_named(tmp_path: Path) -> None:
    terraform(tmp_path, "1.9.0", "tofu")
    assert check_terraform({"PATH": str(tmp_path)}) == error(
        "Terraform",
        "terraform is not installed: export TERRAFORM_BINARY_NAME=tofu, which is there",
    )
    found = check_terraform({"PATH": str(tmp_path), "TERRAFORM_BINARY_NAME": "tofu"})
    assert found == Finding("Terraform", "OpenTofu 1.9.0")


def test_a_wrong_name_of_terraform_is_to_be_corrected(tmp_path: Path) -> None:
    found = check_terraform({"PATH": str(tmp_path), "TERRAFORM_BINARY_NAME": "teraform"})
    assert found == error(
        "Terraform",
        "teraform is not installed: install Terraform or OpenTofu, and name it in "
        "TERRAFORM_BINARY_NAME",
    )


# --- Node --------------------------------------------------------------------------------

CURE = "install Node 20 or newer (nodejs.org), or put it first on the PATH"


@pytest.mark.parametrize("version", ["v20.0.0", "v24.1.0"])
def test_a_node_that_is_new_enough_is_named(tmp_path: Path, version: str) -> None:
    install(tmp_path / "node", f"echo {version}")
    assert check_node({"PATH": str(tmp_path)}) == Finding("Node", version)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo v18.20.4", "v18.20.4 is too old"),
        ("echo hello", "does not tell its version, but 'hello'"),
        ("exit 3", "does not tell its version (Command "),
    ],
)
def test_any_other_node_is_to_be_replaced(tmp_path: Path, script: str, text: str) -> None:
    install(tmp_path / "node", script)
    found = check_node({"PATH": str(tmp_path)})
    assert found == error("Node", found.text)
    assert found.text.startswith(text)
    assert found.text.endswith(f": {CURE}")


def test_without_a_node_one_is_to_be_installed(tmp_path: Path) -> None:
    assert check_node({"PATH": str(tmp_path)}) == error("Node", f"is not installed: {CURE}")


def test_package_json_says_which_node_is_needed(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"engines": {"node": ">=22"}}')
    install(tmp_path / "node", "echo v20.0.0")
    assert "install Node 22 or newer" in check_node({"PATH": str(tmp_path)}, tmp_path).text


def test_setup_stops_where_node_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "node", "echo v18.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, node.__name__)
    with pytest.raises(SystemExit) as end:
        runpy.run_module(node.__name__, run_name="__main__")
    assert end.value.code == f"error: Node v18.0.0 is too old: {CURE}"


def test_setup_goes_on_with_a_node_that_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "node", "echo v20.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    node.main()


def test_make_asks_the_same_check_of_node() -> None:
    assert "python -m lib.deploy.preflight.node" in (PROJECT / "Makefile").read_text()


# --- cdktf -------------------------------------------------------------------------------


def project(folder: Path, package: str | None, *, has_command: bool = True) -> Path:
    (folder / "package.json").write_text('{"dependencies": {"cdktf-cli": "0.21.0"}}')
    modules = folder / "node_modules"
    (modules / ".bin").mkdir(parents=True)
    if has_command:
        (modules / ".bin" / "cdktf").touch()
    if package is not None:
        (modules / "cdktf-cli").mkdir()
        (modules / "cdktf-cli" / "package.json").write_text(package)
    return folder


def test_the_cdktf_that_is_pinned_is_named(tmp_path: Path) -> None:
    found = check_cdktf(project(tmp_path, '{"version": "0.21.0"}'))
    assert found == Finding("cdktf", "0.21.0")


def test_another_cdktf_is_to_be_replaced(tmp_path: Path) -> None:
    found = check_cdktf(project(tmp_path, '{"version": "0.20.1"}'))
    assert found == error("cdktf", "0.20.1 is installed, 0.21.0 is needed: run npm ci")


@pytest.mark.parametrize("package", [None, "{", "[]", "{}"])
def test_without_a_cdktf_it_is_to_be_installed(tmp_path: Path, package: str | None) -> None:
    found = check_cdktf(project(tmp_path, package))
    assert found == error("cdktf", "is not installed in node_modules: run npm ci")


def test_without_its_command_cdktf_is_to_be_installed(tmp_path: Path) -> None:
    found = check_cdktf(project(tmp_path, '{"version": "0.21.0"}', has_command=False))
    assert found == error("cdktf", "is not installed in node_modules: run npm ci")
