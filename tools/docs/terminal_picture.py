"""Draws docs/terminal.svg: a rule is added, a price is sent, and the alert arrives.

The commands are run on a local stack of its own, and what they print is drawn:
``make picture``.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

_PROJECT = Path(__file__).parents[2]
PICTURE = _PROJECT / "docs" / "terminal.svg"
_COMMANDS = (
    'add NVDA crosses-up 140 --note "sell half"',
    "publish NVDA=139 NVDA=141.5",
    "history NVDA",
)
_COLUMNS = 106


def main() -> None:
    """Start a local stack, run the commands, and draw what they print."""
    parser = argparse.ArgumentParser(prog="tools.docs.terminal_picture", description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture = parser.parse_args().picture
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TAP_LOCAL_FOLDER": folder}
        with subprocess.Popen(
            [sys.executable, "-m", "lib.local.keep"],
            cwd=_PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as local:
            try:
                _line_with(local, "ready")
                printed = [_printed(command, environment) for command in _COMMANDS[:2]]
                alert = _line_with(local, "alert")
                printed.append(_printed(_COMMANDS[2], environment))
            finally:
                local.terminate()
                local.communicate()
    picture.write_text(draw(dict(zip(_COMMANDS, printed, strict=True)), alert), "utf-8")


def draw(printed: dict[str, str], alert: str) -> str:
    """Return the picture: commands with what they print, and the line that `make local` shows."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=_COLUMNS, file=nowhere, force_terminal=True)
        for command, output in printed.items():
            console.print(Text("$ ", "green").append(f"./alerts {command}", "bold"))
            console.print(Text(output.rstrip()))
            if command.startswith("publish"):
                text = re.sub(r"^.*?alert", "alert", alert.rstrip())
                console.print(Text.assemble(("make local  ", "dim"), (text, "yellow")))
        drawn = console.export_svg(title="./alerts", theme=MONOKAI, unique_id="terminal")
    # A page must not load fonts from elsewhere to show it.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def _line_with(local: subprocess.Popen[str], word: str) -> str:
    lines = []
    for line in local.stdout or ():
        lines.append(line)
        if word in line:
            return line
    raise SystemExit("".join(lines))


def _printed(command: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        ["./alerts", *shlex.split(command)],
        cwd=_PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


if __name__ == "__main__":
    main()
