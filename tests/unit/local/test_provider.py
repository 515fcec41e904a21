"""The way to the AWS provider: the user's own, a mirror, the registry, or one clear line."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from lib.local import toolchain as module
from lib.local.toolchain import find_toolchain
from tests.unit.local.doubles import http_server, make_command

PROVIDER = "registry.terraform.io/hashicorp/aws"
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


class Machine:
    """A machine with a cdktf and a Terraform, and mirrors where a test puts them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch
        make_command(root / "bin" / "terraform", "")
        make_command(root / "node_modules" / ".bin" / "cdktf", "")
        candidates = functools.partial(module._mirror_candidates, root=root)
        monkeypatch.setattr(module, "_mirror_candidates", candidates)
        monkeypatch.setattr(module, "_PROJECT", root)
        self.is_a("Linux", "x86_64")
        self.has_a_registry(answers=False)

    def is_a(self, system: str, machine: str) -> None:
        self._monkeypatch.setattr("platform.system", lambda: system)
        self._monkeypatch.setattr("platform.machine", lambda: machine)

    def has_a_registry(self, *, answers: bool) -> None:
        self._monkeypatch.setattr(module, "_answers", lambda url: answers)

    def mirror(
        self,
        name: str,
        platform: str = "linux_amd64",
        version: str = "5.100.0",
        registry: str = "registry.terraform.io",
    ) -> Path:
        folder = self.root / name
        binary = folder / registry / "hashicorp" / "aws" / version / platform / "terraform-provider"
        binary.parent.mkdir(parents=True)
        binary.touch()
        return folder

    def configuration(self, **environment: str) -> str | None:
        usual = {"PATH": str(self.root / "bin"), "HOME": str(self.root / "home")}
        return find_toolchain({**usual, **environment}, self.root / "cache").cli_configuration

    def takes(self, folder: Path, **environment: str) -> bool:
        return f'path    = "{folder}"\n' in (self.configuration(**environment) or "")

    def refusal(self, **environment: str) -> str:
        with pytest.raises(LocalError) as error:
            self.configuration(**environment)
        return str(error.value)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Linux machine without a mirror, on which the registry does not answer."""
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ON_LINUX)
def test_linux_has_its_implied_mirrors_and_those_under_opt(machine: Machine, name: str) -> None:
    assert machine.takes(machine.mirror(name))


@pytest.mark.parametrize("name", ON_MACOS)
def test_macos_has_its_implied_mirrors_and_those_under_opt(machine: Machine, name: str) -> None:
    machine.is_a("Darwin", "arm64")
    assert machine.takes(machine.mirror(name, "darwin_arm64"))


def test_linux_has_a_mirror_where_its_data_home_is(machine: Machine) -> None:
    mirror = machine.mirror("data/terraform/plugins")
    assert machine.takes(mirror, XDG_DATA_HOME=str(machine.root / "data"))


def test_an_empty_data_home_is_none(machine: Machine) -> None:
    assert machine.takes(machine.mirror("home/.local/share/terraform/plugins"), XDG_DATA_HOME="")


def test_without_home_in_the_environment_home_is_the_users(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = machine.mirror("users/.terraform.d/plugins")
    monkeypatch.setenv("HOME", str(machine.root / "users"))
    assert f'"{mirror}"' in str(module._cli_configuration({}, "registry.terraform.io"))


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(ON_LINUX)))
def test_the_mirror_that_terraform_would_ask_first_is_taken(
    machine: Machine, first: str, second: str
) -> None:
    machine.mirror(second)
    assert machine.takes(machine.mirror(first))


def test_a_mirror_is_taken_for_this_provider_alone(machine: Machine) -> None:
    mirror = machine.mirror("opt/mirror")
    assert machine.configuration() == (
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f'    path    = "{mirror}"\n'
        f'    include = ["{PROVIDER}"]\n'
        "  }\n"
        "  direct {\n"
        f'    exclude = ["{PROVIDER}"]\n'
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("system", "processor", "platform"),
    [
        ("Linux", "x86_64", "linux_amd64"),
        ("Linux", "aarch64", "linux_arm64"),
        ("Darwin", "x86_64", "darwin_amd64"),
        ("Darwin", "arm64", "darwin_arm64"),
    ],
)
def test_a_mirror_for_this_platform_is_taken(
    machine: Machine, system: str, processor: str, platform: str
) -> None:
    machine.is_a(system, processor)
    assert machine.takes(machine.mirror("opt/mirror", platform))


@pytest.mark.parametrize("platform", ["linux_arm64", "darwin_amd64"])
def test_a_mirror_for_another_platform_is_not_taken(machine: Machine, platform: str) -> None:
    machine.mirror("opt/mirror", platform)
    machine.has_a_registry(answers=True)
    assert machine.configuration() is None


def test_a_mirror_that_lies_deeper_under_opt_is_not_searched_for(machine: Machine) -> None:
    machine.mirror("opt/somewhere/deeper")
    assert "no AWS provider is to be had" in machine.refusal()


def test_a_file_under_opt_is_no_mirror(machine: Machine) -> None:
    (machine.root / "opt").mkdir()
    (machine.root / "opt" / "readme").touch()
    assert machine.root / "opt" / "readme" not in module._mirror_candidates({})


def test_a_configuration_of_the_users_is_respected(machine: Machine) -> None:
    machine.mirror("opt/mirror")
    mine = machine.root / "mine.tfrc"
    mine.touch()
    assert machine.configuration(TF_CLI_CONFIG_FILE=str(mine)) is None


def test_a_configuration_that_is_not_there_is_ignored(machine: Machine) -> None:
    mirror = machine.mirror("opt/mirror")
    assert machine.takes(mirror, TF_CLI_CONFIG_FILE=str(machine.root / "nothing.tfrc"))


def test_without_a_mirror_terraform_asks_the_registry(machine: Machine) -> None:
    machine.has_a_registry(answers=True)
    assert machine.configuration() is None


@pytest.mark.parametrize("version", ["4.67.0", "5.99.9", "6.0.0", "5.100.1-beta1", "latest"])
def test_a_mirror_of_versions_that_the_stack_does_not_take_is_none(
    machine: Machine, version: str
) -> None:
    machine.mirror("opt/mirror", version=version)
    assert "no AWS provider is to be had" in machine.refusal()


@pytest.mark.parametrize("version", ["5.100.0", "5.101.9"])
def test_a_mirror_of_any_version_that_the_stack_takes_is_one(
    machine: Machine, version: str
) -> None:
    assert machine.takes(machine.mirror("opt/mirror", version=version))


def test_a_configuration_in_the_home_folder_may_name_a_mirror(machine: Machine) -> None:
    (machine.root / "home").mkdir()
    (machine.root / "home" / ".terraformrc").touch()
    assert machine.configuration() is None


def test_a_mirror_comes_before_a_configuration_in_the_home_folder(machine: Machine) -> None:
    (machine.root / "home").mkdir()
    (machine.root / "home" / ".terraformrc").touch()
    assert machine.takes(machine.mirror("opt/mirror"))


@pytest.mark.parametrize(
    ("terraform", "host"),
    [("terraform", "registry.terraform.io"), ("tofu", "registry.opentofu.org")],
)
def test_it_is_its_own_registry_that_has_to_answer(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, terraform: str, host: str
) -> None:
    address = f"https://{host}/.well-known/terraform.json"
    monkeypatch.setattr(module, "_answers", lambda url: url == address)
    (machine.root / "bin" / "terraform").rename(machine.root / "bin" / terraform)
    assert machine.configuration() is None


def test_opentofu_has_a_registry_of_its_own(machine: Machine) -> None:
    machine.mirror("opt/for-terraform")
    mirror = machine.mirror("opt/for-tofu", registry="registry.opentofu.org")
    (machine.root / "bin" / "terraform").rename(machine.root / "bin" / "tofu")
    configuration = str(machine.configuration())
    assert f'"{mirror}"' in configuration
    assert 'include = ["registry.opentofu.org/hashicorp/aws"]' in configuration


@pytest.mark.loopback
def test_a_registry_that_is_there_answers() -> None:
    with http_server(200) as url:
        assert module._answers(url)


@pytest.mark.loopback
def test_a_registry_behind_a_closed_port_does_not_answer() -> None:
    with http_server(200) as url:
        pass
    assert not module._answers(url)


@pytest.mark.loopback
def test_a_registry_that_refuses_does_not_answer() -> None:
    with http_server(403) as url:
        assert not module._answers(url)


def test_with_neither_mirror_nor_registry_it_is_said_what_would_help(machine: Machine) -> None:
    assert machine.refusal() == (
        "no AWS provider is to be had: the registry does not answer, and neither Terraform's "
        "plugin folders nor those under /opt hold a fitting registry.terraform.io/hashicorp/aws "
        "for linux_amd64; TF_CLI_CONFIG_FILE may name a configuration with a mirror"
    )
