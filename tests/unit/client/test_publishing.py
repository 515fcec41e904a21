from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.client.publishing import Publication, _body, publish
from lib.formats.prices import Price
from price_alerts.domain.ticks import parse_message
from tests.unit.client.doubles import Answer, answer_with, refusal
from tests.unit.doubles import NOW, SECOND

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def prices(count: int, at: int | None = NOW) -> list[Price]:
    """A price a second, numbered from one, or without times."""
    times = [None if at is None else at + number * SECOND for number in range(count)]
    return [Price("AAPL", Decimal(number), time) for number, time in enumerate(times, 1)]


class Queue:
    """A queue that fails entries, by the numbers of their first prices, as often as is given."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs, self._url = sqs, url
        self.sizes: list[int] = []
        self.largest_bytes = 0
        self.failures: dict[int, list[dict[str, Any]]] = {}
        self.naps: list[float] = []
        self.progress: list[int] = []
        self.messages: list[list[dict[str, Any]]] = []
        answer_with(sqs, "SendMessageBatch", self._answer)

    def publish(self, some: list[Price] | Iterator[Price]) -> Publication:
        report = lambda so_far: self.progress.append(so_far.accepted_ticks)  # noqa: E731  # short
        return publish(self._sqs, self._url, some, report, self.naps.append)

    def _answer(self, request: Answer) -> Answer:
        bodies = [entry["MessageBody"] for entry in request["Entries"]]
        self.sizes.append(len(bodies))
        self.largest_bytes = max(self.largest_bytes, sum(len(each.encode()) for each in bodies))
        answer: dict[str, list[Answer]] = {"Successful": [], "Failed": []}
        for entry in request["Entries"]:
            ticks = json.loads(entry["MessageBody"])
            if failures := self.failures.get(ticks[0]["price"]):
                answer["Failed"].append({"Id": entry["Id"], **failures.pop(0)})
            else:
                self.messages.append(ticks)
                answer["Successful"].append({"Id": entry["Id"]})
        return answer


@pytest.fixture
def queue(sqs: SQSClient, queue_url: str) -> Queue:
    return Queue(sqs, queue_url)


@pytest.mark.parametrize(
    ("some", "sizes", "progress", "ticks"),
    [
        ([], [], [], []),
        (prices(2_150), [10, 10, 2], [1_000, 2_000, 2_150], [*[100] * 21, 50]),
        (prices(1_001, None), [1, 1, 1], [500, 1_000, 1_001], [500, 500, 1]),
    ],
    ids=["none", "with times", "without"],
)
def test_prices_are_sent_in_their_order_and_in_few_requests(
    queue: Queue, some: list[Price], sizes: list[int], progress: list[int], ticks: list[int]
) -> None:
    assert queue.publish(some) == Publication(len(some), len(ticks))
    assert (queue.sizes, queue.progress) == (sizes, progress)
    assert [len(message) for message in queue.messages] == ticks
    sent = [tick["price"] for message in queue.messages for tick in message]
    assert sent == list(range(1, len(some) + 1))


def test_a_message_is_what_the_readme_says(sqs: SQSClient, queue_url: str) -> None:
    publish(sqs, queue_url, [Price("AAPL", Decimal("201.5"), NOW), Price("IBM", Decimal("2E+2"))])
    [message] = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    assert message["Body"] == (
        '[{"symbol": "AAPL", "price": 201.5, "timestamp": "2026-11-22T15:04:05.250000Z"}, '
        '{"symbol": "IBM", "price": 200}]'
    )


_prices = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(-(10**34) + 1, 10**34 - 1),
    st.integers(-30, -4),
)
_symbols = st.text('ABCXYZ019.-_/:=^!&#%"\\币𠮷', min_size=1, max_size=64)
_moments = st.none() | st.integers(0, NOW)


@given(st.builds(Price, _symbols, _prices, _moments, st.integers(0, 10**6)))
@settings(max_examples=60)
def test_the_handler_reads_what_was_meant(meant: Price) -> None:
    _first, tick = parse_message(_body([prices(1)[0], meant]), "m-1", NOW, NOW).ticks
    place = tick.position
    at = NOW if meant.timestamp_microseconds is None else meant.timestamp_microseconds
    assert (tick.symbol, tick.price, place.sequence) == (meant.symbol, meant.price, meant.sequence)
    assert place.timestamp_microseconds == at


def test_a_request_of_the_longest_prices_is_accepted_by_any_sqs(queue: Queue) -> None:
    longest = Price("𠮷" * 64, Decimal(f"-{'9' * 34}E-63"), NOW, 10**15)
    queue.publish([longest] * 1_500)
    queue.publish([longest._replace(timestamp_microseconds=None, sequence=0)] * 1_000)
    assert queue.progress[-1] == 1_000
    assert 150_000 < queue.largest_bytes <= 256 * 1_024


def test_prices_are_sent_while_they_are_read(queue: Queue) -> None:
    def endless() -> Iterator[Price]:
        while len(queue.progress) < 2:
            yield from prices(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.publish(endless())
    assert queue.progress == [1_000, 2_000]


LATER = {"SenderFault": False, "Code": "InternalError", "Message": "try later"}
REJECTED = {"SenderFault": True, "Code": "InvalidMessageContents"}


@pytest.mark.parametrize(
    ("failures", "sizes", "reasons"),
    [
        ([LATER] * 4, [3, 1, 1, 1, 1], []),
        ([LATER] * 5, [3, 1, 1, 1, 1], ["try later"]),
        ([LATER, REJECTED], [3, 1], ["InvalidMessageContents"]),
    ],
    ids=["for a while", "again and again", "for good"],
)
def test_a_message_that_failed_is_sent_again_unless_the_fault_is_in_it(
    queue: Queue, failures: list[dict[str, Any]], sizes: list[int], reasons: list[str]
) -> None:
    queue.failures = {101: list(failures)}
    publication = queue.publish(prices(250))
    assert (queue.sizes, publication.accepted_messages) == (sizes, 3 - len(reasons))
    assert publication.accepted_ticks == 250 - 100 * len(reasons)
    assert [each.reason for each in publication.refusals] == reasons
    assert all(each.prices == prices(250)[100:200] for each in publication.refusals)
    bounds = [0.2, 0.4, 0.8, 1.6][: len(sizes) - 1]
    assert all(end / 2 <= nap <= end for nap, end in zip(queue.naps, bounds, strict=True))
    assert queue.naps != bounds


def test_a_message_that_sqs_does_not_mention_is_not_accepted(
    sqs: SQSClient, queue_url: str
) -> None:
    answer_with(sqs, "SendMessageBatch", lambda _: {})
    publication = publish(sqs, queue_url, prices(1), sleep=lambda _: None)
    assert publication.accepted_ticks == 0
    [refused] = publication.refusals
    assert refused.reason == "SQS did not say what became of it"


def test_a_request_that_fails_ends_it(sqs: SQSClient, queue_url: str) -> None:
    progress: list[int] = []
    answers = iter([None, refusal("ExpiredToken")])
    answer_with(sqs, "SendMessageBatch", lambda _: next(answers))
    with pytest.raises(ClientError, match="ExpiredToken"):
        publish(sqs, queue_url, prices(1_001), lambda now: progress.append(now.accepted_ticks))
    assert progress == [1_000]


def test_a_fifo_queue_gets_each_symbols_prices_as_a_group(sqs: SQSClient) -> None:
    """Groups have ASCII names. A price that is published twice is meant twice."""
    fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName="tap-test-prices.fifo", Attributes=fifo)["QueueUrl"]
    symbols = ["NIFTY 50", "币安人生USDT", "M&M.NS", *(f"S{number}" for number in range(20))]
    wanted = [Price(symbol, Decimal(n), NOW + n) for n in (1, 2) for symbol in symbols]
    for _ in range(2):
        assert publish(sqs, url, wanted) == Publication(46, 23)
    groups: dict[str, list[tuple[str, int]]] = {}
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            ticks = json.loads(message["Body"])
            group = groups.setdefault(message["Attributes"]["MessageGroupId"], [])
            group += [(tick["symbol"], tick["price"]) for tick in ticks]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(groups.values()) == sorted([[(s, 1), (s, 2)] * 2 for s in symbols])
    assert {"M&M.NS", "S0"} < groups.keys()
    assert all(re.fullmatch("[!-~]{1,128}", name) for name in groups)
