"""Faults on the wire: every AWS call of an invocation is struck in every way, one after another.

``python -m tests.faults`` prints what comes of it.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from moto.core.models import botocore_stubber
from rich.console import Console
from rich.progress import track
from rich.table import Table as Grid

from tests.histories import rule_of
from tests.oracle import Oracle, Spec
from tests.simulation.sqs import Message, Queue
from tests.unit.conftest import FUNCTION_ENVIRONMENT
from tests.unit.doubles import (
    NOW,
    SECOND,
    Clock,
    add_rules,
    create_table,
    drop_handler,
    items_of,
)
from tests.unit.quick_dynamodb import Tables, quick_dynamodb

MAX_RECEIVE_COUNT = 5
BATCH_SIZE = 3
TIMEOUT_SECONDS = 10


class Killed(BaseException):
    """The container is gone: nothing after this runs in it."""


class Fault(StrEnum):
    """What can happen to a call."""

    KILLED_BEFORE = "killed before the call"
    KILLED_AFTER = "killed after the call"
    TIMED_OUT = "timed out during the call"
    THROUGHPUT = "ProvisionedThroughputExceededException"
    THROTTLED = "ThrottlingException"
    LIMITED = "RequestLimitExceeded"
    SERVER_ERROR = "error 500"
    ANSWER_LOST = "answer lost once"
    ANSWERS_LOST = "answers lost, whenever it is tried"


_DEADLY = {Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.TIMED_OUT}
_STATUS = {Fault.SERVER_ERROR: 500}
_CODES = {
    Fault.SERVER_ERROR: "InternalServerError",
    **{fault: str(fault) for fault in (Fault.THROUGHPUT, Fault.THROTTLED, Fault.LIMITED)},
}


class _Body(io.BytesIO):
    """A body as botocore reads it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while chunk := self.read(1_024):
            yield chunk


class Wire:
    """What goes from clients to AWS; one call of them can be struck.

    Parameters
    ----------
    clients
        The clients.
    deliver
        Brings a client's request to AWS; return the answer.
    clock
        Moved by a call that hangs.
    """

    def __init__(
        self,
        clients: Iterable[Any],
        deliver: Callable[[Any, Any], AWSResponse | None],
        clock: Clock,
    ) -> None:
        self._deliver = deliver
        self._clock = clock
        self._fault: Fault | None = None
        self._struck_call = -1
        self._turn = threading.Lock()  # clients are used by several threads
        self._is_dead = False
        self.calls: list[str] = []
        self.announced: Counter[str] = Counter()
        self.heard: set[tuple[str, str]] = set()  # firings by topic
        self.has_struck = False
        for client in clients:
            client.meta.events.register_first("before-send", partial(self._send, client))

    def strike(self, fault: Fault | None, call: int) -> None:
        """Do this to the call with that number, from now on."""
        self._fault, self._struck_call, self.has_struck = fault, call, False
        self.calls.clear()
        self.announced.clear()
        self.heard.clear()
        self.revive()

    def revive(self) -> None:
        """Let calls through again: after one at which it was killed, a container makes none."""
        self._is_dead = False

    def _send(self, client: Any, request: Any, **_: Any) -> AWSResponse | None:
        call = str(request.headers["amz-sdk-invocation-id"])
        fault = self._fault
        with self._turn:
            if self._is_dead:
                raise Killed
            if call not in self.calls:  # all attempts at a call have the same id
                self.calls.append(call)
            is_struck = fault is not None and self.calls.index(call) == self._struck_call
            self._is_dead = is_struck and fault in _DEADLY
        if fault is None or not is_struck:
            return self._passed(client, request)
        first, self.has_struck = not self.has_struck, True
        match fault:
            case Fault.KILLED_BEFORE:
                raise Killed
            case Fault.KILLED_AFTER:
                self._passed(client, request)
                raise Killed
            case Fault.TIMED_OUT:
                self._clock.now += TIMEOUT_SECONDS * SECOND
                raise Killed
            case Fault.ANSWER_LOST | Fault.ANSWERS_LOST:
                answer = self._passed(client, request)
                if fault is Fault.ANSWERS_LOST or first:
                    raise ReadTimeoutError(endpoint_url=request.url)
                return answer
            case _:
                return _refusal(client, request, _CODES[fault], _STATUS.get(fault, 400))

    def _passed(self, client: Any, request: Any) -> AWSResponse | None:
        answer = self._deliver(client, request)
        if (
            client.meta.service_model.service_name == "sns"
            and answer is not None
            and answer.status_code == 200
        ):
            fields = parse_qs(
                request.body if isinstance(request.body, str) else request.body.decode()
            )
            ids = [value for name, (value,) in fields.items() if name.endswith(".Id")]
            with self._turn:
                self.announced.update(ids)
                self.heard.update((fields["TopicArn"][0], firing_id) for firing_id in ids)
        return answer


