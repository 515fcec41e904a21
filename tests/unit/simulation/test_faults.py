"""A slice of the matrix of faults; ``make faults`` runs all of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests import faults
from tests.faults import STORY, Fault, Killed, running_pipeline

pytestmark = pytest.mark.no_cover


def test_a_request_is_executed_once_each_time_that_it_is_let_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executed: list[str] = []
    answered = faults._answered

    def counted(tables: Any, client: Any, request: Any) -> Any:
        executed.append(request.url)
        return answered(tables, client, request)

    monkeypatch.setattr(faults, "_answered", counted)
    times = dict.fromkeys(Fault, 0) | {None: 1, Fault.KILLED_AFTER: 1}
    times |= {Fault.ANSWER_LOST: 2, Fault.ANSWERS_LOST: 3}
    with running_pipeline() as pipeline:
        for fault, wanted in times.items():
            executed.clear()
            pipeline.wire.strike(fault, 0)
            with suppress(ClientError, ReadTimeoutError, Killed):
                pipeline.index.table.put_item(Item={"pk": "a", "sk": "b"})
            assert (fault, len(executed)) == (fault, wanted)


@pytest.mark.parametrize(
    ("has_people", "stride"),
    [
        (True, 997),
        pytest.param(True, 97, marks=pytest.mark.deep),
        pytest.param(False, 11, marks=pytest.mark.deep),
    ],
)
def test_a_fault_anywhere_loses_nothing_and_doubles_nothing(has_people: bool, stride: int) -> None:
    with running_pipeline(has_people=has_people) as pipeline:
        undisturbed = pipeline.play(STORY)
        assert STORY.wanted().total() > 15
        assert (undisturbed.lost, undisturbed.doubled, undisturbed.unannounced) == (0, 0, 0)
        assert (undisturbed.extra, undisturbed.has_struck) == (0, False)
        calls = undisturbed.calls
        assert not pipeline.play(STORY, Fault.THROTTLED, calls * 2).has_struck
        assert pipeline.play(STORY, Fault.THROTTLED, calls - 1).has_struck
        for number, fault in enumerate(Fault):  # each strikes other calls
            for call in range(number * 13 % stride, calls, stride):
                outcome = pipeline.play(STORY, fault, call)
                assert outcome.has_struck
                assert (outcome.lost, outcome.doubled, outcome.unannounced) == (0, 0, 0)
                assert (outcome.dead, outcome.left) == ([], [])
                assert outcome.extra <= 20  # what one request to each topic publishes
