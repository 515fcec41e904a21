"""Portions: services limit how many things a request holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items, at most `size` at once; read lazily."""
    waiting = iter(items)
    while portion := list(islice(waiting, size)):
        yield portion
