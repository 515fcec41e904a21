"""Version constraints: what they admit."""

from __future__ import annotations

import pytest

from lib.config.provider_versions import (
    DEFAULT_AWS_PROVIDER,
    Version,
    admits,
    bad_release,
)


@pytest.mark.parametrize(
    ("constraint", "version", "is_admitted"),
    [
        *(("5.100.0", (5, 100, 0), True), ("5.100", (5, 100, 1), False)),
        *(("= 6.5", (6, 5, 0), True), ("=6.5.1", (6, 5, 0), False)),
        *(("!= 6.5", (6, 5, 0), False), ("!= 6.5", (6, 5, 1), True)),
        *(("> 6.5", (6, 5, 0), False), ("> 6.5", (6, 5, 1), True)),
        *((">= 6.5", (6, 5, 0), True), (">= 6.5", (6, 4, 9), False)),
        *(("< 6.5", (6, 4, 9), True), ("< 6.5", (6, 5, 0), False)),
        *(("<= 6.5", (6, 5, 0), True), ("<= 6.5", (6, 5, 1), False)),
        *(("~> 5.100", (5, 101, 0), True), ("~> 5.100", (6, 0, 0), False)),
        *(("~> 5.100", (5, 99, 9), False), ("~> 6.5.1", (6, 5, 9), True)),
        *(("~> 6.5.1", (6, 6, 0), False), ("~> 6.5.1", (6, 5, 0), False)),
        *(("~> 6", (6, 99, 0), True), ("~> 6", (7, 0, 0), False)),
        *((">= 5.100, < 7", (6, 17, 0), True), (">=5.100,<6.17", (6, 17, 0), False)),
    ],
)
def test_a_constraint_admits_what_terraform_would_take(
    constraint: str, version: Version, is_admitted: bool
) -> None:
    assert admits(constraint, version) is is_admitted


@pytest.mark.parametrize(
    ("constraint", "release"),
    [
        *((DEFAULT_AWS_PROVIDER, None), (">= 6.5, < 6.10", None), ("> 6.28.9", None)),
        *((">= 5.100, < 7", "6.17"), ("~> 6.0", "6.17"), ("6.17.1", "6.17"), (">= 6.18", "6.28")),
    ],
)
def test_a_release_that_plans_the_indexes_for_ever_is_found(
    constraint: str, release: str | None
) -> None:
    assert bad_release(constraint) == release
