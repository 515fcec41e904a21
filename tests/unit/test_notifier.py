from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from price_alerts.adapters.notifier import Notifier, message, sentence
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.notices import Notice, notice
from price_alerts.ports import MAX_NOTICES_PER_PUBLISH, Published
from tests.unit.doubles import ABOVE_150, Topic, TwoTopics, firing, told

LONGEST = Decimal(f"-{'9' * 34}E-63")
MAX_PUBLISH_BYTES = 256 * 1024  # SNS, PublishBatch


def fields(entry: Any) -> dict[str, Any]:
    """Return what programs read."""
    decoded: dict[str, Any] = json.loads(entry["Message"])
    return decoded


def publish(topic: Any, notices: list[Notice]) -> Published:
    return Notifier(topic, "arn:topic").publish(notices)


def numbered(count: int) -> list[Notice]:
    return [told(firing_id=f"f-{number}") for number in range(count)]


def noted(**changes: Any) -> Notice:
    return notice(firing(), replace(ABOVE_150, **changes))


def test_a_program_reads_every_field_exactly() -> None:
    assert fields(message(noted(note="Sell some."))) == {
        "firing_id": "0123456789abcdef0123456789abcdef",
        "rule_id": "high-price-threshold",
        "symbol": "AAPL",
        "condition": "above",
        "levels": ["150"],
        "previous_price": "149.5",
        "price": "200.25",
        "message_id": "m-1",
        "timestamp": "2026-11-22T15:04:05.250000Z",
        "fired_at": "2026-11-22T15:04:06.250000Z",
        "owner": "stack",
        "note": "Sell some.",
        "text": (
            "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before. Sell some."
        ),
    }


def test_the_text_comes_first() -> None:
    assert message(told())["Message"].startswith('{"text": "AAPL is above 150')


def test_people_read_the_text_and_nothing_else() -> None:
    assert sentence(noted(message="Now, {symbol}"))["Message"] == "Now, AAPL"


@pytest.mark.parametrize("entry", [message(told()), sentence(told())])
def test_an_entry_is_plain_text_for_else_sns_drops_its_attributes(entry: Any) -> None:
    assert entry.keys() == {"Id", "Subject", "Message", "MessageAttributes"}
    assert (entry["Id"], entry["Subject"]) == (firing().firing_id, "AAPL above 150: 200.25")


def test_people_can_filter_as_programs_do() -> None:
    assert sentence(told())["MessageAttributes"] == message(told())["MessageAttributes"]


@pytest.mark.parametrize(
    ("price", "is_there"),
    [
        *(("1E+9", True), ("-1E+9", True), ("999999999.99999", True), ("0.00001", True)),
        *(("1000000000.1", False), ("-1000000001", False), ("1E+30", False)),
        *(("0.000001", False), ("200.123456", False), ("0", True)),
    ],
)
def test_a_price_that_sns_cannot_compare_is_no_attribute(price: str, is_there: bool) -> None:
    attributes = message(told(price=Decimal(price)))["MessageAttributes"]
    assert ("price" in attributes) is is_there


def test_filter_policies_find_typed_attributes() -> None:
    assert message(told())["MessageAttributes"] == {
        "symbol": {"DataType": "String", "StringValue": "AAPL"},
        "condition": {"DataType": "String", "StringValue": "above"},
        "owner": {"DataType": "String", "StringValue": "stack"},
        "rule_id": {"DataType": "String", "StringValue": "high-price-threshold"},
        "price": {"DataType": "Number", "StringValue": "200.25"},
    }


def test_an_empty_owner_is_no_attribute() -> None:
    assert message(noted(owner=""))["MessageAttributes"].keys() == {
        "symbol",
        "condition",
        "rule_id",
        "price",
    }


def test_an_unknown_price_before_is_null() -> None:
    assert fields(message(told(previous_price=None)))["previous_price"] is None


@pytest.mark.parametrize(
    ("price", "text"), [("2E+2", "200"), ("1E-18", "0.000000000000000001"), ("0.1", "0.1")]
)
def test_prices_are_written_without_an_exponent(price: str, text: str) -> None:
    number = Decimal(price)
    terms = Terms(Condition.BELOW, (number,))
    entry = message(told(price=number, previous_price=number, terms=terms))
    read = fields(entry)
    assert [read["price"], read["previous_price"], *read["levels"]] == [text] * 3


def test_the_attribute_is_written_without_an_exponent() -> None:
    attributes = message(told(price=Decimal("2E+2")))["MessageAttributes"]
    assert attributes["price"] == {"DataType": "Number", "StringValue": "200"}


def test_a_move_in_percent_is_written_with_its_sign() -> None:
    terms = Terms(Condition.RISES, (Decimal(5),), is_percent=True, window="1h")
    entry = message(told(terms=terms))
    assert (fields(entry)["levels"], entry["Subject"]) == (["5%"], "AAPL rises 5%: 200.25")


