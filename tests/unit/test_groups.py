"""FIFO queues: who fails holds up those behind it in its group, and nobody else."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.groups import group_of, with_followers
from tests.unit.doubles import items_of

FIFO = "arn:aws:sqs:us-east-1:123456789012:prices.fifo"
STANDARD = "arn:aws:sqs:us-east-1:123456789012:prices"


def record(
    message_id: str, symbol: str, price: object, second: int, queue: str = FIFO
) -> dict[str, Any]:
    tick = {"symbol": symbol, "price": price, "timestamp": second}
    return {
        "messageId": message_id,
        "body": json.dumps(tick),
        "eventSourceARN": queue,
        "attributes": {"MessageGroupId": symbol},
    }


def failures(index: ModuleType, *records: dict[str, Any]) -> list[str]:
    answer = index.handler({"Records": list(records)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_behind_a_bad_message_its_group_waits_and_others_go_on(index: ModuleType) -> None:
    batch = [
        record("a-1", "AAPL", 1, 1),
        record("a-2", "AAPL", "bad", 2),
        record("m-1", "MSFT", 1, 2),
        record("a-3", "AAPL", 200, 3),
    ]
    assert failures(index, *batch) == ["a-2", "a-3"]
    states = {item["pk"]: item["price"] for item in items_of(index.table, "SYMBOL#")}
    assert states == {"SYMBOL#AAPL": 1, "SYMBOL#MSFT": 1}


def test_in_a_standard_queue_nobody_waits_for_a_bad_message(index: ModuleType) -> None:
    batch = [
        record("a-1", "AAPL", "bad", 1, STANDARD),
        record("a-2", "AAPL", 2, 2, STANDARD),
    ]
    assert failures(index, *batch) == ["a-1"]


def test_behind_a_message_that_cannot_be_finished_its_group_waits(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process(ticks: Any, batch: Any, symbols: Any) -> None:
        batch.unfinished_message_ids.add("a-1")

    monkeypatch.setattr(index._processor, "process", process)
    batch = [record("a-1", "AAPL", 1, 1), record("m-1", "MSFT", 1, 1), record("a-2", "AAPL", 2, 2)]
    assert failures(index, *batch) == ["a-1", "a-2"]


messages = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([None, "A", "B"])), max_size=8
)


@given(messages, st.sets(st.sampled_from("abcdefgh")))
def test_held_up_is_what_fails_and_what_stands_behind_it(
    batch: list[tuple[str, str | None]], failed: set[str]
) -> None:
    wanted = {
        message_id
        for place, (message_id, group) in enumerate(batch)
        if message_id in failed
        or (group and any(other in failed and its == group for other, its in batch[:place]))
    }
    assert with_followers(batch, failed) == wanted


@pytest.mark.parametrize("more", [{}, {"attributes": None}, {"attributes": {}}])
def test_a_record_that_does_not_tell_its_group_has_none(more: dict[str, Any]) -> None:
    assert group_of({"eventSourceARN": FIFO, **more}) is None
    assert group_of(more) is None
