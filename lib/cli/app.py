"""The command line: its commands, and how each can end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer
from typer.main import get_command

from lib.cli import (
    backtest_command,
    file_commands,
    publish_command,
    rule_commands,
    watch_commands,
)
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.conditions import RuleError

app = typer.Typer(
    help="Manage price alerts: rules, what fired, and the status of the stack.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Levels may be below 0: -5 is no option.
app.command(context_settings={"ignore_unknown_options": True})(rule_commands.add)
app.command("list")(rule_commands.list_rules)
app.command()(rule_commands.show)
app.command()(rule_commands.pause)
app.command()(rule_commands.resume)
app.command()(rule_commands.remove)
app.command("import")(file_commands.import_rules)
app.command("export")(file_commands.export_rules)
app.command("publish")(publish_command.publish_prices)
app.command()(watch_commands.history)
app.command()(watch_commands.status)
app.command("repair")(watch_commands.repair_stack)

dlq = typer.Typer(help="Inspect and redrive the dead-letter queue: messages that failed for good.")
dlq.command("list")(watch_commands.list_letters)
dlq.command("redrive")(watch_commands.redrive_letters)
app.add_typer(dlq, name="dlq")
app.command()(backtest_command.backtest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 failed, 2 typed wrongly, 130 interrupted.

    Parameters
    ----------
    arguments
        What was typed after ``alerts``; the process's own arguments if ``None``.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _run(words or ["--help"])
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


def _run(words: list[str]) -> None:
    command = get_command(app)
    # Not by calling it: Typer would end the process, and word its errors in many lines.
    with command.make_context("alerts", words) as context:
        command.invoke(context)


def _line(error: Exception, words: list[str]) -> str:
    text = str(error)
    if isinstance(error, typer.TyperException):  # what Typer says about the usage
        context = getattr(error, "ctx", None)
        command = context.command_path if context else f"alerts {words[0]}"
        reason = error.format_message().rstrip(".").replace("Value error, ", "")
        text = f"{reason}: see {command} --help"
    # It may quote what was typed, or what AWS said.
    return "".join(
        character if character.isprintable() else "?" for character in " ".join(text.split())
    )
