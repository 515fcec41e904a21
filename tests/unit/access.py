"""What a policy allows, of whoever has it and nothing else."""

from __future__ import annotations

import atexit
import json
from contextlib import ExitStack
from functools import cache

from tests.iam.simulator import Caller, Context, Request, Simulator, left_to_iam, running_simulator
from tests.needed import needed

_ACCOUNT = "123456789012"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/ci"


def may(policy: str, action: str, resource: str, **context: str | list[str]) -> bool:
    """Tell whether a policy allows an action; ``__`` stands for a colon in a key of the context."""
    keys: Context = {name.replace("__", ":"): value for name, value in context.items()}
    key_policy = left_to_iam(_ACCOUNT) if resource.startswith("arn:aws:kms:") else None
    request = Request(action, resource, keys, key_policy)
    (decision,) = _simulator().decide(Caller(_ROLE, [json.loads(policy)]), [request])
    return decision.is_allowed


@cache
def _simulator() -> Simulator:
    """Start it with the first question, for all that come after it."""
    stack = ExitStack()
    with needed():
        simulator = stack.enter_context(running_simulator())
    atexit.register(stack.close)
    return simulator
