"""The notifier: what programs and people get, and what SNS rejects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import boto3
import pytest

from price_alerts.adapters.notifier import Notifier, message, sentence
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.notices import Notice, notice
from price_alerts.ports import MAX_NOTICES_PER_PUBLISH
from tests.unit.doubles import ABOVE_150, firing, told

LONGEST = Decimal(f"-{'9' * 34}E-63")


def body_of(entry: Any) -> dict[str, Any]:
    """Return what programs read."""
    decoded: dict[str, Any] = json.loads(entry["Message"])
    return decoded


def test_a_program_reads_every_field_and_filters_typed_attributes() -> None:
    note = "Sell some."
    text = f"AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before. {note}"
    entry = message(notice(firing(), replace(ABOVE_150, note=note)))
    assert list(body_of(entry).items()) == [  # the text comes first
        ("text", text),
        ("firing_id", "0123456789abcdef0123456789abcdef"),
        ("rule_id", "high-price-threshold"),
        ("symbol", "AAPL"),
        ("condition", "above"),
        ("levels", ["150"]),
        ("previous_price", "149.5"),
        ("price", "200.25"),
        ("timestamp", "2026-11-22T15:04:05.250000Z"),
        ("message_id", "m-1"),
        ("fired_at", "2026-11-22T15:04:06.250000Z"),
        ("owner", "stack"),
        ("note", note),
    ]
    attributes = entry["MessageAttributes"]
    assert {name: tuple(value.values()) for name, value in attributes.items()} == {
        "symbol": ("String", "AAPL"),
        "condition": ("String", "above"),
        "owner": ("String", "stack"),
        "rule_id": ("String", "high-price-threshold"),
        "price": ("Number", "200.25"),
    }


def test_people_get_the_text_alone_and_the_same_attributes() -> None:
    worded = notice(firing(), replace(ABOVE_150, message="Now, {symbol}"))
    # With a MessageStructure, SNS would drop the attributes.
    assert sentence(worded) == {
        "Id": firing().firing_id,
        "Subject": "AAPL above 150: 200.25",
        "Message": "Now, AAPL",
        "MessageAttributes": message(worded)["MessageAttributes"],
    }


def test_what_is_empty_is_no_attribute() -> None:
    unowned = message(notice(firing(previous_price=None), replace(ABOVE_150, owner="")))
    assert unowned["MessageAttributes"].keys() == {"symbol", "condition", "rule_id", "price"}
    assert body_of(unowned)["previous_price"] is None


@pytest.mark.parametrize(
    ("price", "attribute"),
    [
        *(("1E+9", "1000000000"), ("-1E+9", "-1000000000"), ("1000000000.1", None)),
        *(("-1000000001", None), ("1E+30", None), ("999999999.99999", "999999999.99999")),
        *(("0.00001", "0.00001"), ("0.000001", None), ("200.123456", None), ("0", "0")),
    ],
)
def test_a_price_that_sns_cannot_compare_is_no_attribute(price: str, attribute: str | None) -> None:
    attributes: Any = message(told(price=Decimal(price)))["MessageAttributes"]
    assert attributes.get("price", {}).get("StringValue") == attribute


@pytest.mark.parametrize(
    ("terms", "fields", "subject"),
    [
        (Terms(Condition.BELOW, (Decimal("2E+2"),)), ("below", ["200"]), "below 200"),
        (Terms(Condition.RISES, (Decimal(5),), True, "1h"), ("rises", ["5%"]), "rises 5%"),
        (
            Terms(Condition.ENTERS, (Decimal(1), Decimal("1.5"))),
            ("enters", ["1", "1.5"]),
            "enters 1 to 1.5",
        ),
        (Terms(Condition.CROSSES_UP, (Decimal(1),)), ("crosses_up", ["1"]), "crosses up 1"),
    ],
)
def test_levels_and_prices_are_written_without_an_exponent(
    terms: Terms, fields: tuple[str, list[str]], subject: str
) -> None:
    entry = message(told(terms=terms, price=Decimal("2E+2"), previous_price=Decimal("1E-18")))
    body = body_of(entry)
    assert (body["condition"], body["levels"]) == fields
    assert (body["price"], body["previous_price"]) == ("200", "0.000000000000000001")
    assert entry["Subject"] == f"AAPL {subject}: 200"


@pytest.mark.parametrize("symbol", ["A", "𠮷" * 64])
def test_the_subject_is_printable_and_short_enough_for_sns(symbol: str) -> None:
    terms = Terms(Condition.OUTSIDE, (LONGEST, Decimal(1)))
    subject = message(told(symbol=symbol, terms=terms, price=LONGEST))["Subject"]
    assert subject.isprintable()
    assert len(subject) == 99


@pytest.mark.parametrize("character", ["\\", "\U0001f600"])
def test_ten_of_the_longest_notices_fit_into_one_request(character: str) -> None:
    terms = Terms(Condition.EXITS, (LONGEST, Decimal(1)), rearm=Distance(Decimal("0.1")))
    rule = replace(
        ABOVE_150,
        owner=character * 64,
        note=character * 256,
        message=("{note}" * 85).ljust(512),
    )
    fired = firing(rule_id="r" * 64, symbol="𠮷" * 64, terms=terms, price=LONGEST)
    entries = [message(notice(fired, rule))] * MAX_NOTICES_PER_PUBLISH
    assert len(json.dumps(entries, ensure_ascii=False).encode()) < 256 * 1024  # SNS, PublishBatch


# --- what SNS rejects ------------------------------------------------------------------------

NOTICES = [told(firing_id=f"f-{number}") for number in range(4)]
FOR_NOW, FOR_GOOD = ("InternalFailure", False), ("InvalidParameter", True)

Answer = Mapping[int, tuple[str, bool]] | type[Exception]


class Sns:
    """Answers each request to a topic as planned, and accepts everything after that.

    A plan holds, for each request, the failures by the numbers of their notices, or an error.
    """

    def __init__(self, programs: list[Answer], people: list[Answer] | None = None) -> None:
        self._plans = {"programs": iter(programs), "people": iter(people or [])}
        self.requests: list[tuple[str, str]] = []

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["PublishBatchRequestEntries"]
        write = message if request["TopicArn"] == "programs" else sentence
        ids = [entry["Id"] for entry in entries]
        assert entries == [write(each) for each in NOTICES if each.firing.firing_id in ids]
        self.requests.append((request["TopicArn"], "".join(name[2:] for name in ids)))
        answer = next(self._plans[request["TopicArn"]], {})
        if isinstance(answer, type):
            raise answer
        failed = [
            {"Id": f"f-{number}", "Code": code, "SenderFault": is_sender_fault}
            for number, (code, is_sender_fault) in answer.items()
        ]
        return {"Failed": failed} if failed else {}


def published(sns: Any, people: str = "") -> tuple[str, str, str]:
    """Publish the notices; returns the numbers that are accepted, undeliverable and waiting."""
    found = Notifier(sns, "programs", people).publish(NOTICES)
    undeliverable = [each for each, reason in found.undeliverable if reason == "InvalidParameter"]
    groups = (found.accepted, undeliverable, found.waiting)
    accepted, rejected, waiting = (
        "".join(str(NOTICES.index(each)) for each in group) for group in groups
    )
    return accepted, rejected, waiting


@pytest.mark.parametrize(
    ("plan", "outcome", "requests"),
    [
        ([], ("0123", "", ""), ["0123"]),
        ([{1: FOR_NOW, 3: FOR_NOW}], ("0123", "", ""), ["0123", "123"]),
        ([{1: FOR_NOW}, {2: FOR_NOW}], ("0123", "", ""), ["0123", "123", "23"]),
        ([{1: FOR_NOW}] * 3, ("0", "", "123"), ["0123", "123", "123"]),
        ([{1: FOR_GOOD}], ("023", "1", ""), ["0123"]),
        (
            [{0: FOR_GOOD, 1: FOR_NOW}, *[{1: FOR_NOW}] * 2],
            ("", "0", "123"),
            ["0123", *["123"] * 2],
        ),
        ([{1: FOR_NOW}, ConnectionError], ("0", "", "123"), ["0123", "123"]),
    ],
)
def test_what_is_rejected_for_now_is_published_again_in_order(
    plan: list[Answer], outcome: tuple[str, str, str], requests: list[str]
) -> None:
    sns = Sns(plan)
    assert (published(sns), [ids for _, ids in sns.requests]) == (outcome, requests)


@pytest.mark.parametrize(
    ("code", "is_sender_fault"),
    [
        *[("InvalidParameter", False), ("Throttled", True), ("ThrottlingException", True)],
        *[("KMSDisabled", True), ("KMSAccessDenied", True), ("AuthorizationError", True)],
        *[("AccessDenied", True), ("FilterPolicyLimitExceeded", True), ("InternalError", True)],
        *[("InternalFailure", True), ("ServiceUnavailable", True)],
    ],
)
def test_a_rejection_that_may_pass_is_not_for_good(code: str, is_sender_fault: bool) -> None:
    sns = Sns([{0: (code, is_sender_fault)}] * 3)
    assert published(sns) == ("", "", "0123")


@pytest.mark.parametrize(
    ("programs", "people", "outcome", "requests"),
    [
        ([], [], ("0123", "", ""), ["0123"]),
        ([{1: FOR_NOW}] * 3, [], ("0", "", "123"), ["0"]),
        ([], [{1: FOR_NOW}] * 3, ("0", "", "123"), ["0123", "123", "123"]),
        ([{2: FOR_NOW}] * 3, [{1: FOR_NOW}] * 3, ("0", "", "123"), ["01", "1", "1"]),
        ([{1: FOR_GOOD}], [], ("023", "1", ""), ["0123"]),
        ([], [{1: FOR_GOOD}], ("023", "1", ""), ["0123"]),
    ],
)
def test_a_firing_is_accepted_once_both_topics_accepted_it(
    programs: list[Answer],
    people: list[Answer],
    outcome: tuple[str, str, str],
    requests: list[str],
) -> None:
    sns = Sns(programs, people)
    assert published(sns, "people") == outcome
    assert [ids for topic, ids in sns.requests if topic == "people"] == requests


def test_a_topic_that_does_not_answer_is_an_error() -> None:
    for sns in (Sns([ConnectionError]), Sns([], [ConnectionError])):
        with pytest.raises(ConnectionError):
            published(sns, "people")


def test_nothing_makes_no_request() -> None:
    sns: Any = Sns([])
    assert Notifier(sns, "programs", "people").publish([]) == ([], [], [])
    assert sns.requests == []


def test_a_queue_that_subscribed_receives_what_it_filters(aws: None) -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic_arn = sns.create_topic(Name="alerts")["TopicArn"]
    queue_url = sqs.create_queue(QueueName="received")["QueueUrl"]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:123456789012:received",
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"symbol": ["AAPL"]}'},
    )
    notices: list[Notice] = [told(firing_id="other", symbol="MSFT"), told()]
    assert Notifier(sns, topic_arn).publish(notices) == (notices, [], [])
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(entry["Body"])["firing_id"] for entry in received] == [firing().firing_id]
