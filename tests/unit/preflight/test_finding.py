from __future__ import annotations

import pytest

from lib.deploy.preflight.finding import Finding, Level, error, skipped, warning


def test_a_finding_is_one_line_whatever_it_quotes() -> None:
    assert (
        str(Finding("Node", "v20\nand\x1b[31m more")) == "ok       Node         v20 and?[31m more"
    )


@pytest.mark.parametrize(
    ("finding", "level"),
    [
        (error("a", "b"), Level.ERROR),
        (warning("a", "b"), Level.WARNING),
        (skipped("a", "b"), Level.SKIPPED),
    ],
)
def test_a_line_begins_with_what_it_means(finding: Finding, level: Level) -> None:
    assert finding.level is level
    assert str(finding).split() == [str(level), "a", "b"]
