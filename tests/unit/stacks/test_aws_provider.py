"""The quick import of the provider's bindings."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib.stacks.aws_provider import BINDINGS, register_bare_package
from tests.unit.stacks.snapshots import PROJECT


def test_the_stacks_have_loaded_few_of_the_bindings_2200_modules() -> None:
    assert 1 < sum(name.startswith(BINDINGS) for name in sys.modules) < 100


@pytest.mark.parametrize("path", ["tap_stack.py", "stacks/state.py", "stacks/ci.py"])
def test_a_stack_imports_the_quick_way_before_any_binding(path: str) -> None:
    source = (PROJECT / "lib" / path).read_text("utf-8")
    imports = re.findall(
        r"^from (cdktf_cdktf_provider_aws|lib\.stacks)\.(\w+)", source, re.MULTILINE
    )
    assert imports[0] == ("lib.stacks", "aws_provider")


def test_a_submodule_of_a_bare_package_is_imported_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "slow_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('the slow way')")
    (folder / "quick.py").write_text("ANSWER = 42")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("slow_package", "slow_package.quick"):
        # Set first, so that what the test imports is gone after it.
        monkeypatch.setitem(sys.modules, name, sys)
        monkeypatch.delitem(sys.modules, name)
    register_bare_package("slow_package")
    assert importlib.import_module("slow_package.quick").ANSWER == 42
    spec = sys.modules["slow_package"].__spec__
    assert spec
    assert spec.origin == str(folder / "__init__.py")


def test_in_node_the_bindings_index_loads_a_module_when_it_is_used(tmp_path: Path) -> None:
    bindings = tmp_path / "@cdktf" / "provider-aws" / "lib"
    for name, text in {
        "index.js": "exports.quick = require('./quick'); exports.slow = require('./slow');",
        "quick/index.js": "exports.answer = require('./deeper').answer;",
        "quick/deeper.js": "exports.answer = 42;",
        "slow/index.js": "throw new Error('the slow way');",
    }.items():
        (bindings / name).parent.mkdir(parents=True, exist_ok=True)
        (bindings / name).write_text(text)
    script = f"console.log(require({json.dumps(str(bindings))}).quick.answer)"
    printed = subprocess.check_output(["node", "-e", script], env=os.environ, text=True)
    assert printed == "42\n"


def test_a_package_that_was_imported_before_stays_as_it_is() -> None:
    before = sys.modules["importlib"]
    register_bare_package("importlib")
    assert sys.modules["importlib"] is before


@pytest.mark.parametrize("name", ["no_such_package", "six"])
def test_what_is_no_installed_package_is_reported_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delitem(sys.modules, name, raising=False)
    message = f"^{name} is not installed: run make setup$"
    with pytest.raises(ModuleNotFoundError, match=message) as caught:
        register_bare_package(name)
    assert (caught.value.name, name in sys.modules) == (name, False)
