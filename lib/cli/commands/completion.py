"""The command for shells: completion."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from lib.cli.completing import script_of
from lib.cli.output import write_line


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")
    ],
) -> None:
    """Print a script by which a shell completes what is typed.

    It completes commands, options, and from the stack ids and symbols.

    For alerts on the path, or an alias of that name; in ~/.bashrc: source <(alerts completion bash)

    Example: alerts completion bash
    """
    write_line(script_of(shell).strip())