def _refusal(client: Any, request: Any, code: str, status: int) -> AWSResponse:
    if client.meta.service_model.service_name == "sns":
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message/></Error></ErrorResponse>"
    else:
        body = json.dumps({"__type": code, "message": ""})
    return AWSResponse(request.url, status, HTTPHeaders(), _Body(body.encode()))


@dataclass(frozen=True)
class Story:
    """Rules, and messages for them: each an id and its ticks, as (symbol, price, second)."""

    specs: Sequence[Spec]
    messages: Sequence[tuple[str, Sequence[tuple[str, str, int]]]]
    threshold: int

    def wanted(self) -> Counter[str]:
        """Count, by rule, what fires when all goes well."""
        oracle = Oracle(Decimal(self.threshold))
        for spec in self.specs:
            oracle.add(spec)
        ticks = [tick for _, ticks in self.messages for tick in ticks]
        return Counter(
            fired[0]
            for symbol, price, second in sorted(ticks, key=lambda tick: tick[2])
            for fired in oracle.tick(symbol, Decimal(price), time_of(second))
        )


def time_of(second: int) -> int:
    return NOW - 1_000 * SECOND + second * SECOND


def _spec(rule_id: str, symbol: str, condition: str, *levels: int, **more: Any) -> Spec:
    return Spec(rule_id, symbol, condition, tuple(map(Decimal, levels)), **more)


_PRICES = {
    "AAPL": (100, 106, 103, 107, 111, 94, 100, 113, 99),
    "MSFT": (100, 96, 92, 89, 97, 104, 88, 101, 115),
}
STORY = Story(
    specs=[
        _spec("a-once", "AAPL", "crosses_up", 105),
        _spec("a-above", "AAPL", "above", 110),
        _spec("a-rearm", "AAPL", "crosses_up", 105, rearm=Decimal(3), trigger="every"),
        _spec("a-cool", "AAPL", "crosses", 105, cooldown_seconds=2, trigger="every"),
        _spec("a-range", "AAPL", "exits", 95, 108, trigger="every"),
        _spec("m-below", "MSFT", "below", 90, trigger="every"),
        _spec("m-falls", "MSFT", "falls", 10, window="1m", trigger="every"),
        _spec("m-rises", "MSFT", "rises", 10, window="1m"),
        _spec("m-quiet", "MSFT", "above", 900),
    ],
    messages=[
        (
            str(uuid.UUID(int=number)),
            [(symbol, str(prices[number]), 3 * number) for symbol, prices in _PRICES.items()],
        )
        for number in range(len(_PRICES["AAPL"]))
    ],
    threshold=112,
)


@dataclass
class Outcome:
    """What became of a story."""

    calls: int
    has_struck: bool
    lost: int
    doubled: int
    unannounced: int
    extra: int
    dead: list[str]
    left: list[str]


@dataclass
class Pipeline:
    """The handler with a table and one or two topics, and a queue in front of it."""

    index: ModuleType
    clock: Clock
    wire: Wire
    topics: Sequence[str]

    def play(self, story: Story, fault: Fault | None = None, call: int = -1) -> Outcome:
        """Send a story's messages, and what fails again, until the queue is empty."""
        table = self.index.table
        self.wire.strike(None, -1)
        with table.batch_writer() as batch:
            for item in items_of(table, ""):
                batch.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
        add_rules(table, *map(rule_of, story.specs))
        self._begin_cold()
        self.clock.now = NOW
        self.wire.strike(fault, call)
        dead = self._drain(story)
        calls, published = len(self.wire.calls), self.wire.announced.total()
        heard = set(self.wire.heard)
        has_struck = self.wire.has_struck
        self.wire.strike(None, -1)

        recorded = items_of(table, "FIRINGS#")
        found, wanted = Counter(item["rule"] for item in recorded), story.wanted()
        return Outcome(
            calls=calls,
            has_struck=has_struck,
            lost=(wanted - found).total(),
            doubled=(found - wanted).total(),
            unannounced=sum(
                not (item["sent"] and {(each, item["firing_id"]) for each in self.topics} <= heard)
                for item in recorded
            ),
            extra=published - len(heard),
            dead=dead,
            left=[
                item["pk"]
                for item in items_of(table, "SYMBOL#", "STATE")
                if item.keys() & {"outbox", "step", "lease_owner"}
            ],
        )

    def _drain(self, story: Story) -> list[str]:
        """Deliver as a standard queue does: what fails comes again; return what is dead."""
        dead = Queue("dead", Random(1))
        queue = Queue("prices", Random(1), max_receives=MAX_RECEIVE_COUNT, dead=dead)
        for name, ticks in story.messages:
            queue.put(Message(name, _body(ticks), self.clock.now, visible_at=self.clock.now))
        while (ready_at := queue.ready_at()) is not None:
            self.clock.now = max(self.clock.now, ready_at)
            batch = queue.take(BATCH_SIZE, self.clock.now)
            failed = self._invoke([message.record("prices") for message in batch])
            for message in batch:
                if message.message_id not in failed:
                    queue.delete(message.message_id)
            self.clock.now += SECOND
        return list(dead.messages)

    def _invoke(self, records: Sequence[Mapping[str, Any]]) -> set[str]:
        """Invoke the handler; return the messages that come again."""
        end = self.clock.now + TIMEOUT_SECONDS * SECOND
        context = SimpleNamespace(
            aws_request_id="request",
            get_remaining_time_in_millis=lambda: (end - self.clock.now) // 1_000,
        )
        with redirect_stdout(io.StringIO()), suppress(Killed):
            answer = self.index.handler({"Records": records}, context)
            return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self._begin_cold()
        return {record["messageId"] for record in records}

    def _begin_cold(self) -> None:
        self.wire.revive()
        processor = self.index.build_processor(self.index.config, self.index.table, self.index.sns)
        # One thing after the other: a call's number always names the same call.
        processor.each = processor.store._each = map
        vars(self.index)["_processor"] = processor


