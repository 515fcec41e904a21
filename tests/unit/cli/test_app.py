"""The command line as a whole: its help, its errors, and how its process ends."""

from __future__ import annotations

import errno
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lib.cli.app import COMMANDS, main
from lib.cli.commands import status
from lib.client import session
from lib.client.rule_store import RuleStore
from lib.client.target import Target
from tests.unit.client.doubles import answer_with, refusal

Run = Callable[..., Any]

PROJECT = Path(__file__).parents[3]
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text("utf-8")


def test_the_help_lists_every_command_with_its_first_sentence(run: Run) -> None:
    """Without an import of any of them."""
    ended = run()
    assert (ended.exit_code, ended.err, ended.out) == (0, "", run("--help").out)
    assert "..." not in ended.out.partition("Commands:")[2]  # nothing is cut off
    names = [*(name for name in COMMANDS if " " not in name), "dlq"]
    assert re.findall(r"^  (\w+)", ended.out.partition("Commands:")[2], re.MULTILINE) == names
    assert " redrive  Send the messages in the dead-letter queue back" in run("dlq", "--help").out


def test_the_version_is_that_of_the_changelog(run: Run) -> None:
    [newest, *_] = re.findall(r"^## \[(.+)\]", CHANGELOG, re.MULTILINE)
    ended = run("--version")
    assert (ended.exit_code, ended.out, ended.err) == (0, f"alerts {newest}\n", "")


def test_where_the_stack_is_may_be_said_anywhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Target", lambda: pytest.fail(f"{Target().environment} {named()}"))

    def named() -> list[str | None]:
        return [os.environ.get(name) for name in ("AWS_PROFILE", "AWS_REGION")]

    before = named()
    for words in (
        "--environment prod list --profile me --region=eu-west-3",
        "list --region eu-west-3 --environment=prod --profile me",
    ):
        with pytest.raises(pytest.fail.Exception, match=r"prod \['me', 'eu-west-3'\]"):
            run(*words.split())
    assert named() == before
    assert run("list", "--", "--region", "x").exit_code == 2


@pytest.mark.parametrize("words", [[], ["add"], ["dlq"], ["dlq", "list"]], ids=str)
def test_h_is_short_for_help(run: Run, words: list[str]) -> None:
    assert run(*words, "-h").out == run(*words, "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(run: Run, command: str) -> None:
    ended = run(*command.split(), "--help")
    assert (ended.exit_code, ended.err) == (0, "")
    assert f"Usage: alerts {command} [OPTIONS]" in ended.out
    assert ("--json" in ended.out) == (command != "completion")
    assert "--environment" in ended.out


@pytest.mark.usefixtures("stack")
def test_the_example_of_every_command_is_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rule = "- {id: aapl-7f3k2q, symbol: AAPL, condition: above, levels: [200]}"
    Path("rules.yaml").write_text(rule)
    Path("prices.csv").write_text("timestamp,symbol,price\n2026-01-01,AAPL,201\n")
    run("import", "rules.yaml")
    monkeypatch.setattr(status, "send_test_alert", lambda *_: "f-1")
    for command in COMMANDS:
        shown = " ".join(run(*command.split(), "--help").out.split())
        [example] = re.findall("Example: alerts (.+?) (?:Arguments|Options):", shown)
        words = shlex.split(example.partition(" > ")[0])
        assert " ".join(words).startswith(command)
        ended = run(*words, *(["--yes"] if command == "dlq purge" else []))
        assert ended.exit_code == 0, ended.err
    assert run("test", "--json").json == {"firing_id": "f-1"}


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["ad"], "No such command 'ad'. Did you mean 'add'?: see alerts --help"),
        (["--jsn"], "No such option: --jsn: see alerts --help"),
        (["dlq"], "Missing command: see alerts dlq --help"),
        (["dlq", "lst"], "No such command 'lst'. Did you mean 'list'?: see alerts dlq --help"),
        (["show", "--jso"], "No such option: --jso (Possible options: --json): see alerts show --"),
        (["list", "AAPL", "IBM"], "Got unexpected extra argument(s) (IBM): see alerts list --help"),
        (["history", "-5"], "No such option: -5: see alerts history --help"),
        (["list", "--region"], "Option '--region' requires an argument: see alerts --help"),
        (["--profile=", "list"], "Option '--profile' requires an argument: see alerts --help"),
        (["list", "--environment", "x"], "there is no environment 'x': name dev or prod (--env"),
        (["add", "A", "above", "5", "--\x1b[2J\nno"], "No such option: --?[2J no: see alerts add "),
    ],
)
def test_wrong_usage_is_one_printable_line(run: Run, words: list[str], what: str) -> None:
    ended = run(*words)
    assert ended.exit_code == 2
    assert ended.error.startswith(what)
    assert ended.error.isprintable()


