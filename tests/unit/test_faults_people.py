"""A slice of the matrix of faults, where people have a topic of their own."""

from __future__ import annotations

import pytest

from tests.faults import STORY, Fault, running_pipeline

STRIDE = 97


@pytest.mark.no_cover
def test_a_fault_anywhere_leaves_neither_programs_nor_people_out() -> None:
    with running_pipeline(has_people=True) as pipeline:
        calls = pipeline.play(STORY).calls
        for number, fault in enumerate(Fault):
            for call in range(number, calls, STRIDE):  # each fault strikes other calls
                outcome = pipeline.play(STORY, fault, call)
                assert outcome.has_struck
                assert (outcome.lost, outcome.doubled, outcome.unannounced) == (0, 0, 0)
                assert (outcome.dead, outcome.left) == ([], [])
                assert outcome.extra <= 20  # what one request to each topic publishes
