from __future__ import annotations

import errno
import os
import runpy
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from lib.cli.app import main
from lib.client.rule_store import RuleStore
from tests.unit.cli.doubles import answer_with, refusal

Run = Callable[..., Any]

COMMANDS = [
    *("add", "list", "show", "pause", "resume", "remove", "import", "export"),
    *("publish", "history", "status", "dlq list", "dlq redrive"),
]


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_without_a_command_the_commands_are_listed(run: Run, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.exit_code, ended.err) == (0, "")
    for command in (*COMMANDS, "backtest"):
        assert f" {command.split()[0]} " in ended.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_an_environment_and_json(run: Run, command: str) -> None:
    ended = run(*command.split(), "--help")
    assert (ended.exit_code, ended.err) == (0, "")
    assert "--environment" in ended.out
    assert "--json" in ended.out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("ad", "No such command 'ad'. Did you mean 'add'?: see alerts --help"),
        ("--jsn", "No such option: --jsn: see alerts --help"),
        ("dlq", "Missing command: see alerts dlq --help"),
        ("dlq lst", "No such command 'lst'. Did you mean 'list'?: see alerts dlq --help"),
        ("list --jso", "No such option: --jso (Possible options: --json): see alerts list --help"),
        ("list AAPL IBM", "Got unexpected extra argument(s) (IBM): see alerts list --help"),
        ("add A above --idd x", "No such option: --idd: see alerts add --help"),
        ("add A above 5 -x", "No such option: -x: see alerts add --help"),
        ("add A rises -5% --within 1h", "rises takes an amount or a percentage greater than 0"),
        ("history -5", "No such option: -5: see alerts history --help"),
        ("list --status x", "Invalid value for '--status': 'x' is not one of 'active', 'paused'"),
        ("list --environment x", "there is no environment 'x': name dev or prod (--environment"),
        ("list --environment", "Option '--environment' requires an argument: see alerts list"),
    ],
)
def test_what_is_typed_wrongly_is_told_in_one_line(run: Run, words: str, what: str) -> None:
    ended = run(*words.split())
    assert ended.exit_code == 2
    assert ended.error.startswith(what)


def test_what_an_error_quotes_stays_in_its_line_and_moves_no_cursor(run: Run) -> None:
    ended = run("add", "AAPL", "above", "5", "--id", "x", "--\x1b[2J\nno")
    assert ended.exit_code == 2
    assert ended.error.isprintable()


@pytest.mark.usefixtures("alerts")
def test_what_aws_refuses_is_told_in_one_line(run: Run, target: Any) -> None:
    answer_with(target.table.meta.client, "Query", lambda _: refusal("AccessDeniedException"))
    ended = run("show", "mine")
    assert ended.exit_code == 1
    assert (
        ended.error
        == "the AWS credentials do not allow Query: use others, or ask for the permission"
    )


def test_the_environment_picks_the_stack(run: Run) -> None:
    ended = run("list", "--environment", "prod")
    assert ended.exit_code == 1
    assert ended.error.startswith("there is no stack tap-prod in us-east-1")


def test_an_interruption_is_told_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RuleStore, "look_up", interrupted)
    ended = run("show", "mine")
    assert (ended.exit_code, ended.out, ended.err) == (130, "", "interrupted\n")


def test_a_full_disk_is_told_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RuleStore, "look_up", full)
    ended = run("show", "mine")
    assert (ended.exit_code, ended.error) == (1, "[Errno 28] No space left on device")


@pytest.mark.usefixtures("alerts", "run")
def test_when_nobody_reads_any_more_it_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:  # noqa: PTH123  # a file descriptor
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["list", "--json"]) == 1
    assert capsys.readouterr().err == ""


def test_the_module_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["alerts", "dlq"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lib.cli", run_name="__main__")
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: Missing command: see alerts dlq --help\n"


def test_an_interruption_while_it_starts_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "lib.cli.app", Interrupted("lib.cli.app"))
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lib.cli", run_name="__main__")
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
