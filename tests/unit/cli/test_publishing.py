from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lib.client.publishing import Publication, _body, publish
from lib.formats.prices import Price
from price_alerts.domain.ticks import parse_message
from tests.unit.cli.doubles import Answer, answer_with, refusal
from tests.unit.doubles import NOW, SECOND

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST = Price("𠮷" * 64, Decimal(f"-{'9' * 34}E-63"), NOW, 10**15)

_symbols = st.text('ABCXYZ019.-_/:=^!&#%"\\币𠮷', min_size=1, max_size=64)
_prices = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(-(10**34) + 1, 10**34 - 1),
    st.integers(-30, -4),
)
_moments = st.none() | st.integers(0, NOW)


def prices(count: int) -> list[Price]:
    """A price a second; each is as many dollars as it has number."""
    return [Price("AAPL", Decimal(n + 1), NOW + n * SECOND) for n in range(count)]


def bodies(sqs: SQSClient, queue_url: str) -> list[Any]:
    """Take all messages off the queue, in the order of their first prices."""
    found = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        found += [json.loads(message["Body"], parse_float=Decimal) for message in messages]
    return sorted(found, key=lambda ticks: ticks[0]["price"])


class Requests:
    """Fails the entries of each request, by the numbers of their first prices and of the try."""

    def __init__(self, sqs: SQSClient) -> None:
        self.sizes: list[int] = []
        self.sizes_bytes: list[int] = []
        self.failures: dict[int, list[dict[str, Any]]] = {}
        self.naps: list[float] = []
        self._sqs = sqs
        answer_with(sqs, "SendMessageBatch", self._answer)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)

    def _answer(self, request: Answer) -> Answer | None:
        self.sizes.append(len(request["Entries"]))
        bodies = [entry["MessageBody"].encode() for entry in request["Entries"]]
        self.sizes_bytes.append(sum(map(len, bodies)))
        answer: dict[str, list[Answer]] = {"Successful": [], "Failed": []}
        for entry in request["Entries"]:
            first = json.loads(entry["MessageBody"])[0]["price"]
            failures = self.failures.get(first)
            if failures:
                answer["Failed"].append({"Id": entry["Id"], **failures.pop(0)})
            else:
                self._sqs.send_message(
                    QueueUrl=request["QueueUrl"], MessageBody=entry["MessageBody"]
                )
                answer["Successful"].append({"Id": entry["Id"]})
        return answer


@pytest.fixture
def requests(sqs: SQSClient) -> Requests:
    return Requests(sqs)


def test_prices_arrive_in_their_order(sqs: SQSClient, queue_url: str) -> None:
    publication = publish(sqs, queue_url, prices(250))
    sent = bodies(sqs, queue_url)
    assert [len(ticks) for ticks in sent] == [100, 100, 50]
    assert [tick["price"] for ticks in sent for tick in ticks] == list(range(1, 251))
    assert publication == Publication(accepted_ticks=250, accepted_messages=3)


def test_prices_without_timestamps_go_message_by_message(
    requests: Requests, sqs: SQSClient, queue_url: str
) -> None:
    without = [price._replace(timestamp_microseconds=None) for price in prices(1_001)]
    assert publish(sqs, queue_url, without).accepted_messages == 3
    assert requests.sizes == [1, 1, 1]
    assert [len(ticks) for ticks in bodies(sqs, queue_url)] == [500, 500, 1]


def test_no_prices_are_no_request(requests: Requests, sqs: SQSClient, queue_url: str) -> None:
    assert publish(sqs, queue_url, []) == Publication()
    assert requests.sizes == []


def test_a_message_is_what_the_readme_says(sqs: SQSClient, queue_url: str) -> None:
    publish(sqs, queue_url, [Price("AAPL", Decimal("201.5"), NOW), Price("IBM", Decimal("2E+2"))])
    [message] = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    assert message["Body"] == (
        '[{"symbol": "AAPL", "price": 201.5, "timestamp": "2026-11-22T15:04:05.250000Z"}, '
        '{"symbol": "IBM", "price": 200}]'
    )


