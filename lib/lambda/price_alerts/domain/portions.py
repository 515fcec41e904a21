"""Portions: services take so many things in a request and no more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items, up to so many at once; read as they are asked for."""
    waiting = iter(items)
    while portion := list(islice(waiting, size)):
        yield portion
