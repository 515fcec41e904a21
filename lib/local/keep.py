"""``make local``: TapStack on the embedded AWS, kept until it is stopped, and found again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from rich.markup import escape

from lib.client.local_stack import FOLDER, LOCK, LocalStack, stack_in
from lib.client.subscriber import Subscriber, wait_for
from lib.formats.errors import LocalError
from lib.local.deployment import ENVIRONMENT, Deployment, check
from lib.local.emulator import Emulator, free_port, is_free
from lib.local.preparing import (
    REGION,
    SETTLING,
    Progress,
    found_toolchain,
    run_on_terminal,
    started_emulator,
)
from lib.local.replay import find_pipeline
from lib.local.screen import Screen

_PROJECT = Path(__file__).parents[2]
_PATIENCE_SECONDS, _POLL_SECONDS = 10.0, 0.1


def keep(screen: Screen, folder: Path = FOLDER) -> None:
    """Start the stack in a folder, deploying it if need be, and show its alerts until Ctrl-C.

    Raises
    ------
    LocalError
        If it runs already, its port is taken, or something is missing or fails.
    """
    folder.mkdir(exist_ok=True)
    with _running_alone(folder) as noted, suppress(KeyboardInterrupt):
        port = _port(folder)
        with started_emulator(screen, port=port, kept_in=folder / "aws") as emulator:
            stack = LocalStack(
                endpoint=emulator.endpoint,
                region=REGION,
                environment=ENVIRONMENT,
                access_key_id=emulator.access_key_id,
                secret_access_key=emulator.secret_access_key,
                pid=os.getpid(),
            )
            _note(noted, stack)
            subscriber = Subscriber(emulator.client("sqs"), "local-subscriber")
            _deploy(screen, folder, emulator, subscriber.arn)
            _note(noted, replace(stack, is_ready=True))
            screen.line("[green]ready[/] for ./alerts; its alerts are shown here")
            screen.line(f"for other programs: export {_exported(stack)}")
            screen.doing("Waiting for alerts; Ctrl-C or make local-stop ends it")
            while True:
                for firing in subscriber.receive():
                    screen.line(f"[bold yellow]alert[/] {escape(firing['text'])}")
    screen.line(f"stopped; what is in it is kept in {folder.name}/ for the next make local")


def stop(folder: Path = FOLDER) -> str:
    """End the stack in a folder, wait until it has ended, and return what was done."""
    stack = stack_in(folder)
    if stack is None:
        return "make local does not run"
    with (folder / LOCK).open() as file:
        os.kill(stack.pid, signal.SIGTERM)
        fcntl.flock(file, fcntl.LOCK_SH)  # waits for its end
    return "stopped"


@contextmanager
def _running_alone(folder: Path) -> Iterator[IO[str]]:
    with (folder / LOCK).open("a") as noted:
        try:
            fcntl.flock(noted, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError("make local runs already: make local-stop ends it") from None
        noted.truncate(0)
        yield noted


def _exported(stack: LocalStack) -> str:
    return (
        f"AWS_ENDPOINT_URL={stack.endpoint} AWS_DEFAULT_REGION={stack.region} "
        f"AWS_ACCESS_KEY_ID={stack.access_key_id} AWS_SECRET_ACCESS_KEY={stack.secret_access_key}"
    )


def _note(noted: IO[str], stack: LocalStack) -> None:
    noted.truncate(0)
    noted.write(stack.as_json())
    noted.flush()


def _port(folder: Path) -> int:
    """Return the port of every start: the deployed function and the queues' URLs name it."""
    file = folder / "port"
    if not file.exists():
        file.write_text(str(free_port()))
    port = int(file.read_text())
    wait_for(
        partial(is_free, port),  # one that was killed a moment ago still writes down what is in it
        f"another program has port {port}, on which the stack in {folder.name}/ is: end that, "
        f"or delete {folder.name}/ to start over",
        _PATIENCE_SECONDS,
        _POLL_SECONDS,
    )
    return port


def _deploy(screen: Screen, folder: Path, emulator: Emulator, subscriber: str) -> None:
    fingerprint, noted = _fingerprint(), folder / "deployed"
    is_known = noted.exists() and noted.read_text() == fingerprint
    if is_known and find_pipeline(emulator):
        screen.line("[green]found[/] the stack as it was deployed")
        return
    (folder / "stack").mkdir(exist_ok=True)
    deployment = Deployment(
        folder / "stack",
        found_toolchain(screen),
        emulator,
        {
            "region": REGION,
            "high_price_threshold": None,  # only rules of one's own fire
            "subscriptions": [{"protocol": "sqs", "endpoint": subscriber}],
        },
    )
    with deployment.deploying(Progress(screen).show) as running:
        check(running)
    noted.write_text(fingerprint)
    screen.line(f"[green]deployed[/]; {SETTLING}")


def _fingerprint() -> str:
    """Return a name for what would be deployed."""
    files = [_PROJECT / "main.py", _PROJECT / "cdktf.json", *(_PROJECT / "lib").rglob("*")]
    found = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file() and path.suffix != ".pyc"):
        found.update(f"{path.relative_to(_PROJECT)} {path.stat().st_size}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def main() -> int:
    """Start the local stack, or end it if asked to; returns the exit code."""
    if sys.argv[1:] == ["--stop"]:
        sys.stdout.write(f"{stop()}\n")
        return 0
    return run_on_terminal(keep)


if __name__ == "__main__":
    sys.exit(main())