@given(
    st.lists(
        st.builds(Price, _symbols, _prices, _moments, st.integers(0, 10**6)), min_size=1, max_size=5
    )
)
def test_the_handler_reads_what_was_meant(meant: list[Price]) -> None:
    ticks = parse_message(_body(meant), "m-1", NOW, NOW).ticks
    assert [(tick.symbol, tick.price) for tick in ticks] == [price[:2] for price in meant]
    assert [tick.position.sequence for tick in ticks] == [price.sequence for price in meant]
    assert [tick.position.timestamp_microseconds for tick in ticks] == [
        NOW if price.timestamp_microseconds is None else price.timestamp_microseconds
        for price in meant
    ]


def test_a_request_of_the_longest_prices_is_taken_by_any_sqs(
    sqs: SQSClient, queue_url: str, requests: Requests
) -> None:
    assert publish(sqs, queue_url, [LONGEST] * 1_500).accepted_ticks == 1_500
    untimed = LONGEST._replace(timestamp_microseconds=None, sequence=0)
    assert publish(sqs, queue_url, [untimed] * 1_000).accepted_ticks == 1_000
    assert 150_000 < max(requests.sizes_bytes) <= 256 * 1_024


def test_requests_are_full_and_each_is_told_of(
    sqs: SQSClient, queue_url: str, requests: Requests
) -> None:
    progress: list[int] = []
    publish(sqs, queue_url, prices(2_100), lambda so_far: progress.append(so_far.accepted_ticks))
    assert (requests.sizes, progress) == ([10, 10, 1], [1_000, 2_000, 2_100])


def test_prices_are_sent_while_they_are_read(sqs: SQSClient, queue_url: str) -> None:
    progress: list[int] = []

    def endless() -> Iterator[Price]:
        while True:
            assert len(progress) <= 1
            yield from prices(1)

    def on_progress(so_far: Publication) -> None:
        progress.append(so_far.accepted_ticks)
        if len(progress) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(sqs, queue_url, endless(), on_progress)
    assert progress == [1_000, 2_000]


def test_no_prices_need_no_request(sqs: SQSClient, queue_url: str, requests: Requests) -> None:
    assert publish(sqs, queue_url, []) == Publication()
    assert requests.sizes == []


def test_a_message_that_failed_is_sent_again(
    sqs: SQSClient, queue_url: str, requests: Requests
) -> None:
    requests.failures = {101: [{"SenderFault": False, "Code": "InternalError"}] * 4}
    publication = publish(sqs, queue_url, prices(250), sleep=requests.sleep)
    assert requests.sizes == [3, 1, 1, 1, 1]
    assert publication == Publication(accepted_ticks=250, accepted_messages=3)
    assert [len(ticks) for ticks in bodies(sqs, queue_url)] == [100, 100, 50]


def test_the_pauses_before_the_next_tries_grow_and_vary(
    sqs: SQSClient, queue_url: str, requests: Requests
) -> None:
    requests.failures = {1: [{"SenderFault": False, "Code": "InternalError"}] * 4}
    publish(sqs, queue_url, prices(1), sleep=requests.sleep)
    bounds = [0.2, 0.4, 0.8, 1.6]
    assert all(bound / 2 <= nap <= bound for nap, bound in zip(requests.naps, bounds, strict=True))
    assert requests.naps != bounds


def test_a_message_that_fails_again_and_again_is_given_up(
    sqs: SQSClient, queue_url: str, requests: Requests
) -> None:
    failure = {"SenderFault": False, "Code": "InternalError", "Message": "try later"}
    requests.failures = {1: [failure] * 5}
    publication = publish(sqs, queue_url, prices(101), sleep=requests.sleep)
    assert requests.sizes == [2, 1, 1, 1, 1]
    assert (publication.accepted_ticks, publication.accepted_messages) == (1, 1)
    [given_up] = publication.refusals
    assert (given_up.reason, given_up.prices) == ("try later", prices(100))


