"""Where the simulation begins: botocore's calls, the clock, chance and what is printed.

While `installed`, a call of any botocore client that a running actor makes goes to the world
that runs; the clock is the world's; uuid and random are repeatable. Other threads notice nothing.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import patch

from botocore.client import BaseClient

from tests.simulation.errors import AwsError
from tests.simulation.plain import is_plain, is_resource, read_answer, written

_real_sleep, _real_time, _real_time_ns = time.sleep, time.time, time.time_ns
_real_urandom = os.urandom
_real_call: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]  # private


class World(Protocol):
    """What is behind the boundary."""

    @property
    def thread_id(self) -> int | None:
        """The thread that runs; ``None`` between two runs."""

    def now(self) -> int: ...

    def sleep(self, microseconds: int) -> None: ...

    def random_bytes(self, count: int) -> bytes: ...

    def request(self, service: str, operation: str, params: Mapping[str, Any]) -> Any: ...

    def printed(self, text: str) -> None: ...


class _Running:
    world: World | None = None


_running = _Running()


def _world() -> World | None:
    """Return the world if an actor of it asks."""
    world = _running.world
    if world is not None and world.thread_id == threading.get_ident():
        return world
    return None


@contextmanager
def running(world: World) -> Iterator[None]:
    """Let actors see this world."""
    _running.world, _printing.target = world, sys.stdout
    sys.stdout = _output
    try:
        yield
    finally:
        sys.stdout = _printing.target
        _running.world = _printing.target = None


def _sleep(seconds: float) -> None:
    world = _world()
    if world is None:
        _real_sleep(seconds)
    else:
        world.sleep(round(seconds * 1_000_000))


def _time_ns() -> int:
    world = _world()
    return _real_time_ns() if world is None else world.now() * 1_000


def _time() -> float:
    world = _world()
    return _real_time() if world is None else world.now() / 1_000_000


def _urandom(count: int) -> bytes:
    world = _world()
    return _real_urandom(count) if world is None else world.random_bytes(count)


class _Output(io.TextIOBase):
    """What handlers print; loggers keep it, so it is the same one always."""

    def write(self, text: str) -> int:
        world = _world()
        if world is not None:
            world.printed(text)
        elif _printing.target is not None:
            _printing.target.write(text)
        return len(text)

    def flush(self) -> None:
        if _printing.target is not None:
            _printing.target.flush()


class _Printing:
    target: Any = None


_printing = _Printing()
_output = _Output()


def _call(client: Any, operation: str, params: dict[str, Any]) -> Any:
    world = _running.world
    if world is None:
        return _real_call(client, operation, params)
    service = client.meta.service_model.service_name
    is_quick = service == "dynamodb" and _is_resource(client) and is_plain(params)
    model = client.meta.service_model.operation_model(operation)
    context: dict[str, Any] = {"client_config": client.meta.config, "auth_type": None}
    if is_quick:
        sent = written(operation, params)
    elif service == "sns":
        sent = params
    else:
        sent = client._emit_api_params(api_params=params, operation_model=model, context=context)
    try:
        parsed, status = world.request(service, operation, sent), 200
        parsed["ResponseMetadata"] = {"HTTPStatusCode": 200, "RetryAttempts": 0, "HTTPHeaders": {}}
    except AwsError as refusal:
        parsed, status = refusal.answer(), refusal.status
    if is_quick and status < 300:
        read_answer(parsed)
    elif not is_quick and service != "sns":
        client.meta.events.emit(
            f"after-call.{client.meta.service_model.service_id.hyphenize()}.{operation}",
            http_response=SimpleNamespace(status_code=status),
            parsed=parsed,
            model=model,
            context=context,
        )
    if status >= 300:
        error_class = client.exceptions.from_code(parsed["Error"]["Code"])
        raise error_class(parsed, operation)
    return parsed


def _is_resource(client: Any) -> bool:
    known: bool | None = getattr(client, "_is_simulated_resource", None)
    if known is None:
        known = client._is_simulated_resource = is_resource(client)
    return known


@contextmanager
def printing_nothing() -> Iterator[None]:
    """Let what is made here, a logger, print where nothing is seen outside of a world."""
    with patch("sys.stdout", _output):
        yield


@contextmanager
def installed() -> Iterator[None]:
    """Put the simulation in the place of AWS and of the clock."""
    with (
        patch.object(BaseClient, "_make_api_call", _call),
        patch("time.sleep", _sleep),
        patch("time.time", _time),
        patch("time.time_ns", _time_ns),
        patch("os.urandom", _urandom),
    ):
        yield
