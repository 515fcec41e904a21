"""The quick import of the provider's bindings."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from lib.stacks.aws_provider import BINDINGS, register_bare_package

ROOT = Path(__file__).parents[2]


@pytest.fixture
def slow_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose ``__init__`` must not run, with a submodule."""
    folder = tmp_path / "slow_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('the slow way')")
    (folder / "quick.py").write_text("ANSWER = 42")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("slow_package", "slow_package.quick"):
        # Set first, so that what the test imports is gone after it.
        monkeypatch.setitem(sys.modules, name, sys)
        monkeypatch.delitem(sys.modules, name)
    return "slow_package"


@pytest.mark.parametrize("stack", ["lib.tap_stack", "lib.stacks.state"])
def test_a_stack_loads_few_of_the_bindings_2200_modules(stack: str) -> None:
    count = f"sum(name.startswith({BINDINGS!r}) for name in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {stack}; print({count})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1 < int(done.stdout) < 100


def test_a_submodule_of_a_bare_package_is_imported_without_the_package(slow_package: str) -> None:
    register_bare_package(slow_package)
    assert importlib.import_module(f"{slow_package}.quick").ANSWER == 42


def test_a_bare_package_knows_where_it_comes_from(slow_package: str, tmp_path: Path) -> None:
    register_bare_package(slow_package)
    spec = sys.modules[slow_package].__spec__
    assert spec
    assert spec.origin == str(tmp_path / slow_package / "__init__.py")


def test_a_package_that_was_imported_before_stays_as_it_is() -> None:
    before = sys.modules["importlib"]
    register_bare_package("importlib")
    assert sys.modules["importlib"] is before


@pytest.mark.parametrize("name", ["no_such_package", "six"])
def test_what_is_no_installed_package_is_reported_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ModuleNotFoundError, match=f"^{name} is not installed: run make setup$"):
        register_bare_package(name)


def test_what_is_not_installed_leaves_no_module_behind() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        register_bare_package("no_such_package")
    assert (caught.value.name, "no_such_package" in sys.modules) == ("no_such_package", False)