@pytest.mark.usefixtures("alerts")
def test_what_aws_rejects_is_one_line(run: Run, target: Any) -> None:
    answer_with(target.table.meta.client, "Query", lambda _: refusal("AccessDeniedException"))
    denied = "the AWS credentials do not allow Query: use others, or ask for the permission"
    ended = run("show", "mine")
    assert (ended.exit_code, ended.error) == (1, denied)
    ended = run("list", "--environment", "prod")
    assert ended.exit_code == 1
    assert ended.error.startswith("there is no stack tap-prod in us-east-1")


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (OSError(errno.ENOSPC, "Disk full"), 1, f"error: [Errno {errno.ENOSPC}] Disk full\n"),
    ],
)
def test_an_interruption_or_a_full_disk_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, exit_code: int, line: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(RuleStore, "look_up", fail)
    ended = run("show", "mine")
    assert (ended.exit_code, ended.out, ended.err) == (exit_code, "", line)


@pytest.mark.usefixtures("alerts", "run")
def test_it_ends_quietly_when_nobody_reads_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:  # noqa: PTH123  # a file descriptor
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["list", "--json"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("is_interrupted", "exit_code", "line"),
    [(False, 2, "error: Missing command: see alerts dlq --help\n"), (True, 130, "interrupted\n")],
)
def test_the_module_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_interrupted: bool,
    exit_code: int,
    line: str,
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["alerts", "dlq"])
    if is_interrupted:  # while it starts
        monkeypatch.setitem(sys.modules, "lib.cli.app", Interrupted("lib.cli.app"))
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lib.cli", run_name="__main__")
    assert (end.value.code, capsys.readouterr().err) == (exit_code, line)


# --- the script --------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a folder like the project's, with the packages that run this test."""
    folder = tmp_path / "the project"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "lib").symlink_to(PROJECT / "lib")
    return Path(shutil.copy(PROJECT / "alerts", folder))


def run_in(folder: Path, *words: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def test_the_script_runs_from_any_folder_and_through_links(script: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "lib").mkdir(parents=True)
    for name in ("lib/__init__.py", "typer.py"):
        (folder / name).write_text("raise ImportError('not ours')")
    (folder / "relative").symlink_to(Path("..") / script.parent.name / script.name)
    (folder / "absolute").symlink_to(folder / "relative")
    wrong = (2, "", "error: Missing command: see alerts dlq --help\n")
    assert run_in(folder, folder / "absolute", "dlq") == wrong


def test_without_the_packages_the_script_says_what_to_do(script: Path) -> None:
    (script.parent / ".venv").unlink()
    missing = (1, "", f"error: run make setup first, in {script.parent}\n")
    assert run_in(script.parent, script, "list") == missing


@pytest.mark.parametrize(
    ("words", "exit_code"), [("--help >&-", 0), ("dlq 2>&-", 2), ("--help | true", 0)]
)
def test_the_script_runs_where_nobody_reads(script: Path, words: str, exit_code: int) -> None:
    assert run_in(script.parent, "/bin/sh", "-c", f'"$0" {words}', script) == (exit_code, "", "")


def test_help_imports_nothing_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; from lib.cli.app import main; main(['--help']); "
        "sys.stderr.write(' '.join({'boto3', 'yaml', 'numpy', 'cdktf'} & set(sys.modules)))"
    )
    monkeypatch.setenv("PYTHONPATH", f"{PROJECT}{os.pathsep}{PROJECT / 'lib' / 'lambda'}")
    exit_code, _, err = run_in(PROJECT, sys.executable, "-c", code)
    assert (exit_code, err) == (0, "")


@pytest.mark.usefixtures("alerts")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["pau"], ["pause"]),
        (["dlq", "r"], ["redrive"]),
        (["show", "aapl-"], ["aapl-high", "aapl-low"]),
        (["remove", "aapl-low", "ms"], ["msft"]),
        (["list", "A"], ["AAPL"]),
        (["list", "--status", "act"], ["active"]),
        (["pause", "--symbol", "M"], ["MSFT"]),
        (["show", "none"], []),
    ],
    ids=str,
)
def test_a_shell_completes_commands_ids_and_symbols(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: list[str], completed: list[str]
) -> None:
    for symbol, name in (("AAPL", "aapl-high"), ("AAPL", "aapl-low"), ("MSFT", "msft")):
        run("add", symbol, "above", "200", "--id", name, "--force")
    assert "_ALERTS_COMPLETE=complete_bash" in run("completion", "bash").out
    monkeypatch.setenv("_ALERTS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(["alerts", *typed]))
    monkeypatch.setenv("COMP_CWORD", str(len(typed)))
    ended = run()
    assert (ended.exit_code, ended.err, ended.out.split()) == (0, "", completed)


def test_a_shell_gets_no_error_from_a_stack_that_is_not_there(
    run: Run, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("_ALERTS_COMPLETE", "complete_zsh"),
        ("_TYPER_COMPLETE_ARGS", "alerts show a"),
    ):
        monkeypatch.setenv(name, value)
    ended = run()
    assert (ended.exit_code, ended.err) == (0, "")


def test_bash_takes_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    script = """
        source <(alerts completion bash)
        COMP_WORDS=(alerts pau) COMP_CWORD=1
        _alerts_completion alerts
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{PROJECT}:{os.environ['PATH']}"}
    printed = subprocess.check_output([bash, "-c", script], env=environment, text=True)
    assert printed == "pause\n"
