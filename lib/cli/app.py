"""The command line: its commands, and how each can end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from lib.cli import completing
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.conditions import RuleError

# Module and function in the folder commands; the order is that of the help.
COMMANDS = {
    "add": "rules.add",
    "list": "rules.list_rules",
    "show": "rules.show",
    "edit": "edit.edit",
    "pause": "rules.pause",
    "resume": "rules.resume",
    "remove": "rules.remove",
    "import": "files.import_rules",
    "apply": "files.apply_rules",
    "export": "files.export_rules",
    "publish": "publish.publish_prices",
    "history": "history.history",
    "status": "status.status",
    "test": "status.send_test",
    "repair": "status.repair_stack",
    "backtest": "backtest.backtest",
    "completion": "completion.completion",
    "dlq list": "dead_letters.list_letters",
    "dlq redrive": "dead_letters.redrive_letters",
    "dlq purge": "dead_letters.purge_letters",
}
_WHERE = {"--environment": "TAP_ENVIRONMENT", "--profile": "AWS_PROFILE", "--region": "AWS_REGION"}
_EPILOG = f"{', '.join(_WHERE)}: see alerts --help"
# Levels may be below 0: -5 is no option.
_WITH_LEVELS = ("add", "edit")
_OPTIONS: Any = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,  # Rich's help would take as long as all the rest
}
_HELP = {"help_option_names": ["-h", "--help"]}
_CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


class _Group(TyperGroup):
    """A group that imports only the command that is run: a list of them is made from their help."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, TyperGroup):
            return word, command, rest
        name = f"{ctx.command_path} {word}".removeprefix("alerts ")
        module, function = COMMANDS[name].split(".")
        alone = typer.Typer(**_OPTIONS)
        settings = {**_HELP, "ignore_unknown_options": name in _WITH_LEVELS}
        alone.command(word, context_settings=settings, epilog=_EPILOG)(
            getattr(import_module(f"lib.cli.commands.{module}"), function)
        )
        return word, get_command(alone), rest


@cache
def _source_of(module: str) -> str:
    return Path(__file__).with_name("commands").joinpath(f"{module}.py").read_text("utf-8")


def _help_of(name: str) -> str:
    """Return a command's docstring, read from its file."""
    module, function = COMMANDS[name].split(".")
    pattern = rf'^def {function}\(.*?"""(.*?)"""'
    found = re.search(pattern, _source_of(module), re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def _say_version(is_wanted: bool) -> None:
    if is_wanted:
        newest = _CHANGELOG.read_text("utf-8").partition("\n## [")[2].partition("]")[0]
        sys.stdout.write(f"alerts {newest}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print the version, and end."
        ),
    ] = False,
    environment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment (default: $TAP_ENVIRONMENT or dev)."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Profile of AWS tools (default: $AWS_PROFILE)."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="AWS region (default: $AWS_REGION, the profile's, cdktf.json's)."
        ),
    ] = None,
) -> None:
    """Describe the options of all commands; `_where` reads them."""


def _app() -> typer.Typer:
    help_text = "Manage price alerts: rules, what fired, and the status of the stack."
    app = typer.Typer(cls=_Group, help=help_text, context_settings=_HELP, **_OPTIONS)
    app.callback()(_root)
    help_text = "Inspect, redrive or purge messages that failed for good."
    dlq = typer.Typer(cls=_Group, help=help_text, context_settings=_HELP, **_OPTIONS)
    for name in COMMANDS:
        group, _, word = name.rpartition(" ")
        (dlq if group else app).command(word, help=_help_of(name))(lambda: None)
    app.add_typer(dlq, name="dlq")
    return app


def _where(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take the options that say where the stack is out of what was typed, wherever they are.

    Returns
    -------
    tuple
        The other words, and the environment variables that the options stand for.
    """
    others: list[str] = []
    variables: dict[str, str] = {}
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if word == "--":
            others += [word, *left]
        elif name in _WHERE:
            value = value if equals else next(left, "")
            if not value:
                raise WrongUsage(f"Option {name!r} requires an argument: see alerts --help")
            variables[_WHERE[name]] = value
        else:
            others.append(word)
    return others, variables


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

    Parameters
    ----------
    arguments
        What was typed after ``alerts``; by default, the process's own arguments.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        words, variables = _where(words)
        command = get_command(_app())
        if completing.VARIABLE in os.environ:
            return completing.answer(command)
        # Not by calling it: Typer would end the process, and format its errors in many lines.
        with _set(variables), command.make_context("alerts", words or ["--help"]) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        # The reader has read enough. The rest must not fail when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as interruption:
        sys.stderr.write(f"interrupted{f': {interruption}' if interruption.args else ''}\n")
        return 130
    except (typer.TyperException, RuleError, CliError, OSError) as error:
        sys.stderr.write(f"error: {_line(error, words)}\n")
        return 2 if isinstance(error, (typer.TyperException, RuleError, WrongUsage)) else 1
    return 0


def _line(error: Exception, words: list[str]) -> str:
    text = str(error)
    if isinstance(error, typer.TyperException):  # wrong usage
        context = getattr(error, "ctx", None)
        command = context.command_path if context else f"alerts {words[0]}"
        reason = error.format_message().rstrip(".").replace("Value error, ", "")
        text = f"{reason}: see {command} --help"
    # It may quote what was typed, or what AWS said.
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