def test_what_is_the_senders_fault_is_not_sent_again(
    sqs: SQSClient, queue_url: str, requests: Requests
) -> None:
    requests.failures = {1: [{"SenderFault": True, "Code": "InvalidMessageContents"}]}
    publication = publish(sqs, queue_url, prices(101), sleep=requests.sleep)
    assert (requests.sizes, requests.naps) == ([2], [])
    assert [refused.reason for refused in publication.refusals] == ["InvalidMessageContents"]


def test_a_message_that_sqs_says_nothing_of_is_not_taken_for_accepted(
    sqs: SQSClient, queue_url: str
) -> None:
    answer_with(sqs, "SendMessageBatch", lambda _: {})
    publication = publish(sqs, queue_url, prices(1), sleep=lambda _: None)
    [refused] = publication.refusals
    assert refused.reason == "SQS did not say what became of it"
    assert publication.accepted_ticks == 0


def test_a_request_that_fails_ends_it_and_what_was_accepted_is_known(
    sqs: SQSClient, queue_url: str
) -> None:
    progress: list[int] = []
    answers = iter([None, refusal("ExpiredToken")])
    answer_with(sqs, "SendMessageBatch", lambda _: next(answers))
    with pytest.raises(ClientError, match="ExpiredToken"):
        publish(
            sqs, queue_url, prices(1_001), lambda so_far: progress.append(so_far.accepted_ticks)
        )
    assert progress == [1_000]


@pytest.fixture
def fifo_url(sqs: SQSClient) -> str:
    return sqs.create_queue(
        QueueName="tap-test-prices.fifo",
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
    )["QueueUrl"]


def groups(sqs: SQSClient, queue_url: str) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Take all messages off a FIFO queue: each one's group, and its ticks."""
    found = []
    while messages := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            ticks = json.loads(message["Body"], parse_float=Decimal)
            prices = [(tick["symbol"], tick["price"]) for tick in ticks]
            found.append((message["Attributes"]["MessageGroupId"], prices))
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_a_fifo_queue_gets_each_symbols_prices_as_a_group_of_its_own(
    sqs: SQSClient, fifo_url: str
) -> None:
    wanted = [Price(symbol, Decimal(n), NOW + n) for n in (1, 2) for symbol in ("AAPL", "MSFT")]
    publication = publish(sqs, fifo_url, wanted)
    assert (publication.accepted_ticks, publication.accepted_messages) == (4, 2)
    assert groups(sqs, fifo_url) == [
        ("AAPL", [("AAPL", 1), ("AAPL", 2)]),
        ("MSFT", [("MSFT", 1), ("MSFT", 2)]),
    ]


def test_a_group_is_named_in_ascii(sqs: SQSClient, fifo_url: str) -> None:
    symbols = ["NIFTY 50", "币安人生USDT", "M&M.NS"]
    publish(sqs, fifo_url, [Price(symbol, Decimal(1), NOW) for symbol in symbols])
    names = [name for name, _ in groups(sqs, fifo_url)]
    assert len(set(names)) == 3
    assert all(re.fullmatch("[!-~]{1,128}", name) for name in names)


def test_more_symbols_than_a_request_takes_are_sent_in_several(
    sqs: SQSClient, fifo_url: str
) -> None:
    wanted = [Price(f"S{n}", Decimal(1), None) for n in range(25)]
    assert publish(sqs, fifo_url, wanted).accepted_messages == 25
    assert len(groups(sqs, fifo_url)) == 25


def test_a_price_that_is_published_twice_is_meant_twice(sqs: SQSClient, fifo_url: str) -> None:
    for _ in range(2):
        publish(sqs, fifo_url, [Price("AAPL", Decimal(1), None)])
    assert len(groups(sqs, fifo_url)) == 2
