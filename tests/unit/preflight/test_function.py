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
from tests.unit.preflight.account import DENIED, Account, limits, refusal

NAME = "tap-dev-price-alerts"
MORE = "or ask AWS for more (Service Quotas, Lambda, Concurrent executions)"


@pytest.fixture
def account() -> Account:
    """An account in which nothing is reserved, and the function is deployed."""
    return Account({"GetFunctionConcurrency": {}, "GetAccountSettings": limits(1_000)})


def look(account: Account, reserved: int | None = 20, **settings: Any) -> Function:
    values = {"environment": "dev", "region": "eu-west-1", "reserved_concurrency": reserved}
    return check_function(Settings(**{**values, **settings}), NAME, account.connect)


def test_a_concurrency_that_the_account_has_left_is_named(account: Account) -> None:
    assert look(account) == Function(
        [Finding("concurrency", "20 of 900 that can be reserved")], is_there=True
    )
    assert account.connections == [("lambda", "eu-west-1", None, {})]


def test_where_nothing_is_reserved_the_account_is_not_asked(account: Account) -> None:
    del account.answers["GetAccountSettings"]
    assert look(account, None).findings == [Finding("concurrency", "nothing is reserved")]


def test_a_concurrency_that_the_account_has_not_left_is_to_be_lowered(account: Account) -> None:
    account.answers["GetAccountSettings"] = limits(112)
    assert look(account).findings == [
        error(
            "concurrency",
            "reserved_concurrency is 20, and the account has 12 to reserve (of 1000; 100 stay "
            f"unreserved): set reserved_concurrency to 12 or less, {MORE}",
        )
    ]


def test_an_account_that_can_reserve_nothing_takes_no_reservation(account: Account) -> None:
    account.answers["GetAccountSettings"] = limits(10, limit=10)
    assert look(account).findings == [
        error(
            "concurrency",
            "reserved_concurrency is 20, and the account has 0 to reserve (of 10; 100 stay "
            f"unreserved): set it to null, {MORE}",
        )
    ]


def test_what_the_function_has_reserved_already_is_its_own(account: Account) -> None:
    account.answers["GetFunctionConcurrency"] = {"ReservedConcurrentExecutions": 15}
    account.answers["GetAccountSettings"] = limits(105)
    assert look(account).findings == [Finding("concurrency", "20 of 20 that can be reserved")]


def test_a_function_that_is_not_there_has_reserved_nothing(account: Account) -> None:
    account.answers["GetFunctionConcurrency"] = refusal("ResourceNotFoundException", 404)
    found = look(account)
    assert (found.is_there, [each.level for each in found.findings]) == (False, [Level.OK])


@pytest.mark.parametrize(
    ("operation", "is_there"), [("GetFunctionConcurrency", None), ("GetAccountSettings", True)]
)
def test_a_quota_that_may_not_be_looked_at_is_a_warning_that_names_the_permission(
    account: Account, operation: str, is_there: bool | None
) -> None:
    account.answers[operation] = refusal(f"{DENIED}Exception", 403)
    assert look(account) == Function(
        [
            warning(
                "concurrency",
                f"cannot be looked at: have lambda:{operation} allowed, or see to it yourself",
            )
        ],
        is_there,
    )


@given(
    wanted=st.integers(1, 2_000),
    limit=st.integers(0, 2_000),
    others=st.integers(0, 2_000),
    own=st.integers(0, 2_000),
)
def test_exactly_what_leaves_a_hundred_unreserved_is_let_pass(
    wanted: int, limit: int, others: int, own: int
) -> None:
    found = check_concurrency(wanted, limit, limit - others - own, own)
    passes = limit - others - wanted >= 100
    assert (found.level is Level.OK) == passes


# --- whose stack -------------------------------------------------------------------------


def test_a_stack_that_its_state_knows_nothing_of_is_told_of() -> None:
    assert check_ownership("tap-dev", True, True) == [
        error(
            "stack",
            "tap-dev is there, but this state knows nothing of it, so AWS would refuse its names: "
            "deploy where its state is (README, Where the state is kept), or to another account",
        )
    ]


@pytest.mark.parametrize(
    ("is_there", "is_state_empty"),
    [(True, False), (False, True), (None, True), (True, None)],
)
def test_any_other_stack_is_not_mentioned(
    is_there: bool | None, is_state_empty: bool | None
) -> None:
    assert check_ownership("tap-dev", is_there, is_state_empty) == []
