"""The function: whether it is there already, and whether the account has room for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lib.client.errors import is_missing
from lib.config.settings import Settings
from lib.deploy.preflight.asking import Connect, asking
from lib.deploy.preflight.finding import Finding, error

# Source: AWS Lambda, "Configuring reserved concurrency": so much stays for functions without any.
_KEPT_UNRESERVED = 100


@dataclass(slots=True)
class Function:
    """What is known of the function.

    Attributes
    ----------
    findings
        What is to be said of it.
    is_there
        Whether it is deployed; ``None`` if that cannot be seen.
    """

    findings: list[Finding]
    is_there: bool | None = None


def check_function(settings: Settings, name: str, connect: Connect) -> Function:
    """Look at the function and at what the account has room for.

    Parameters
    ----------
    settings
        The settings.
    name
        The function's name.
    connect
        Makes clients.
    """
    function = Function([])

    def look() -> Iterator[Finding]:
        functions = connect("lambda", settings.region)
        own = _reserved(functions, name)
        function.is_there = own is not None
        if settings.reserved_concurrency is None:
            yield Finding("concurrency", "nothing is reserved")
        else:
            limit = functions.get_account_settings()["AccountLimit"]
            yield check_concurrency(
                settings.reserved_concurrency,
                limit["ConcurrentExecutions"],
                limit["UnreservedConcurrentExecutions"],
                own or 0,
            )

    function.findings = asking("concurrency", look)
    return function


def check_concurrency(wanted: int, limit: int, unreserved: int, own: int) -> Finding:
    """Hold what is to be reserved against what the account has left.

    Parameters
    ----------
    wanted
        The setting ``reserved_concurrency``.
    limit, unreserved
        The account's concurrency, and how much of it no function has reserved.
    own
        What this function has reserved already.
    """
    left = max(0, unreserved + own - _KEPT_UNRESERVED)
    if wanted <= left:
        return Finding("concurrency", f"{wanted} of {left} that can be reserved")
    lower = f"set reserved_concurrency to {left} or less" if left else "set it to null"
    return error(
        "concurrency",
        f"reserved_concurrency is {wanted}, and the account has {left} to reserve (of {limit}; "
        f"{_KEPT_UNRESERVED} stay unreserved): {lower}, or ask AWS for more (Service Quotas, "
        "Lambda, Concurrent executions)",
    )


def check_ownership(
    stack: str, is_there: bool | None, is_state_empty: bool | None
) -> list[Finding]:
    """Find a stack that is deployed, by a state that is elsewhere.

    Parameters
    ----------
    stack
        The stack.
    is_there, is_state_empty
        Whether its function is there, and whether its state holds nothing; ``None`` for unknown.
    """
    if not (is_there and is_state_empty):
        return []
    return [
        error(
            "stack",
            f"{stack} is there, but this state knows nothing of it, so AWS would refuse its names: "
            "deploy where its state is (README, Where the state is kept), or to another account",
        )
    ]


def _reserved(functions: Any, name: str) -> int | None:
    """Tell what a function has reserved; ``None`` without such a function."""
    try:
        answer = functions.get_function_concurrency(FunctionName=name)
    except ClientError as refusal:
        if not is_missing(refusal):
            raise
        return None
    reserved: int = answer.get("ReservedConcurrentExecutions", 0)
    return reserved
