"""What botocore spends on a call, stage by stage, and how much of a batch of ten that is.

``PYTHONPATH=.:lib/lambda .venv/bin/python -m benchmarks.calls``. A process stands in for AWS.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.counting import cpu_seconds, warm
from benchmarks.stage import OURS, REGION, Contestant, contestant
from benchmarks.streams import symbols
from benchmarks.timing import side_by_side
from lib.cli.output import write_line, write_table

_OPERATIONS = {OURS: "UpdateItem", "seed_like": "PutItem"}
_BATCH_SIZE = 10
_NOBODY = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "nobody")
# Events of botocore ("+": after all others' handlers), and what happens before each.
_STAGES = {
    "provide-client-params": "",
    "before-parameter-build+": "boto3 copies and converts the values",
    "before-call": "endpoint rules, body as JSON",
    "request-created": "the request is made",
    "request-created+": "it is signed",
    "before-send": "its headers are made ready",
    "before-parse": "urllib3 sends it and reads the answer",
    "after-call+": "the answer is parsed, and converted",
}


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # http.server's name
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"Items":[]}' if self.headers["X-Amz-Target"].endswith("Query") else b"{}"
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def serve() -> None:
    """Answer calls for ever; prints the port first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    print(server.server_port, flush=True)  # noqa: T201  # to its parent
    server.serve_forever()


@contextmanager
def _answering() -> Iterator[None]:
    """Point clients created meanwhile at a process that answers every call with nothing."""
    command = [sys.executable, "-c", "from benchmarks.calls import serve; serve()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server, ExitStack() as stack:  # noqa: S603
        stack.callback(server.terminate)
        url = f"http://127.0.0.1:{int(next(iter(server.stdout or ())))}"
        with patch.dict(os.environ, _NOBODY, AWS_ENDPOINT_URL=url, AWS_DEFAULT_REGION=REGION):
            yield


def _timed(who: Contestant, operation: str) -> dict[str, list[int]]:
    """Start to record the nanoseconds of a thread's time in each stage of each call."""
    taken: dict[str, list[int]] = {what: [] for what in filter(None, _STAGES.values())}
    last = threading.local()

    def stop(what: str) -> Callable[..., None]:
        def handler(**_: Any) -> None:
            if what:
                taken[what].append(time.thread_time_ns() - last.now)
            last.now = time.thread_time_ns()

        return handler

    events = who.clients[0].meta.events
    for stage, what in _STAGES.items():
        # Handlers for the whole of an event's name come before those for its beginning.
        if stage.endswith("+"):
            events.register_last(stage[:-1], stop(what))
        else:
            events.register_first(f"{stage}.dynamodb.{operation}", stop(what))
    return taken


def main(batches: int = 100, rounds: int = 9) -> None:
    """Time calls and batches, in turn."""
    with _answering():
        whos = {name: contestant(name, "prices", "arn") for name in _OPERATIONS}
        streams = {name: warm(who, _BATCH_SIZE, symbols(200)) for name, who in whos.items()}
        taken = {name: _timed(whos[name], called) for name, called in _OPERATIONS.items()}
        ticks = batches * _BATCH_SIZE
        runs = {name: partial(cpu_seconds, whos[name], streams[name], ticks) for name in whos}
        timings = side_by_side(runs, rounds)
    table = {}
    for name, its in taken.items():
        stages = {what: median(found) / 1_000 for what, found in its.items()}
        calls = len(next(iter(its.values()))) / (batches * rounds)
        call = sum(stages.values())
        batch = timings.median_of(name) * 1_000 * _BATCH_SIZE  # of seconds for a thousand ticks
        table[name] = stages | {"a call": call, "a batch's calls": calls * call, "a batch": batch}
    rows = [(what, *(f"{its[what]:,.0f}" for its in table.values())) for what in table[OURS]]
    write_table(("µs of the processor", *(" ".join(pair) for pair in _OPERATIONS.items())), rows)
    ratio = timings.ratio("seed_like", OURS)
    alone = table["seed_like"]["a batch"] / table[OURS]["a batch's calls"]
    write_line(f"seed_like's batch over ours: {ratio:.2f}; over our calls alone: {alone:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
