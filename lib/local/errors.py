"""What can be missing on the machine."""

from __future__ import annotations

__all__ = ["LocalError"]


class LocalError(Exception):
    """Something that is needed is not to be had, or failed; the first line says what would help."""
