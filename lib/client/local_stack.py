"""The stack of ``make local``, and whether a command is meant for it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError
from botocore.session import get_session

FOLDER = Path(os.environ.get("TAP_LOCAL_FOLDER") or Path(__file__).parents[2] / ".local")
# Locked for as long as the stack runs, however it ends.
LOCK = "running.json"


@dataclass(frozen=True, slots=True)
class LocalStack:
    """Where the running local stack is.

    Attributes
    ----------
    pid
        The process that ends it when it is asked to.
    is_ready
        Whether it is deployed.
    """

    endpoint: str
    region: str
    environment: str
    access_key_id: str
    secret_access_key: str
    pid: int
    is_ready: bool = False

    def as_json(self) -> str:
        """Write it down for `stack_in`."""
        return json.dumps(asdict(self))


def stack_in(folder: Path) -> LocalStack | None:
    """Return the local stack of a folder, if it runs."""
    try:
        with (folder / LOCK).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read()
                return LocalStack(**json.loads(text)) if text else None
    except FileNotFoundError:
        pass
    return None


def stack_for(
    environment: str, variables: Mapping[str, str], folder: Path = FOLDER
) -> LocalStack | None:
    """Return the local stack, if a command for an environment has no other to go to.

    That is, if neither an endpoint, nor a profile, nor credentials are set. An instance's role is
    not looked for: the answer takes a second wherever there is none.
    """
    stack = stack_in(folder)
    if stack is None or not stack.is_ready or stack.environment != environment:
        return None
    chosen = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    if any(value and name.startswith(chosen) for name, value in variables.items()):
        return None
    return None if _has_credentials() else stack


def _has_credentials() -> bool:
    provider = get_session().get_component("credential_provider")
    provider.remove("iam-role")
    try:
        return provider.load_credentials() is not None
    except BotoCoreError:  # they are wrong, which the command is to say
        return True
