"""A slice of the matrix of faults; ``make faults`` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests import faults
from tests.faults import STORY, Fault, Killed, Pipeline, running_pipeline

STRIDE = 11
RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.fixture(scope="module")
def _running() -> Iterator[Pipeline]:
    with running_pipeline() as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(_running: Pipeline) -> Pipeline:
    return _running


def test_without_a_fault_all_that_comes_true_is_told_once(pipeline: Pipeline) -> None:
    outcome = pipeline.play(STORY)
    assert STORY.wanted().total() > 15
    assert (outcome.lost, outcome.doubled, outcome.unannounced, outcome.extra) == (0, 0, 0, 0)


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of the requests that have been executed."""
    urls: list[str] = []
    answered = faults._answered

    def counted(tables: Any, client: Any, request: Any) -> Any:
        urls.append(request.url)
        return answered(tables, client, request)

    monkeypatch.setattr(faults, "_answered", counted)
    return urls


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (None, 1),
        (Fault.KILLED_BEFORE, 0),
        (Fault.KILLED_AFTER, 1),
        (Fault.TIMED_OUT, 0),
        (Fault.THROUGHPUT, 0),
        (Fault.THROTTLED, 0),
        (Fault.LIMITED, 0),
        (Fault.SERVER_ERROR, 0),
        (Fault.ANSWER_LOST, 2),
        (Fault.ANSWERS_LOST, 3),
    ],
)
def test_a_request_is_executed_once_each_time_that_it_is_let_through(
    pipeline: Pipeline, executed: list[str], fault: Fault | None, times: int
) -> None:
    pipeline.wire.strike(fault, 0)
    with suppress(ClientError, ReadTimeoutError, Killed):
        pipeline.index.table.put_item(Item={"pk": "a", "sk": "b"})
    assert len(executed) == times


@pytest.mark.deep  # the simulation strikes them all too
@pytest.mark.no_cover
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_anywhere_loses_nothing_and_doubles_nothing(
    pipeline: Pipeline, fault: Fault
) -> None:
    calls = pipeline.play(STORY).calls
    offset = list(Fault).index(fault)  # each fault strikes other calls
    for call in range(offset, calls, STRIDE):
        outcome = pipeline.play(STORY, fault, call)
        assert outcome.has_struck
        assert (outcome.lost, outcome.doubled, outcome.unannounced) == (0, 0, 0)
        assert (outcome.dead, outcome.left) == ([], [])
        assert outcome.extra <= 10  # what one request announces


@pytest.mark.no_cover
def test_every_call_of_an_invocation_can_be_struck(pipeline: Pipeline) -> None:
    calls = pipeline.play(STORY).calls
    struck = [pipeline.play(STORY, Fault.THROTTLED, call).has_struck for call in (0, calls - 1)]
    assert struck == [True, True]
    assert not pipeline.play(STORY, Fault.THROTTLED, calls * 2).has_struck


def test_every_fault_stands_in_the_documentation() -> None:
    text = RELIABILITY.read_text("utf-8")
    assert [fault for fault in Fault if f"| {fault} |" not in text] == []
