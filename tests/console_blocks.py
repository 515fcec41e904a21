"""What a page shows of a terminal, and what really is printed there.

In a ``console`` block, a line that begins with ``$ `` is a command, and the lines below it are what
it prints; ``…`` on a line of its own stands for any lines. Where nothing stands below a command,
it may print what it likes. Whether lines are equal is asked without what is another each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff

_LEFT_OUT = "…"
_PROMPT = "$ "
# Later than all prices of the past that the examples use: it was the present, once.
_NOW = r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
_ANOTHER_EACH_TIME = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<firing>"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "<port>"),
    (re.compile(_NOW), "<time>"),
    (re.compile(r"\b\d+[smhdw] ago\b"), "<a while> ago"),
    (re.compile(r"\b\d+(?:\.\d+)? ?m?s\b"), "<duration>"),
    # As wide as what stands below.
    (re.compile("─+"), "─"),
)
# As `lib.formats.words` makes them up: a symbol, and six characters of which none looks like
# another.
_MADE_UP_ID = re.compile(r"\b[a-z0-9._]+-[2-9a-hjkmnp-z]{6}\b")


@dataclass(frozen=True, slots=True)
class Command:
    """A command on a page.

    Attributes
    ----------
    text
        The command line, without a comment at its end.
    shown
        What it prints, as the page has it.
    line_number
        Where it stands on the page.
    """

    text: str
    shown: tuple[str, ...]
    line_number: int

    @property
    def must_fail(self) -> bool:
        """Whether what is shown is a refusal."""
        return any(line.startswith("error: ") for line in self.shown)


def commands_in(page: str) -> list[Command]:
    """List the commands of all console blocks.

    Raises
    ------
    ValueError
        If a block does not begin with a command.
    """
    commands: list[Command] = []
    shown: list[str] | None = None  # of the command that is being read
    fence = ""
    for line_number, line in enumerate(page.splitlines(), start=1):
        text = line.removeprefix(fence.partition("`")[0])  # a block in a list is indented
        if not fence:
            if line.strip() == "```console":
                fence = line
        elif text == "```":
            fence, shown = "", None
        elif text.startswith(_PROMPT):
            shown = []
            words = re.sub(r"\s+# .*", "", text.removeprefix(_PROMPT))
            commands.append(Command(words, (), line_number))
        elif shown is None:
            raise ValueError(f"line {line_number}: a console block begins with a command, $ …")
        else:
            shown.append(text)
            last = commands[-1]
            commands[-1] = Command(last.text, tuple(shown), last.line_number)
    return commands


class Blinkers:
    """Do not see what is another each time: durations, times of today, ports, ids and widths.

    Of ids that were made up it is seen where the same one stands again, in later lines as well.
    """

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def seen(self, lines: Iterable[str]) -> list[str]:
        """Return what is seen of some lines; of empty ones, nothing."""
        return [seen for seen in map(self._seen, lines) if seen]

    def _seen(self, line: str) -> str:
        for pattern, name in _ANOTHER_EACH_TIME:
            line = pattern.sub(name, line)
        return " ".join(_MADE_UP_ID.sub(self._name, line).split())

    def _name(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], f"<rule {len(self._ids) + 1}>")


def difference(shown: Sequence[str], printed: Sequence[str]) -> str:
    """Compare what is shown with what was printed; returns a diff, empty if they agree."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == _LEFT_OUT else re.escape(f"{line}\n") for line in shown
    )
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)):
        return ""
    return "\n".join(unified_diff(shown, printed, "shown", "printed", lineterm=""))
