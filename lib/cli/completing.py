"""What a shell completes: commands and options, and from the stack ids and symbols."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

from typer.completion import (  # type: ignore[attr-defined]  # Typer lists neither
    completion_init,
    get_completion_script,
)

from lib.formats.errors import CliError

VARIABLE = "_ALERTS_COMPLETE"  # set by the script that `script_of` returns


def script_of(shell: str) -> str:
    """Return the script that makes a shell ask for completions."""
    script: str = get_completion_script(prog_name="alerts", complete_var=VARIABLE, shell=shell)
    return script


def answer(command: Any) -> int:
    """Print what the shell asks for, and no error; returns the exit code."""
    completion_init()
    with Path(os.devnull).open("w") as nothing, redirect_stderr(nothing), suppress(SystemExit):
        command.main([], prog_name="alerts", complete_var=VARIABLE)
    return 0


def ids(incomplete: str) -> list[tuple[str, str]]:
    """Return the ids of rules that begin like this, each with what the rule says."""
    from lib.formats.words import rule_in_words  # noqa: PLC0415  # else for nothing

    return [
        (rule.rule_id, rule_in_words(rule))
        for rule in _rules()
        if rule.rule_id.startswith(incomplete)
    ]


def symbols(incomplete: str) -> list[str]:
    """Return the symbols with rules that begin like this."""
    found = dict.fromkeys(rule.symbol for rule in _rules())
    return [symbol for symbol in found if symbol.startswith(incomplete)]


def _rules() -> Iterator[Any]:
    """Yield the stack's rules; none if it cannot be asked."""
    from lib.client.rule_store import RuleStore  # noqa: PLC0415  # boto3 is slow to import
    from lib.client.session import connected  # noqa: PLC0415  # likewise

    with suppress(CliError, OSError), connected() as target:
        yield from list(RuleStore(target.table).rules())
