"""What a policy allows, of whoever has it and nothing else."""

from __future__ import annotations

import atexit
import json
from contextlib import ExitStack
from functools import cache

from tests.iam.simulator import Caller, Context, Request, Simulator, running_simulator
from tests.needed import needed

_ROLE = "arn:aws:iam::123456789012:role/ci"


def may(policy: str, action: str, resource: str, **context: str | list[str]) -> bool:
    """Tell whether a policy allows an action; ``__`` stands for a colon in a key of the context."""
    keys: Context = {name.replace("__", ":"): value for name, value in context.items()}
    request = Request(action, resource, keys, _left_to_iam(resource))
    (decision,) = _simulator().decide(Caller(_ROLE, [json.loads(policy)]), [request])
    return decision.is_allowed


def _left_to_iam(resource: str) -> dict[str, object] | None:
    """Return the policy without which nobody may use a key, whatever IAM says."""
    if not resource.startswith("arn:aws:kms:"):
        return None
    root = {"AWS": "arn:aws:iam::123456789012:root"}
    statement = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@cache
def _simulator() -> Simulator:
    """Start it with the first question, for all that come after it."""
    stack = ExitStack()
    with needed():
        simulator = stack.enter_context(running_simulator())
    atexit.register(stack.close)
    return simulator
