"""The embedded AWS: MiniStack on a free port of this machine, for as long as it is needed."""

from __future__ import annotations

import os
import random
import socket
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from lib.formats.errors import LocalError
from lib.local.processes import Running, supervised

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

_HOST = "127.0.0.1"
# Below those that a system gives to outgoing connections: 32768 and up on Linux, 49152 elsewhere.
_PORTS = range(20_000, 32_768)
_START_SECONDS = 60
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running embedded AWS.

    Attributes
    ----------
    certificate
        The file with its certificate; ``None`` for plain HTTP.
    access_key_id, secret_access_key
        Who calls it.
    """

    endpoint: str
    region: str
    certificate: str | None = None
    access_key_id: str = CREDENTIALS["AWS_ACCESS_KEY_ID"]
    secret_access_key: str = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]

    @property
    def variables(self) -> dict[str, str]:
        """The variables that point every AWS tool at it, and at no settings of the user's."""
        trusted = {"AWS_CA_BUNDLE": self.certificate} if self.certificate else {}
        return {
            **trusted,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """Create a boto3 client for it that reads no AWS settings of the user's."""
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
            verify=self.certificate,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(proxies={}),
        )


def free_port() -> int:
    """Return a port of this machine that nothing has, not even an outgoing connection soon."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311  # no secret
        with socket.socket() as listener, suppress(OSError):
            listener.bind((_HOST, port))
            return port


def is_free(port: int) -> bool:
    """Return whether nothing of this machine listens on a port."""
    with socket.socket() as socket_:
        return socket_.connect_ex((_HOST, port)) != 0


@contextmanager
def running_emulator(
    executable: Path,
    region: str,
    *,
    enforces_policies: bool = False,
    port: int | None = None,
    kept_in: Path | None = None,
) -> Iterator[Emulator]:
    """Start MiniStack, wait until it is healthy, and stop it whatever happens.

    Parameters
    ----------
    executable
        The ``ministack`` command. Functions run on the Python of its environment.
    region
        The AWS region that it pretends to be.
    enforces_policies
        Whether it enforces policies; then it speaks TLS.
    port
        Where it listens; by default, any free port.
    kept_in
        The folder in which it leaves all that is in it when it is stopped, and finds it again.

    Raises
    ------
    LocalError
        If it is not healthy within a minute.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="tapstack-aws-") as folder:
        # Without the caller's environment: functions could read its secrets.
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
        if kept_in:
            environment |= {"PERSIST_STATE": "1", "STATE_DIR": str(kept_in)}
        emulator = Emulator(f"http://{_HOST}:{port}", region)
        if enforces_policies:
            environment |= {"AUTH": "true", "USE_SSL": "1"}
            certificate = Path(folder, "ministack-tls", "server.crt")
            emulator = Emulator(f"https://{_HOST}:{port}", region, str(certificate))
        with supervised([str(executable)], environment, Path(folder)) as running:
            _await_health(emulator, running)
            yield emulator


def _await_health(emulator: Emulator, running: Running) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at and not running.has_ended():
        try:
            # It creates its certificate when it starts.
            tls = ssl.create_default_context(cafile=emulator.certificate)
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
            )
            with opener.open(f"{emulator.endpoint}/_ministack/health", timeout=5):
                return
        except (OSError, HTTPException):  # it does not listen yet
            time.sleep(_POLL_SECONDS)
    if running.has_ended():
        running.wait()  # for its last line
    last_line = running.lines[-1] if running.lines else "it printed nothing"
    raise LocalError(f"the embedded AWS did not start: {last_line}")