def test_a_range_is_written_with_both_levels() -> None:
    terms = Terms(Condition.ENTERS, (Decimal(1), Decimal(2)))
    entry = message(told(terms=terms))
    assert (fields(entry)["levels"], entry["Subject"]) == (
        ["1", "2"],
        "AAPL enters 1 to 2: 200.25",
    )


def test_a_condition_has_an_underscore_for_programs_and_none_for_people() -> None:
    entry = message(told(terms=Terms(Condition.CROSSES_UP, (Decimal(1),))))
    assert (fields(entry)["condition"], entry["Subject"]) == (
        "crosses_up",
        "AAPL crosses up 1: 200.25",
    )


@pytest.mark.parametrize("symbol", ["A", "A" * 64, "𠮷" * 64])
def test_the_subject_is_printable_and_short_enough_for_sns(symbol: str) -> None:
    terms = Terms(Condition.OUTSIDE, (LONGEST, Decimal(1)))
    entry = message(told(symbol=symbol, terms=terms, price=LONGEST))
    assert entry["Subject"].isprintable()
    assert 1 <= len(entry["Subject"]) < 100


@pytest.mark.parametrize("character", ["\\", "\U0001f600"])
def test_ten_of_the_longest_notices_fit_into_one_request(character: str) -> None:
    terms = Terms(Condition.EXITS, (LONGEST, Decimal(1)), rearm=Distance(Decimal("0.1")))
    longest = notice(
        firing(rule_id="r" * 64, symbol="𠮷" * 64, terms=terms, price=LONGEST),
        replace(
            ABOVE_150,
            owner=character * 64,
            note=character * 256,
            message=("{note}" * 85).ljust(512),
        ),
    )
    entries = [message(longest)] * MAX_NOTICES_PER_PUBLISH
    assert len(json.dumps(entries, ensure_ascii=False).encode()) < MAX_PUBLISH_BYTES


def reject(
    topic: Topic, *numbers: int, times: int = 99, code: str = "Throttled", for_good: bool = False
) -> None:
    """Reject some firings in each of so many requests that follow."""
    names, last = {f"f-{number}" for number in numbers}, len(topic.requests) + times
    topic.refused = lambda firing_id: firing_id in names and len(topic.requests) <= last
    topic.code, topic.is_sender_fault = code, for_good


def sent(topic: Topic) -> list[list[str]]:
    """Return the ids in each request."""
    return [
        [entry["Id"] for entry in request["PublishBatchRequestEntries"]]
        for request in topic.requests
    ]


def test_firings_go_out_in_one_request() -> None:
    topic, notices = Topic(), numbered(10)
    assert publish(topic, notices) == (notices, [], [])
    assert [request["TopicArn"] for request in topic.requests] == ["arn:topic"]
    assert topic.requests[0]["PublishBatchRequestEntries"] == [message(n) for n in notices]


def test_nothing_makes_no_request() -> None:
    topic = Topic()
    assert (publish(topic, []), topic.requests) == (([], [], []), [])


def test_what_is_rejected_for_now_goes_out_again_with_all_after_it() -> None:
    topic, notices = Topic(), numbered(4)
    reject(topic, 1, 3, times=1)
    assert publish(topic, notices) == (notices, [], [])
    assert sent(topic) == [["f-0", "f-1", "f-2", "f-3"], ["f-1", "f-2", "f-3"]]


def test_what_goes_out_again_begins_each_time_with_the_first_that_was_rejected() -> None:
    topic, notices = Topic(), numbered(3)
    topic.refused = lambda firing_id: firing_id == f"f-{len(topic.requests)}"
    assert publish(topic, notices) == (notices, [], [])
    assert sent(topic) == [["f-0", "f-1", "f-2"], ["f-1", "f-2"], ["f-2"]]


def test_what_is_rejected_three_times_waits_with_all_after_it() -> None:
    topic, notices = Topic(), numbered(3)
    reject(topic, 1)
    assert publish(topic, notices) == ([notices[0]], [], [notices[1], notices[2]])
    assert len(topic.requests) == 3


def test_what_is_rejected_for_good_is_undeliverable_and_all_others_go_out() -> None:
    topic, notices = Topic(), numbered(3)
    reject(topic, 1, code="InvalidParameter", for_good=True)
    assert publish(topic, notices) == (
        [notices[0], notices[2]],
        [(notices[1], "InvalidParameter")],
        [],
    )
    assert len(topic.requests) == 1


