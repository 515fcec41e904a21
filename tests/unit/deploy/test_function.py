"""What preflight says of the function, its concurrency and whose stack it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config.settings import Settings
from lib.deploy.preflight.finding import Finding, Level, error, warning
from lib.deploy.preflight.function import (
    Function,
    check_concurrency,
    check_function,
    check_ownership,
)
from tests.unit.deploy.account import DENIED, Account, Answer, limits, refusal

NAME = "tap-dev-price-alerts"
MORE = "or ask AWS for more (Service Quotas, Lambda, Concurrent executions)"
NONE = refusal("ResourceNotFoundException", 404)
LOWER = "stay unreserved): set reserved_concurrency to 12 or less"


@pytest.mark.parametrize(
    ("wanted", "own", "limit", "found"),
    [
        (20, {}, limits(1_000), Finding("concurrency", "20 of 900 that can be reserved")),
        (20, NONE, limits(1_000), Finding("concurrency", "20 of 900 that can be reserved")),
        (None, {}, None, Finding("concurrency", "nothing is reserved")),
        # What the function has reserved already is its own.
        (
            20,
            {"ReservedConcurrentExecutions": 15},
            limits(105),
            Finding("concurrency", "20 of 20 that can be reserved"),
        ),
        (
            20,
            {},
            limits(112),
            error(
                "concurrency",
                "reserved_concurrency is 20, and the account has 12 to reserve (of 1000; 100 "
                f"{LOWER}, {MORE}",
            ),
        ),
        (
            20,
            {},
            limits(10, limit=10),
            error(
                "concurrency",
                "reserved_concurrency is 20, and the account has 0 to reserve (of 10; 100 stay "
                f"unreserved): set it to null, {MORE}",
            ),
        ),
    ],
)
def test_a_reservation_is_compared_with_what_the_account_has_left(
    wanted: int | None, own: Answer, limit: Any, found: Finding
) -> None:
    account = Account({"GetFunctionConcurrency": own, "GetAccountSettings": limit})
    settings = Settings(environment="dev", region="eu-west-1", reserved_concurrency=wanted)
    is_there = own is not NONE
    assert check_function(settings, NAME, account.connect) == Function([found], is_there)
    assert account.connections == [("lambda", "eu-west-1", None, {})]


@pytest.mark.parametrize(
    ("operation", "is_there"), [("GetFunctionConcurrency", None), ("GetAccountSettings", True)]
)
def test_a_quota_that_may_not_be_looked_at_is_a_warning_that_names_the_permission(
    operation: str, is_there: bool | None
) -> None:
    account = Account({"GetFunctionConcurrency": {}, operation: refusal(f"{DENIED}Exception", 403)})
    settings = Settings(environment="dev", region="eu-west-1", reserved_concurrency=20)
    text = f"cannot be looked at: have lambda:{operation} allowed, or see to it yourself"
    assert check_function(settings, NAME, account.connect) == Function(
        [warning("concurrency", text)], is_there
    )


@given(st.integers(1, 2_000), st.integers(0, 2_000), st.integers(0, 2_000), st.integers(0, 2_000))
def test_exactly_what_leaves_a_hundred_unreserved_passes(
    wanted: int, limit: int, others: int, own: int
) -> None:
    found = check_concurrency(wanted, limit, limit - others - own, own)
    assert (found.level is Level.OK) == (limit - others - wanted >= 100)


def test_a_stack_that_its_state_knows_nothing_of_is_reported() -> None:
    assert check_ownership("tap-dev", True, True) == [
        error(
            "stack",
            "tap-dev is there, but this state knows nothing of it, so AWS would refuse its names: "
            "deploy where its state is (README, Where the state is kept), or to another account",
        )
    ]
    for known in [(True, False), (False, True), (None, True), (True, None)]:
        assert check_ownership("tap-dev", *known) == []
