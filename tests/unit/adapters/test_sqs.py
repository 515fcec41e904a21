"""Records: what an SQS record says of a message, and what a message carries when sent again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.adapters.sqs import Record, carried_attributes, with_followers
from tests.unit.doubles import NOW

FIFO = "arn:aws:sqs:us-east-1:123456789012:prices.fifo"
STANDARD = "arn:aws:sqs:us-east-1:123456789012:prices"
MILLISECONDS = NOW // 1_000
AT = MILLISECONDS * 1_000


def record(
    message_id: str = "m-1",
    *,
    queue: str = STANDARD,
    system: dict[str, str] | None = None,
    **attributes: str,
) -> dict[str, Any]:
    """Build a record as Lambda passes it on."""
    usual = {"SentTimestamp": str(MILLISECONDS), "ApproximateReceiveCount": "1"}
    return {
        "messageId": message_id,
        "body": "{}",
        "eventSourceARN": queue,
        "attributes": usual | (system or {}),
        "messageAttributes": {
            name: {"dataType": "String", "stringValue": value} for name, value in attributes.items()
        },
    }


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (record(), {"message_id": "m-1", "first_id": "m-1", "sent_at_microseconds": AT}),
        (
            record("m-2", first_message_id="m-1", first_sent_at_milliseconds="1700000000000"),
            {"first_id": "m-1", "sent_at_microseconds": 1_700_000_000_000_000},
        ),
        (
            record(first_sent_at_milliseconds=str(MILLISECONDS + 1)),
            {"sent_at_microseconds": AT},  # not first sent after it was sent
        ),
        (record(queue=FIFO, system={"MessageGroupId": "AAPL"}), {"group": "AAPL"}),
        (record(system={"MessageGroupId": "AAPL"}), {"group": None}),  # that is about fairness
        (record(), {"is_repeated": False, "receive_count": 1, "handovers": 0, "group": None}),
        (record(first_message_id="m-1"), {"is_repeated": False}),
        (record(first_message_id="m-0"), {"is_repeated": True}),
        (record(system={"ApproximateReceiveCount": "2"}), {"is_repeated": True}),
        (record(system={"ApproximateReceiveCount": "0"}), {"receive_count": 0}),
        (record(handovers="15"), {"handovers": 15}),
        # What is not believed does not replace what SQS says.
        *(
            (record(first_message_id=name), {"first_id": "m-1"})
            for name in ("", "m" * 41, "m\n", "m\u2028", "\x00")
        ),
        (record(first_message_id="m" * 40), {"first_id": "m" * 40}),
        *(
            (
                record(first_sent_at_milliseconds=text, handovers=text),
                {"sent_at_microseconds": AT, "handovers": 0},
            )
            for text in ("", "soon", "-1", "1.5", "١٢", "1e3", "9" * 19, "9" * 5_000)
        ),
        *(
            (
                record(system={"SentTimestamp": text, "ApproximateReceiveCount": text}),
                {"sent_at_microseconds": None, "receive_count": 1},
            )
            for text in ("", "soon")
        ),
    ],
)
def test_a_record_says_what_is_believed_of_a_message(
    read: dict[str, Any], wanted: dict[str, Any]
) -> None:
    found = Record.of(read)
    assert {name: getattr(found, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "bare",
    [
        {},
        {"attributes": None, "messageAttributes": None},
        {"attributes": {}, "messageAttributes": {}},
        {"messageAttributes": {"first_message_id": None}},
        {"messageAttributes": {"handovers": {"stringValue": 3}}},
    ],
    ids=str,
)
def test_a_record_may_say_little(bare: dict[str, Any]) -> None:
    read = Record.of({"messageId": "m-1", "body": "{}", "eventSourceARN": FIFO, **bare})
    assert read == ("m-1", "m-1", None, None, 1, 0, "{}", bare.get("messageAttributes") or {})


def test_a_message_that_is_sent_again_keeps_its_first_id_and_time() -> None:
    present = record(source="feed", handovers="7", first_sent_at_milliseconds="soon")
    for number in range(8, 11):
        sent = Record.of(present).handed_over
        assert sent == {
            "MessageBody": "{}",
            "MessageAttributes": {
                "first_message_id": {"DataType": "String", "StringValue": "m-1"},
                "first_sent_at_milliseconds": {
                    "DataType": "Number",
                    "StringValue": str(MILLISECONDS),
                },
                "handovers": {"DataType": "Number", "StringValue": str(number)},
                "source": {"DataType": "String", "StringValue": "feed"},
            },
        }
        texts: dict[str, Any] = {
            name: value["StringValue"] for name, value in sent["MessageAttributes"].items()
        }
        later = {"SentTimestamp": str(MILLISECONDS + number)}
        present = record(f"again-{number}", queue=STANDARD, system=later, **texts)


def test_a_message_carries_at_most_ten_attributes_and_texts_alone() -> None:
    others: dict[str, Any] = {f"other-{number}": "x" for number in range(10)}
    read = record(**others)
    read["messageAttributes"] = {"picture": {"dataType": "Binary"}} | read["messageAttributes"]
    carried = Record.of(read).handed_over["MessageAttributes"]
    own = ["first_message_id", "first_sent_at_milliseconds", "handovers"]
    assert sorted(carried) == sorted([*own, *list(others)[:7]])


def test_what_is_unknown_is_not_carried_and_by_hand_all_handovers_are_given_back() -> None:
    used = {"handovers": {"DataType": "Number", "StringValue": "15"}}
    assert carried_attributes("m-1", None, used).keys() == {"first_message_id"}


messages = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([None, "A", "B"])), max_size=8
)


@given(messages, st.sets(st.sampled_from("abcdefgh")))
def test_what_fails_in_a_fifo_queue_holds_up_what_follows_in_its_group(
    batch: list[tuple[str, str | None]], failed: set[str]
) -> None:
    wanted = {
        name
        for place, (name, group) in enumerate(batch)
        if name in failed
        or (group and any(other in failed and its == group for other, its in batch[:place]))
    }
    records = [
        Record.of(record(f"{name}-2", queue=FIFO, system=group, first_message_id=name))
        for name, group in ((name, {"MessageGroupId": g} if g else None) for name, g in batch)
    ]
    assert with_followers(records, failed) == wanted
