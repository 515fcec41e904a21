"""The simulator of IAM: it is asked rightly, and knows what is known of AWS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from tests.iam import simulator as module
from tests.iam.simulator import Caller, Policy, Request, Simulator, running_simulator
from tests.needed import needed

A, B = "123456789012", "210987654321"
ROLE = f"arn:aws:iam::{A}:role/role"
QUEUE = f"arn:aws:sqs:us-east-1:{A}:queue"
KEY = f"arn:aws:kms:us-east-1:{A}:key/0a1b"
SEND = Request("sqs:SendMessage", QUEUE)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with needed(), running_simulator() as simulator:
        yield simulator


def policy(effect: str, action: str, resource: str = "*", **more: object) -> Policy:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


MAY_SEND = policy("Allow", "sqs:SendMessage", QUEUE)
ROOT = {"AWS": f"arn:aws:iam::{A}:root"}
TLS_ONLY = policy(
    "Deny", "sqs:*", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}
)


@pytest.mark.parametrize(
    ("caller", "request_", "is_allowed"),
    [
        (Caller(ROLE), SEND, False),
        (Caller(ROLE, [MAY_SEND]), SEND, True),
        (Caller(ROLE, [MAY_SEND]), Request("sqs:SendMessage", f"{QUEUE}s"), False),
        (Caller(ROLE, [MAY_SEND], policy("Allow", "sns:*")), SEND, False),
        (Caller(ROLE, [MAY_SEND], policy("Allow", "sqs:*")), SEND, True),
        (Caller(ROLE, [MAY_SEND, policy("Deny", "sqs:*")]), SEND, False),
        # By the resource's own policy
        (
            Caller(ROLE),
            Request(
                "sqs:SendMessage",
                QUEUE,
                resource_policy=policy("Allow", "sqs:*", QUEUE, Principal={"AWS": ROLE}),
            ),
            True,
        ),
        (
            Caller(f"arn:aws:iam::{B}:role/role", [MAY_SEND]),
            Request("sqs:SendMessage", QUEUE),
            False,
        ),
        # Where the bucket is, its ARN does not tell.
        (
            Caller(ROLE, [policy("Allow", "s3:GetObject")]),
            Request("s3:GetObject", "arn:aws:s3:::bucket/key"),
            True,
        ),
        (
            Caller(ROLE, [policy("Allow", "s3:GetObject")]),
            Request("s3:GetObject", "arn:aws:s3:::bucket/key", owner=B),
            False,
        ),
        # A key is for those that its own policy names, or leaves to IAM.
        (Caller(ROLE, [policy("Allow", "kms:Decrypt")]), Request("kms:Decrypt", KEY), False),
        (
            Caller(ROLE, [policy("Allow", "kms:Decrypt")]),
            Request("kms:Decrypt", KEY, resource_policy=policy("Allow", "kms:*", Principal=ROOT)),
            True,
        ),
    ],
)
def test_a_request_is_decided(
    simulator: Simulator, caller: Caller, request_: Request, is_allowed: bool
) -> None:
    (decision,) = simulator.decide(caller, [request_])
    assert decision.is_allowed == is_allowed


@pytest.mark.parametrize(("is_secure", "is_allowed"), [("true", True), ("false", False)])
def test_a_request_comes_by_tls_unless_it_says_otherwise(
    simulator: Simulator, is_secure: str, is_allowed: bool
) -> None:
    context = {"aws:SecureTransport": is_secure}
    request = Request("sqs:SendMessage", QUEUE, context, TLS_ONLY)
    (decision,) = simulator.decide(Caller(ROLE, [MAY_SEND]), [request])
    assert decision.is_allowed == is_allowed


@pytest.mark.parametrize(("bucket", "is_allowed"), [("states", True), ("others", False)])
def test_it_is_told_what_is_encrypted(simulator: Simulator, bucket: str, is_allowed: bool) -> None:
    name = "kms:EncryptionContext:aws:s3:arn"
    of_states = {"StringLike": {name: "arn:aws:s3:::states*"}}
    caller = Caller(ROLE, [policy("Allow", "kms:Decrypt", Condition=of_states)])
    request = Request(
        "kms:Decrypt",
        KEY,
        {name: f"arn:aws:s3:::{bucket}"},
        policy("Allow", "kms:*", Principal=ROOT),
    )
    (decision,) = simulator.decide(caller, [request])
    assert decision.is_allowed == is_allowed


def test_it_tells_what_changes_something(simulator: Simulator) -> None:
    requests = [SEND, Request("sqs:GetQueueAttributes", QUEUE), Request("sqs:TagQueue", QUEUE)]
    assert [each.changes for each in simulator.decide(Caller(ROLE), requests)] == [
        True,
        False,
        True,
    ]


def test_what_is_allowed_and_what_is_denied_is_all(simulator: Simulator) -> None:
    requests = [SEND, Request("sqs:DeleteMessage", QUEUE)]
    caller = Caller(ROLE, [MAY_SEND])
    assert simulator.allowed(caller, requests) == [SEND]
    assert simulator.denied(caller, requests) == {f"sqs:DeleteMessage on {QUEUE}"}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request("sqs:SendMessages", QUEUE), "invalid.action"),
        (Request("sqs:SendMessage", KEY), "no.resource.types"),
        (Request("sqs:SendMessage", QUEUE, {"sns:Protocol": "sqs"}), "does not tell sns:Protocol"),
    ],
)
def test_what_aws_does_not_know_is_not_decided(
    simulator: Simulator, request_: Request, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        simulator.decide(Caller(ROLE), [request_])


# --- its installation --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "reason"), [((), "Node, which is not installed"), (("node",), "there is no npm")]
)
def test_without_its_tools_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: tuple[str, ...], reason: str
) -> None:
    for name in names:
        (tmp_path / name).symlink_to(str(shutil.which("true")))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match=reason), running_simulator(tmp_path / "cache"):
        raise AssertionError


def test_an_installation_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error no network' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    monkeypatch.setattr(module, "_node", lambda: "node")
    with (
        pytest.raises(LocalError, match=r"cannot be installed: npm error no network$"),
        running_simulator(tmp_path / "cache"),
    ):
        raise AssertionError
