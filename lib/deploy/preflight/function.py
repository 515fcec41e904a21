"""The function: whether it is deployed, and whether the account has capacity for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lib.config.settings import Settings
from lib.deploy.preflight.asking import Connect, asking, if_there
from lib.deploy.preflight.finding import Finding, error

# Source: AWS Lambda, "Configuring reserved concurrency": what functions without any can share.
_KEPT_UNRESERVED = 100


@dataclass(slots=True)
class Function:
    """What is found of the function; ``is_there`` is ``None`` if that cannot be seen."""

    findings: list[Finding]
    is_there: bool | None = None


def check_function(settings: Settings, name: str, connect: Connect) -> Function:
    """Check whether the function is there, and whether its concurrency can be reserved."""
    function = Function([])

    def look() -> Iterator[Finding]:
        functions = connect("lambda", settings.region)
        own = if_there(lambda: functions.get_function_concurrency(FunctionName=name))
        function.is_there = own is not None
        if settings.reserved_concurrency is None:
            yield Finding("concurrency", "nothing is reserved")
        else:
            limit = functions.get_account_settings()["AccountLimit"]
            yield check_concurrency(
                settings.reserved_concurrency,
                limit["ConcurrentExecutions"],
                limit["UnreservedConcurrentExecutions"],
                (own or {}).get("ReservedConcurrentExecutions", 0),
            )

    function.findings = asking("concurrency", look)
    return function


def check_concurrency(wanted: int, limit: int, unreserved: int, own: int) -> Finding:
    """Compare what is to be reserved with what is left of the account's limit.

    ``own`` is what the function has reserved already.
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
    """Return an error for a stack that is deployed, but from a state that is kept elsewhere."""
    if not (is_there and is_state_empty):
        return []
    return [
        error(
            "stack",
            f"{stack} is there, but this state knows nothing of it, so AWS would refuse its names: "
            "deploy where its state is (README, Where the state is kept), or to another account",
        )
    ]
