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


def record(
    message_id: str = "m-1",
    *,
    sent_at: int | str | None = MILLISECONDS,
    count: int | str = 1,
    group: str | None = None,
    queue: str = STANDARD,
    **attributes: tuple[str, str],
) -> dict[str, Any]:
    """Build a record as Lambda passes it on; attributes are types and values."""
    system = {"SentTimestamp": sent_at, "MessageGroupId": group}
    return {
        "messageId": message_id,
        "body": "{}",
        "eventSourceARN": queue,
        "attributes": {
            "ApproximateReceiveCount": str(count),
            **{name: str(value) for name, value in system.items() if value is not None},
        },
        "messageAttributes": {
            name: {"dataType": kind, "stringValue": value}
            for name, (kind, value) in attributes.items()
        },
    }


def sent_again(before: dict[str, Any], message_id: str, sent_at: int) -> dict[str, Any]:
    """Return the record of a message that the function has sent again."""
    carried = Record.of(before).handed_over
    attributes: dict[str, Any] = {
        name: (value["DataType"], value["StringValue"])
        for name, value in carried["MessageAttributes"].items()
    }
    return record(message_id, sent_at=sent_at, **attributes) | {"body": carried["MessageBody"]}


# --- what a record says ----------------------------------------------------------------------


def test_a_message_has_its_own_id_and_time() -> None:
    read = Record.of(record())
    assert (read.message_id, read.first_id, read.sent_at_microseconds) == (
        "m-1",
        "m-1",
        MILLISECONDS * 1_000,
    )


def test_a_message_that_was_sent_again_keeps_its_first_id_and_time() -> None:
    first_time = ("Number", "1700000000000")
    read = Record.of(
        record("m-2", first_message_id=("String", "m-1"), first_sent_at_milliseconds=first_time)
    )
    assert (read.message_id, read.first_id, read.sent_at_microseconds) == (
        "m-2",
        "m-1",
        1_700_000_000_000_000,
    )


@pytest.mark.parametrize(
    "name", ["", "m" * 101, "m\n", "m\u2028", "\x00"], ids=["none", "long", "line", "break", "zero"]
)
def test_what_is_no_id_does_not_take_the_place_of_the_message_s_own(name: str) -> None:
    assert Record.of(record(first_message_id=("String", name))).first_id == "m-1"


def test_an_id_may_be_as_long_as_those_of_sqs() -> None:
    assert Record.of(record(first_message_id=("String", "m" * 40))).first_id == "m" * 40


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "١٢", "1e3"])
def test_what_is_no_time_does_not_take_the_place_of_the_message_s_own(text: str) -> None:
    read = Record.of(record(first_sent_at_milliseconds=("String", text)))
    assert read.sent_at_microseconds == MILLISECONDS * 1_000


def test_a_message_was_not_first_sent_after_it_was_sent() -> None:
    later = ("Number", str(MILLISECONDS + 1))
    read = Record.of(record(first_sent_at_milliseconds=later))
    assert read.sent_at_microseconds == MILLISECONDS * 1_000


@pytest.mark.parametrize("name", ["first_sent_at_milliseconds", "handovers"])
def test_a_number_of_endless_digits_is_none(name: str) -> None:
    attributes: dict[str, Any] = {name: ("String", "9" * 5_000)}
    read = Record.of(record(**attributes))
    assert (read.sent_at_microseconds, read.handovers) == (MILLISECONDS * 1_000, 0)


@pytest.mark.parametrize("text", [None, "", "soon"])
def test_when_a_message_was_sent_may_be_unknown(text: str | None) -> None:
    assert Record.of(record(sent_at=text)).sent_at_microseconds is None


def test_in_a_fifo_queue_a_message_has_its_place_in_a_group() -> None:
    assert Record.of(record(queue=FIFO, group="AAPL")).group == "AAPL"


def test_in_a_standard_queue_a_group_holds_no_place() -> None:
    assert Record.of(record(queue=STANDARD, group="AAPL")).group is None


@pytest.mark.parametrize(
    ("count", "wanted"), [("1", 1), ("7", 7), ("0", 0), ("", 1), ("many", 1)], ids=repr
)
def test_how_often_a_message_was_received_is_counted(count: str, wanted: int) -> None:
    assert Record.of(record(count=count)).receive_count == wanted


@pytest.mark.parametrize(
    ("text", "handovers"), [("3", 3), ("15", 15), ("", 0), ("-1", 0), ("often", 0)], ids=repr
)
def test_how_often_a_message_was_sent_again_is_counted(text: str, handovers: int) -> None:
    assert Record.of(record(handovers=("Number", text))).handovers == handovers


