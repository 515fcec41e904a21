"""The second opinion on policies: it is asked correctly, and knows what is known of AWS."""

from __future__ import annotations

import pytest

from tests.iam.simulator import Caller, Policy, Request, Simulator

A, B = "123456789012", "210987654321"
ROLE = f"arn:aws:iam::{A}:role/role"
QUEUE = f"arn:aws:sqs:us-east-1:{A}:queue"
KEY = f"arn:aws:kms:us-east-1:{A}:key/0a1b"
OBJECT = "arn:aws:s3:::bucket/key"
ENCRYPTED = "kms:EncryptionContext:aws:s3:arn"
SEND = Request("sqs:SendMessage", QUEUE)


def policy(effect: str, action: str, resource: str = "*", **more: object) -> Policy:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


MAY_SEND = policy("Allow", "sqs:SendMessage", QUEUE)
MAY_READ = policy("Allow", "s3:GetObject")
MAY_DECRYPT = policy("Allow", "kms:Decrypt")
MAY_DECRYPT_STATES = policy(
    "Allow", "kms:Decrypt", Condition={"StringLike": {ENCRYPTED: "arn:aws:s3:::states*"}}
)
BY_QUEUE = policy("Allow", "sqs:*", QUEUE, Principal={"AWS": ROLE})
BY_KEY = policy("Allow", "kms:*", Principal={"AWS": f"arn:aws:iam::{A}:root"})
PLAIN = {"aws:SecureTransport": "false"}
TLS_ONLY = policy("Deny", "sqs:*", Principal="*", Condition={"Bool": PLAIN})


def send(**more: object) -> Request:
    return Request("sqs:SendMessage", QUEUE, **more)  # type: ignore[arg-type]  # any of them


def decrypt(bucket: str) -> Request:
    return Request("kms:Decrypt", KEY, {ENCRYPTED: f"arn:aws:s3:::{bucket}"}, BY_KEY)


@pytest.mark.parametrize(
    ("caller", "request_", "is_allowed"),
    [
        (Caller(ROLE), SEND, False),
        (Caller(ROLE, [MAY_SEND]), SEND, True),
        (Caller(ROLE, [MAY_SEND]), Request("sqs:SendMessage", f"{QUEUE}s"), False),
        (Caller(ROLE, [MAY_SEND], policy("Allow", "sns:*")), SEND, False),
        (Caller(ROLE, [MAY_SEND], policy("Allow", "sqs:*")), SEND, True),
        (Caller(ROLE, [MAY_SEND, policy("Deny", "sqs:*")]), SEND, False),
        (Caller(ROLE), send(resource_policy=BY_QUEUE), True),
        (Caller(f"arn:aws:iam::{B}:role/role", [MAY_SEND]), SEND, False),
        (Caller(ROLE, [MAY_SEND]), send(resource_policy=TLS_ONLY), True),
        (Caller(ROLE, [MAY_SEND]), send(context=PLAIN, resource_policy=TLS_ONLY), False),
        # The ARN of a bucket does not say whose it is.
        (Caller(ROLE, [MAY_READ]), Request("s3:GetObject", OBJECT), True),
        (Caller(ROLE, [MAY_READ]), Request("s3:GetObject", OBJECT, owner=B), False),
        # A key is for those that its own policy names, or leaves to IAM.
        (Caller(ROLE, [MAY_DECRYPT]), Request("kms:Decrypt", KEY), False),
        (Caller(ROLE, [MAY_DECRYPT]), decrypt("states"), True),
        (Caller(ROLE, [MAY_DECRYPT_STATES]), decrypt("states"), True),
        (Caller(ROLE, [MAY_DECRYPT_STATES]), decrypt("others"), False),
    ],
)
def test_a_request_is_decided(
    simulator: Simulator, caller: Caller, request_: Request, is_allowed: bool
) -> None:
    assert simulator.allowed(caller, [request_]) == [request_] * is_allowed
    assert simulator.denied(caller, [request_]) == (set() if is_allowed else {str(request_)})


@pytest.mark.parametrize(
    ("action", "changes"),
    [("SendMessage", True), ("GetQueueAttributes", False), ("TagQueue", True)],
)
def test_it_says_what_changes_something(simulator: Simulator, action: str, changes: bool) -> None:
    (decision,) = simulator.decide(Caller(ROLE), [Request(f"sqs:{action}", QUEUE)])
    assert decision.changes == changes


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request("sqs:SendMessages", QUEUE), "invalid.action"),
        (Request("sqs:SendMessage", KEY), "no.resource.types"),
        (send(context={"sns:Protocol": "sqs"}), "does not tell sns:Protocol"),
    ],
)
def test_what_aws_does_not_know_is_not_decided(
    simulator: Simulator, request_: Request, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        simulator.decide(Caller(ROLE), [request_])