def _body(ticks: Sequence[tuple[str, str, int]]) -> str:
    return json.dumps(
        [
            {"symbol": symbol, "price": price, "timestamp": time_of(second) / 1_000_000}
            for symbol, price, second in ticks
        ]
    )


def _answered(tables: Tables, client: Any, request: Any) -> AWSResponse | None:
    if client.meta.service_model.service_name == "dynamodb":
        return tables.delivered(request)
    return botocore_stubber("", request)


@contextmanager
def running_pipeline(
    threshold: int = STORY.threshold, *, has_people: bool = False
) -> Iterator[Pipeline]:
    """Import the handler over an AWS in this process; time stands still in it."""
    clock = Clock()
    topics = {"TOPIC_ARN": FUNCTION_ENVIRONMENT["TOPIC_ARN"]}
    if has_people:
        topics["PEOPLE_TOPIC_ARN"] = topics["TOPIC_ARN"].replace("-alerts", "-people")
    environment: Mapping[str, str] = {
        **FUNCTION_ENVIRONMENT,
        **topics,
        "HIGH_PRICE_THRESHOLD": str(threshold),
    }
    with (
        patch.dict(os.environ, environment),
        mock_aws(config={"core": {"reset_boto3_session": False}}),
        quick_dynamodb() as tables,
        patch("time.sleep", clock.sleep),
        patch("time.time_ns", lambda: clock.now * 1_000),
    ):
        create_table(FUNCTION_ENVIRONMENT["TABLE_NAME"])
        for arn in topics.values():
            boto3.client("sns").create_topic(Name=arn.rpartition(":")[2])
        drop_handler()
        with patch("sys.stdout", io.StringIO()):
            index = importlib.import_module("index")
        clients = (index.table.meta.client, index.sns)
        tables.on_the_wire.append(clients[0])
        for client in clients:
            # The wire delivers each request; moto's own handler, behind it, would do so again.
            client.meta.events.unregister("before-send", botocore_stubber)
        wire = Wire(clients, lambda *sent: _answered(tables, *sent), clock)
        try:
            yield Pipeline(index, clock, wire, list(topics.values()))
        finally:
            drop_handler()


def main() -> int:
    """Strike every call in every way, and print a table of the results."""
    console = Console()
    grid = Grid("fault", title="Every call of an invocation, struck once")
    for name in ("injections", "lost", "doubled", "published again"):
        grid.add_column(name, justify="right")
    total = 0
    with running_pipeline() as pipeline:
        calls = pipeline.play(STORY).calls
        for fault in track(list(Fault), "striking", console=Console(stderr=True)):
            outcomes = [pipeline.play(STORY, fault, call) for call in range(calls)]
            injected = [outcome for outcome in outcomes if outcome.has_struck]
            lost = sum(
                each.lost + each.unannounced + len(each.dead + each.left) for each in injected
            )
            doubled = sum(outcome.doubled for outcome in injected)
            extra = sum(outcome.extra for outcome in injected)
            grid.add_row(fault, *map(str, (len(injected), lost, doubled, extra)))
            total += lost + doubled
    console.print(grid)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
