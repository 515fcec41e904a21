"""What a command ends with when it cannot do its work."""

from __future__ import annotations


class CliError(Exception):
    """A command that cannot do its work: one line that says what to do; the exit code is 1."""


class WrongUsage(CliError):
    """A command that was typed in a way that makes no sense; the exit code is 2."""


class LocalError(Exception):
    """Something that is needed is not to be had, or failed; the first line says what would help."""