@pytest.mark.parametrize(
    ("read", "is_repeated"),
    [
        pytest.param(record(), False, id="the first time"),
        pytest.param(record(count=2), True, id="received twice"),
        pytest.param(record(first_message_id=("String", "m-0")), True, id="sent twice"),
        pytest.param(record(first_message_id=("String", "m-1")), False, id="its own first id"),
    ],
)
def test_a_message_that_came_before_is_known_for_it(
    read: dict[str, Any], is_repeated: bool
) -> None:
    assert Record.of(read).is_repeated is is_repeated


@pytest.mark.parametrize(
    "bare",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"attributes": None, "messageAttributes": None}, id="null"),
        pytest.param({"attributes": {}, "messageAttributes": {}}, id="empty"),
        pytest.param({"messageAttributes": {"first_message_id": None}}, id="a null attribute"),
        pytest.param({"messageAttributes": {"handovers": {"stringValue": 3}}}, id="no text"),
    ],
)
def test_a_record_that_says_little_is_read_nevertheless(bare: dict[str, Any]) -> None:
    read = Record.of({"messageId": "m-1", "body": "{}", "eventSourceARN": FIFO, **bare})
    assert (read.first_id, read.sent_at_microseconds, read.group, read.handovers) == (
        "m-1",
        None,
        None,
        0,
    )
    assert not read.is_repeated


# --- what a message carries when it is sent again --------------------------------------------


def test_a_message_that_is_sent_again_carries_its_id_its_time_and_the_number_of_times() -> None:
    assert Record.of(record()).handed_over == {
        "MessageBody": "{}",
        "MessageAttributes": {
            "first_message_id": {"DataType": "String", "StringValue": "m-1"},
            "first_sent_at_milliseconds": {"DataType": "Number", "StringValue": str(MILLISECONDS)},
            "handovers": {"DataType": "Number", "StringValue": "1"},
        },
    }


def test_however_often_a_message_is_sent_again_its_ticks_keep_their_positions() -> None:
    present = record()
    for number in range(1, 4):
        present = sent_again(present, f"again-{number}", MILLISECONDS + number)
        read = Record.of(present)
        assert (read.message_id, read.first_id) == (f"again-{number}", "m-1")
        assert (read.sent_at_microseconds, read.handovers) == (MILLISECONDS * 1_000, number)


@pytest.mark.parametrize(
    "unbelievable",
    [
        {"first_message_id": ("String", "m" * 101)},
        {"first_sent_at_milliseconds": ("String", "soon")},
    ],
    ids=["id", "time"],
)
def test_what_is_not_believed_is_not_carried(unbelievable: dict[str, Any]) -> None:
    read = Record.of(sent_again(record(**unbelievable), "m-2", MILLISECONDS + 1))
    assert (read.first_id, read.sent_at_microseconds) == ("m-1", MILLISECONDS * 1_000)


def test_a_time_that_nobody_knows_is_not_carried() -> None:
    carried = Record.of(record(sent_at=None)).handed_over["MessageAttributes"]
    assert carried.keys() == {"first_message_id", "handovers"}


def test_other_attributes_of_a_message_stay_with_it() -> None:
    source = {"DataType": "String.source", "StringValue": "feed"}
    carried = Record.of(record(source=("String.source", "feed"))).handed_over
    assert carried["MessageAttributes"]["source"] == source


def test_an_attribute_that_holds_no_text_is_left_out() -> None:
    read = record()
    read["messageAttributes"] = {"picture": {"dataType": "Binary", "binaryValue": "AA=="}}
    assert "picture" not in Record.of(read).handed_over["MessageAttributes"]


def test_a_message_of_many_attributes_carries_as_many_as_sqs_takes() -> None:
    others: dict[str, Any] = {f"other-{number}": ("String", "x") for number in range(10)}
    carried = Record.of(record(**others)).handed_over["MessageAttributes"]
    assert len(carried) == 10
    assert {"first_message_id", "first_sent_at_milliseconds", "handovers"} < carried.keys()


def test_who_sends_a_message_again_by_hand_gives_it_all_its_turns_back() -> None:
    used = {"handovers": {"DataType": "Number", "StringValue": "15"}}
    assert "handovers" not in carried_attributes("m-1", NOW, used)


# --- who must be tried again with a message that fails ---------------------------------------


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
    records = [Record.of(record(name, group=group, queue=FIFO)) for name, group in batch]
    assert with_followers(records, failed) == wanted


def test_in_a_standard_queue_nobody_waits_for_a_message_that_fails() -> None:
    records = [Record.of(record(name, group="AAPL")) for name in ("m-1", "m-2")]
    assert with_followers(records, {"m-1"}) == {"m-1"}


def test_a_message_that_was_sent_again_fails_under_its_first_id() -> None:
    again = Record.of(record("m-2", first_message_id=("String", "m-1")))
    assert with_followers([again], {"m-1"}) == {"m-1"}


def test_a_message_of_unknown_age_carries_no_time() -> None:
    assert carried_attributes("m-1", None, {}).keys() == {"first_message_id"}
