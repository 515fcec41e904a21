"""Functions that run at each call of some clients, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def hooked(clients: Iterable[Any], hooks: Mapping[str, Callable[..., None]]) -> Iterator[None]:
    """Run hooks, by botocore's event names, at each call of clients."""
    places = [(client.meta.events, *hook) for client in clients for hook in hooks.items()]
    for events, name, hook in places:
        events.register(name, hook)
    try:
        yield
    finally:
        for events, name, hook in places:
            events.unregister(name, hook)
