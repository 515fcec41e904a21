"""Commands that pretend, a sign of life, and a small HTTP server."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# For a command that lives until it is ended; left over by a failing test, it ends by itself.
HOLD = """\
import sys, time
sign = open(sys.argv[1], "w")
sign.write("alive\\n")
sign.flush()
time.sleep(60)
"""


class SignOfLife:
    """A named pipe that a process, and those it hands it to, hold open as long as they live."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._descriptor: int | None = None

    def begins(self) -> None:
        """Wait until the process is there."""
        self._descriptor = os.open(self.path, os.O_RDONLY)
        assert os.read(self._descriptor, 100) == b"alive\n"

    def has_ended(self) -> bool:
        """Wait until nobody holds the pipe any more; a process that stays times the test out."""
        assert self._descriptor is not None
        return os.read(self._descriptor, 100) == b""

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def python(code: str, *arguments: str) -> list[str]:
    """Build a command that runs this code."""
    return [sys.executable, "-c", code, *arguments]


def make_command(path: Path, code: str) -> Path:
    """Write an executable that runs this Python code, whatever its environment is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {shlex.join(python(code))} "$@"\n', "utf-8")
    path.chmod(0o755)
    return path


@contextmanager
def http_server(status: int, body: bytes = b"{}") -> Iterator[str]:
    """Serve this answer to every request on a port of this machine; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815  # http.server's names

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
