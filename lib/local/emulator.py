"""The embedded AWS: MiniStack on a free port of this machine, for as long as it is needed."""

from __future__ import annotations

import os
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from lib.local.errors import LocalError
from lib.local.processes import Running, supervised

__all__ = ["CREDENTIALS", "Emulator", "running_emulator"]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

_HOST = "127.0.0.1"
_START_SECONDS = 60
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running embedded AWS."""

    endpoint: str
    region: str

    @property
    def variables(self) -> dict[str, str]:
        """What leads every AWS tool to it, and to none of the user's AWS settings."""
        return {
            **CREDENTIALS,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """Make a boto3 client for it that looks at none of the user's AWS settings."""
        core = botocore.session.Session(
            {
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
                "profile": (None, None, None, None),
            }
        )
        session: Any = boto3.Session(botocore_session=core)
        return session.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}),
        )


@contextmanager
def running_emulator(executable: Path, region: str) -> Iterator[Emulator]:
    """Start MiniStack, wait until it is healthy, and stop it whatever happens.

    Parameters
    ----------
    executable
        The ``ministack`` command. Functions run on the Python of its environment.
    region
        The AWS region that it is to be.

    Raises
    ------
    LocalError
        If it does not become healthy within a minute.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="tapstack-aws-") as folder:
        # Nothing of the caller's environment: functions could read its secrets.
        environment = {
            **CREDENTIALS,
            "BIND_HOST": _HOST,
            "GATEWAY_PORT": str(port),
            "HOME": folder,
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_HOST": _HOST,
            "MINISTACK_REGION": region,
            "PATH": os.defpath,
            "TMPDIR": folder,
        }
        with supervised([str(executable)], environment, Path(folder)) as running:
            emulator = Emulator(f"http://{_HOST}:{port}", region)
            _await_health(emulator, running)
            yield emulator


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _await_health(emulator: Emulator, running: Running) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at and not running.has_ended():
        try:
            with opener.open(f"{emulator.endpoint}/_ministack/health", timeout=5):
                return
        except (OSError, HTTPException):  # it does not listen yet
            time.sleep(_POLL_SECONDS)
    if running.has_ended():
        running.wait()  # until its last line is there
    last_line = running.lines[-1] if running.lines else "it printed nothing"
    raise LocalError(f"the embedded AWS did not start: {last_line}")
