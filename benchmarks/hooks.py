"""Hooks: what is done at each call of some clients, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def hooked(clients: Iterable[Any], hooks: Mapping[str, Callable[..., None]]) -> Iterator[None]:
    """Do something at each call of clients; hooks go by the names of botocore's events."""
    places = [(client.meta.events, *hook) for client in clients for hook in hooks.items()]
    for events, name, hook in places:
        events.register(name, hook)
    try:
        yield
    finally:
        for events, name, hook in places:
            events.unregister(name, hook)
