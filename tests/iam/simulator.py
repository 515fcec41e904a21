"""Asks @cloud-copilot/iam-simulate whether AWS would allow a request.

It is a program of its own (AGPL), installed into the cache on first use, and no part of TapStack.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lib.formats.errors import LocalError
from lib.local.virtual_environment import CACHE, install_once

Context = Mapping[str, str | list[str]]
Policy = Mapping[str, Any]

_HERE = Path(__file__).parent
_PINS = ("package.json", "package-lock.json")
# It knows keys that end as one likes only if that comes after a slash; these are told in that way.
_ENCRYPTION_CONTEXT = (
    '"kms:EncryptionContext:',
    '"aws:PrincipalTag/kms:EncryptionContext:',
)


@dataclass(frozen=True)
class Caller:
    """Somebody who asks something of AWS.

    Attributes
    ----------
    arn
        The role.
    policies
        What it is allowed.
    boundary
        What limits that; ``None`` for nothing.
    """

    arn: str
    policies: Sequence[Policy] = ()
    boundary: Policy | None = None


@dataclass(frozen=True)
class Request:
    """What somebody asks of AWS.

    Attributes
    ----------
    action, resource
        As in a policy; the resource is ``*`` where AWS knows none.
    context
        What AWS knows of the request besides who sends it.
    resource_policy
        The policy of the resource; ``None`` if it has none.
    owner
        The account of the resource, where its ARN names none and it is not the caller's.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    resource_policy: Policy | None = None
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True)
class Decision:
    """What becomes of a request.

    Attributes
    ----------
    is_allowed
        Whether AWS does it.
    changes
        Whether its action is one that changes something, as AWS counts them.
    """

    is_allowed: bool
    changes: bool


def left_to_iam(account_id: str) -> Policy:
    """Return the policy of a key without which nobody may use it, whatever IAM says."""
    root = {"AWS": f"arn:aws:iam::{account_id}:root"}
    statement = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


class Simulator:
    """The running simulator."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    def decide(self, caller: Caller, requests: Sequence[Request]) -> list[Decision]:
        """Decide what becomes of each request of a caller."""
        text = json.dumps([_question(caller, each) for each in requests])
        self._requests.write(text.replace(*_ENCRYPTION_CONTEXT) + "\n")
        self._requests.flush()
        answers = json.loads(self._answers.readline())
        return [_decision(*pair) for pair in zip(requests, answers, strict=True)]

    def allowed(self, caller: Caller, requests: Sequence[Request]) -> list[Request]:
        """Return those of the requests that the caller may make."""
        decisions = self.decide(caller, requests)
        return [
            request
            for request, decision in zip(requests, decisions, strict=True)
            if decision.is_allowed
        ]

    def denied(self, caller: Caller, requests: Sequence[Request]) -> set[str]:
        """Say which of the requests the caller may not make."""
        decisions = self.decide(caller, requests)
        return {
            str(request)
            for request, decision in zip(requests, decisions, strict=True)
            if not decision.is_allowed
        }


def _question(caller: Caller, request: Request) -> dict[str, Any]:
    account_id = _account_in(caller.arn)
    return {
        "principal": caller.arn,
        "action": request.action,
        "resource": request.resource,
        "accountId": _account_in(request.resource) or request.owner or account_id,
        "context": {
            "aws:PrincipalAccount": account_id,
            "aws:PrincipalArn": caller.arn,
            "aws:SecureTransport": "true",
            **request.context,
        },
        "policies": list(caller.policies),
        "boundary": caller.boundary,
        "resourcePolicy": request.resource_policy,
    }


def _account_in(arn: str) -> str:
    return "" if arn == "*" else arn.split(":")[4]


def _decision(request: Request, answer: Mapping[str, Any]) -> Decision:
    if "error" in answer:
        raise ValueError(f"{request} cannot be decided: {answer['error']}")
    # A test that rests on what AWS does not tell proves nothing.
    if answer["ignored"]:
        raise ValueError(f"{request}: AWS does not tell {', '.join(answer['ignored'])}")
    return Decision(answer["result"] == "Allowed", answer["accessLevel"] not in ("Read", "List"))


@contextmanager
def running_simulator(cache: Path = CACHE) -> Iterator[Simulator]:
    """Start the simulator, which ends when it is no longer needed or its caller ends.

    Raises
    ------
    LocalError
        If it is not there and cannot be installed.
    """
    command = [_node(), str(_HERE / "decide.cjs"), str(_installed(cache))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Simulator(process.stdin, process.stdout)


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise LocalError("policies are decided by a program for Node, which is not installed")
    return node


def _installed(cache: Path) -> Path:
    """Install the simulator, once; returns the folder that it is in."""
    pins = "".join((_HERE / name).read_text("utf-8") for name in _PINS)
    folder = cache / f"iam-simulate-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    install_once(folder, lambda: _install(folder))
    return folder


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise LocalError("iam-simulate cannot be installed: there is no npm")
    folder.mkdir(exist_ok=True)
    for name in _PINS:
        shutil.copy(_HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise LocalError(f"iam-simulate cannot be installed: {lines[0]}")
