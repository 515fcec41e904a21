"""The errors that end a command."""

from __future__ import annotations


class CliError(Exception):
    """A command failed: one line that says what to do. The exit code is 1."""


class WrongUsage(CliError):
    """A command was typed wrongly. The exit code is 2."""


class LocalError(Exception):
    """Something local is not available, or failed; the first line says what would help."""
