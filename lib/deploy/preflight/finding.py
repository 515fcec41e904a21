"""What a check finds: one line, with the cure if something is wrong."""

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
    """How something is, or what is wrong with it and its cure. As a string, one line."""

    subject: str
    text: str
    level: Level = Level.OK

    def __str__(self) -> str:
        # It may quote cdktf.json, a lock or what AWS said.
        text = "".join(c if c.isprintable() else "?" for c in " ".join(self.text.split()))
        return f"{self.level:<7}  {self.subject:<11}  {text}"


def error(subject: str, text: str) -> Finding:
    """Return what would make the deployment fail."""
    return Finding(subject, text, Level.ERROR)


def warning(subject: str, text: str) -> Finding:
    """Return what should be known."""
    return Finding(subject, text, Level.WARNING)


def skipped(subject: str, text: str) -> Finding:
    """Return that there is nothing to check, or no way to."""
    return Finding(subject, text, Level.SKIPPED)
