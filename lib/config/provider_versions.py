"""Which releases of the AWS provider a version constraint admits. Pure.

Source: Terraform, "Version Constraints".
"""

from __future__ import annotations

import operator
import re

Version = tuple[int, int, int]

# What the stack is tested with.
DEFAULT_AWS_PROVIDER = "~> 5.100"
# They plan to remove and recreate the table's two indexes, after every deployment.
_BAD_RELEASES = ((6, 17), (6, 28))
_MOST_PATCHES = 10

_CONDITION = r" *(=|!=|>=?|<=?|~>)? *([0-9]{1,4}(?:\.[0-9]{1,4}){0,2}) *"
# What Terraform accepts as a constraint, without pre-releases.
CONSTRAINT = f"{_CONDITION}(,{_CONDITION})*"
_COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def admits(constraint: str, version: Version) -> bool:
    """Return whether a version satisfies all conditions of a constraint."""
    return all(
        _satisfies(version, sign or "=", [int(part) for part in number.split(".")])
        for sign, number in re.findall(_CONDITION, constraint)
    )


def bad_release(constraint: str) -> str | None:
    """Return the first release that a constraint admits but the stack does not work with."""
    for major, minor in _BAD_RELEASES:
        if any(admits(constraint, (major, minor, patch)) for patch in range(_MOST_PATCHES)):
            return f"{major}.{minor}"
    return None


def _satisfies(version: Version, sign: str, numbers: list[int]) -> bool:
    wanted = (*numbers, 0, 0)[:3]
    if sign == "~>":  # only the last number that is written may grow
        kept = max(1, len(numbers) - 1)
        return version >= wanted and version[:kept] == wanted[:kept]
    return bool(_COMPARISONS[sign](version, wanted))
