"""Publishing: prices as messages on the queue, in as few requests as possible."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING
from uuid import uuid4

from lib.formats.prices import Price
from price_alerts.domain.portions import portions
from price_alerts.domain.ticks import MAX_DIGITS, MAX_TICKS_PER_MESSAGE, format_timestamp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_TICKS_PER_MESSAGE = 100
_MESSAGES_PER_REQUEST = 10  # SQS SendMessageBatch: entries in a request
# Any SQS accepts 256 KiB in a request. A tick has up to four bytes per character of its symbol,
# and a fixed number for the rest.
_REQUEST_BYTES, _TICK_BYTES, _CHARACTER_BYTES = 256 * 1_024, 144, 4
_GROUP = re.compile(r"[!-~]{1,128}")  # Amazon SQS API Reference, SendMessage, MessageGroupId
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Refusal:
    """The prices of a message that SQS did not accept."""

    reason: str
    prices: Sequence[Price]


@dataclass(slots=True)
class Publication:
    """What SQS has accepted so far, and what it has rejected for good."""

    accepted_ticks: int = 0
    accepted_messages: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def publish(
    sqs: SQSClient,
    queue_url: str,
    prices: Iterable[Price],
    on_progress: Callable[[Publication], object] = lambda _publication: None,
    sleep: Callable[[float], object] = time.sleep,
) -> Publication:
    """Send prices, all with or all without a timestamp, to the queue in their order.

    A message has up to a hundred prices, or five hundred without timestamps; in it those of a
    symbol keep their order. A standard queue may swap messages; the handler applies a price in
    its place, unless it comes too late. For a FIFO queue, each message has prices of one symbol.

    Parameters
    ----------
    prices
        Read as they are sent.
    on_progress
        Called after each request.
    sleep
        Waits for some seconds before a failed message is sent again: five times in all, unless
        the fault is the sender's.

    Raises
    ------
    BotoCoreError, ClientError
        If a whole request fails.
    """
    publication = Publication()
    waiting = iter(prices)
    first = next(waiting, None)
    if first is None:
        return publication
    ticks, messages_at_once = _TICKS_PER_MESSAGE, _MESSAGES_PER_REQUEST
    if first.timestamp_microseconds is None:
        # SQS gives all messages of a request one time, which orders their ticks by the messages'
        # ids: at random. So these are sent message by message.
        ticks, messages_at_once = MAX_TICKS_PER_MESSAGE, 1
    split = _messages(chain([first], waiting), ticks, _REQUEST_BYTES // messages_at_once)
    for messages in portions(split, messages_at_once):
        requests: Iterable[Sequence[Sequence[Price]]] = [messages]
        if queue_url.endswith(".fifo"):
            requests = portions(_by_symbol(messages), _MESSAGES_PER_REQUEST)
        for request in requests:
            _send(sqs, queue_url, request, publication, sleep)
        on_progress(publication)
    return publication


def _messages(
    prices: Iterable[Price], most_ticks: int, most_bytes: int
) -> Iterator[Sequence[Price]]:
    for portion in portions(prices, most_ticks):
        longest = max(len(price.symbol) for price in portion)
        tick_bytes = _TICK_BYTES + _CHARACTER_BYTES * longest
        yield from portions(portion, most_bytes // tick_bytes)


def _by_symbol(messages: Iterable[Sequence[Price]]) -> Iterator[Sequence[Price]]:
    """Split prices by symbol: a FIFO queue keeps the order within a group."""
    by_symbol: dict[str, list[Price]] = {}
    for price in chain.from_iterable(messages):
        by_symbol.setdefault(price.symbol, []).append(price)
    for prices in by_symbol.values():
        yield from portions(prices, MAX_TICKS_PER_MESSAGE)


def _send(
    sqs: SQSClient,
    queue_url: str,
    messages: Sequence[Sequence[Price]],
    publication: Publication,
    sleep: Callable[[float], object],
) -> None:
    waiting = {str(index): prices for index, prices in enumerate(messages)}
    entries = {name: _entry(name, prices, queue_url) for name, prices in waiting.items()}
    reasons = dict.fromkeys(waiting, "SQS did not say what became of it")
    for attempt in range(_ATTEMPTS):
        if attempt:  # with jitter, so that many senders do not retry together
            sleep(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1))  # noqa: S311
        answer = sqs.send_message_batch(
            QueueUrl=queue_url, Entries=[entries[name] for name in waiting]
        )
        for accepted in answer.get("Successful", ()):
            publication.accepted_messages += 1
            publication.accepted_ticks += len(waiting.pop(accepted["Id"]))
        for failure in answer.get("Failed", ()):
            name = failure["Id"]
            reasons[name] = failure.get("Message") or failure["Code"]
            if failure["SenderFault"]:
                publication.refusals.append(Refusal(reasons[name], waiting.pop(name)))
        if not waiting:
            return
    publication.refusals += [Refusal(reasons[name], prices) for name, prices in waiting.items()]


def _entry(
    name: str, prices: Sequence[Price], queue_url: str
) -> SendMessageBatchRequestEntryTypeDef:
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": name, "MessageBody": _body(prices)}
    if queue_url.endswith(".fifo"):
        symbol = prices[0].symbol
        is_name = _GROUP.fullmatch(symbol)
        entry["MessageGroupId"] = symbol if is_name else hashlib.sha256(symbol.encode()).hexdigest()
        # New for each sending: the same price may be sent twice on purpose.
        entry["MessageDeduplicationId"] = uuid4().hex
    return entry


def _body(prices: Iterable[Price]) -> str:
    return f"[{', '.join(map(_tick, prices))}]"


def _tick(price: Price) -> str:
    """Return a tick as JSON; by hand, as its number must be exact."""
    number = f"{price.price:f}"
    if len(number) > MAX_DIGITS:
        number = str(price.price)
    tick = f'"symbol": {json.dumps(price.symbol, ensure_ascii=False)}, "price": {number}'
    if price.timestamp_microseconds is not None:
        tick += f', "timestamp": "{format_timestamp(price.timestamp_microseconds)}"'
    if price.sequence:
        tick += f', "sequence": {price.sequence}'
    return f"{{{tick}}}"
