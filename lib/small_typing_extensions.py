"""What Powertools asks of typing_extensions: in the function's zip this stands for it.

The whole of it is 165 KB, which every cold start would compile: a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NotRequired, TypeVar

__all__ = ["NotRequired", "deprecated"]

Marked = TypeVar("Marked")


def deprecated(_message: str, **_options: object) -> Callable[[Marked], Marked]:
    """Leave what is marked as deprecated as it is: the function uses none of it."""
    return lambda marked: marked