def test_what_is_undeliverable_before_one_that_waits_is_not_published_again() -> None:
    topic, notices = Topic(), numbered(3)
    for_good = {"Id": "f-0", "Code": "InvalidParameter", "SenderFault": True}
    for_now = {"Id": "f-1", "Code": "InternalFailure", "SenderFault": False}
    answers = iter([[for_good, for_now], [for_now], [for_now]])

    def publish_batch(**request: Any) -> dict[str, Any]:
        topic.publish_batch(**request)
        return {"Failed": next(answers)}

    published = publish(SimpleNamespace(publish_batch=publish_batch), notices)
    assert published == ([], [(notices[0], "InvalidParameter")], [notices[1], notices[2]])
    assert sent(topic) == [["f-0", "f-1", "f-2"], *[["f-1", "f-2"]] * 2]


@pytest.mark.parametrize(
    "code",
    [
        *("Throttled", "ThrottlingException", "KMSDisabled", "KMSAccessDenied", "KMSThrottling"),
        *("AuthorizationError", "AccessDenied", "FilterPolicyLimitExceeded", "InternalError"),
        *("InternalFailure", "ServiceUnavailable"),
    ],
)
def test_what_may_pass_waits_though_the_sender_is_to_blame(code: str) -> None:
    topic, notices = Topic(), numbered(2)
    reject(topic, 0, code=code, for_good=True)
    assert publish(topic, notices) == ([], [], notices)


def test_what_is_the_receiver_s_fault_may_pass_whatever_it_is_called() -> None:
    topic, notices = Topic(), numbered(1)
    reject(topic, 0, code="InvalidParameter", for_good=False)
    assert publish(topic, notices) == ([], [], notices)


# --- people ------------------------------------------------------------------------------


@pytest.fixture
def topics() -> TwoTopics:
    return TwoTopics()


def publish_to_both(topics: Any, notices: list[Notice]) -> Published:
    return Notifier(topics, "arn:topic", "arn:people").publish(notices)


def test_each_topic_gets_all_firings_in_one_request(topics: TwoTopics) -> None:
    notices = numbered(10)
    assert publish_to_both(topics, notices) == (notices, [], [])
    (programs,), (people,) = topics.programs.requests, topics.people.requests
    assert programs["PublishBatchRequestEntries"] == [message(n) for n in notices]
    assert people["PublishBatchRequestEntries"] == [sentence(n) for n in notices]


def test_nothing_makes_no_request_to_people_either(topics: TwoTopics) -> None:
    assert publish_to_both(topics, []) == ([], [], [])
    assert topics.people.requests == []


def test_what_programs_topic_rejects_for_now_waits_unheard_by_people(topics: TwoTopics) -> None:
    notices = numbered(3)
    reject(topics.programs, 1)
    assert publish_to_both(topics, notices) == (notices[:1], [], notices[1:])
    assert topics.people.published == ["f-0"]


def test_what_people_s_topic_rejects_for_now_waits_with_all_after_it(topics: TwoTopics) -> None:
    notices = numbered(3)
    reject(topics.people, 1)
    assert publish_to_both(topics, notices) == (notices[:1], [], notices[1:])
    assert sent(topics.people) == [["f-0", "f-1", "f-2"], *[["f-1", "f-2"]] * 2]
    assert len(topics.programs.requests) == 1


def test_what_both_topics_reject_for_now_waits_from_the_first_on(topics: TwoTopics) -> None:
    notices = numbered(4)
    reject(topics.programs, 2)
    reject(topics.people, 1)
    assert publish_to_both(topics, notices) == (notices[:1], [], notices[1:])


@pytest.mark.parametrize("name", ["programs", "people"])
def test_what_one_topic_rejects_for_good_is_undeliverable_though_the_other_has_it(
    topics: TwoTopics, name: str
) -> None:
    notices = numbered(3)
    reject(getattr(topics, name), 1, code="InvalidParameter", for_good=True)
    assert publish_to_both(topics, notices) == (
        [notices[0], notices[2]],
        [(notices[1], "InvalidParameter")],
        [],
    )
    other = topics.people if name == "programs" else topics.programs
    assert other.published == ["f-0", "f-1", "f-2"]


def test_a_topic_for_people_that_does_not_answer_leaves_nothing_accepted(topics: TwoTopics) -> None:
    def fail(when: str) -> None:
        raise ConnectionError(when)

    topics.people.on_publish = fail
    with pytest.raises(ConnectionError):
        publish_to_both(topics, numbered(2))
    assert topics.programs.published == ["f-0", "f-1"]


# --- in moto -----------------------------------------------------------------------------


def test_a_queue_that_subscribed_receives_the_firing(aws: None) -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic_arn = sns.create_topic(Name="alerts")["TopicArn"]
    queue_url = sqs.create_queue(QueueName="received")["QueueUrl"]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:123456789012:received",
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"symbol": ["AAPL"]}'},
    )
    notices = [told(firing_id="other", symbol="MSFT"), told()]
    assert Notifier(sns, topic_arn).publish(notices) == (notices, [], [])
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(entry["Body"])["firing_id"] for entry in received] == [firing().firing_id]
