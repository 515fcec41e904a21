"""What a check has found: one line, with the cure if something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What a finding means for the deployment; an error would make it fail."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; as a string, one line.

    Attributes
    ----------
    subject
        What was looked at, in a word or two.
    text
        How it is; or what is wrong, and what would be right.
    level
        What that means for the deployment.
    """

    subject: str
    text: str
    level: Level = Level.OK

    def __str__(self) -> str:
        # It may quote cdktf.json, a lock or what AWS said.
        text = "".join(c if c.isprintable() else "?" for c in " ".join(self.text.split()))
        return f"{self.level:<7}  {self.subject:<11}  {text}"


def error(subject: str, text: str) -> Finding:
    """Find what would make the deployment fail."""
    return Finding(subject, text, Level.ERROR)


def warning(subject: str, text: str) -> Finding:
    """Find what should be known."""
    return Finding(subject, text, Level.WARNING)


def skipped(subject: str, text: str) -> Finding:
    """Find that there is nothing to look at, or no way to."""
    return Finding(subject, text, Level.SKIPPED)
