"""What the tests of the handler's modules share: builders, a clock, a topic, a container."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from lib.client.rule_actions import RuleActions
from price_alerts.adapters.items import former_rule_key, rule_item, watch_items
from price_alerts.adapters.notifier import Notifier
from price_alerts.adapters.store import Store
from price_alerts.batch import Batch, Deadline
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.notices import Notice, notice
from price_alerts.domain.rules import Rule, Trigger, high_price_rule
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import Position, Tick, parse_message
from price_alerts.processing import Processor

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

NOW = 1_795_359_845_250_000  # 2026-11-22T15:04:05.250Z
SECOND = 1_000_000
ABOVE_150 = high_price_rule(Decimal(150))
HANDLER_NAMES = ("index", "lib.lambda.index")

_owners = itertools.count()


def tick(
    price: str | int, second: int = 0, symbol: str = "AAPL", message_id: str = "", ordinal: int = 0
) -> Tick:
    """Build a tick; without a name, its message is called after its second."""
    message_id = message_id or f"m-{second}"
    return Tick(symbol, Decimal(price), Position(NOW + second * SECOND, 0, 0, message_id, ordinal))


def ticks(*prices: str | int, symbol: str = "AAPL") -> list[Tick]:
    """Build one tick a second, each in a message of its own: m-0, m-1, ..."""
    return [tick(price, second, symbol) for second, price in enumerate(prices)]


def body_of(**literals: str) -> str:
    """Write a message's body from JSON literals; symbol and price are there anyway."""
    fields = {"symbol": '"AAPL"', "price": "1"} | literals
    return "{" + ", ".join(f'"{name}": {literal}' for name, literal in fields.items()) + "}"


def reason_of(body: Any, *, now: int = NOW) -> str:
    """Return why this body is rejected."""
    (fault,) = parse_message(body, "m-1", None, now).faults
    return fault


def firing(**changes: Any) -> Firing:
    """Build a firing that differs from a usual one in what is given."""
    usual = Firing(
        firing_id="0123456789abcdef0123456789abcdef",
        rule_id="high-price-threshold",
        symbol="AAPL",
        terms=ABOVE_150.terms,
        previous_price=Decimal("149.5"),
        price=Decimal("200.25"),
        position=Position(NOW, 0, 0, "m-1", 0),
        fired_at_microseconds=NOW + SECOND,
    )
    return usual._replace(**changes)


def told(**changes: Any) -> Notice:
    """Word a firing of the stack's own rule that differs from a usual one in what is given."""
    return notice(firing(**changes), ABOVE_150)


def rule(
    rule_id: str,
    *levels: str | int,
    condition: Condition = Condition.CROSSES_UP,
    window: str | None = None,
    rearm: str = "",
    **changes: Any,
) -> Rule:
    """Build a rule for AAPL; what is not given is as usual."""
    distance = Distance(Decimal(rearm)) if rearm else None
    terms = Terms(condition, tuple(map(Decimal, levels)), window=window, rearm=distance)
    usual = Rule(rule_id=rule_id, symbol="AAPL", terms=terms, trigger=Trigger.EVERY)
    return replace(usual, **changes)


def as_stored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Send attributes through DynamoDB's types, which not every number fits into."""
    write, read = TypeSerializer().serialize, TypeDeserializer().deserialize
    return {name: read(write(value)) for name, value in attributes.items()}


def create_table(name: str) -> Table:
    """Create the table as the stack makes it."""
    return boto3.resource("dynamodb").create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("pk", "sk", "day", "fired_at", "rule_id")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_day",
                "KeySchema": [
                    {"AttributeName": "day", "KeyType": "HASH"},
                    {"AttributeName": "fired_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by_rule",
                "KeySchema": [{"AttributeName": "rule_id", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def add_rules(table: Table, *rules: Rule) -> None:
    """Add rules to their symbols, many at a time and each as the command line would."""
    states = {added.symbol: Store(table).load(added.symbol) for added in rules}
    with table.batch_writer() as batch:
        for added in rules:
            state = states[added.symbol]
            now = replace(added, since=state.position, revision=state.version + 1)
            for item in [rule_item(now), *watch_items(now)]:
                batch.put_item(Item=item)
    actions = RuleActions(table.name)
    for symbol, state in states.items():
        its_rules = [added for added in rules if added.symbol == symbol]
        change: Any = actions.changing_state(state, "added", its_rules)["Update"]
        table.meta.client.update_item(**change)


def former_item(rule: Rule) -> dict[str, Any]:
    """Write a rule's item as the release before did."""
    return {**rule_item(rule), **former_rule_key(rule.symbol, rule.rule_id)}


def items_of(table: Table, pk: str, sk: str = "") -> list[dict[str, Any]]:
    """Read all items whose keys begin with these, in the order of their keys."""
    pages = table.meta.client.get_paginator("scan").paginate(TableName=table.name)
    items: list[dict[str, Any]] = [item for page in pages for item in page["Items"]]
    found = [item for item in items if item["pk"].startswith(pk) and item["sk"].startswith(sk)]
    return sorted(found, key=lambda item: (_unsharded(item["pk"]), item["sk"]))


def _unsharded(pk: str) -> str:
    kind, *names = pk.split("#")
    return f"{kind}#{names[0]}" if kind in ("FIRINGS", "SYMBOL") else pk


def recorded(table: Table, symbol: str = "") -> list[tuple[str, str, bool]]:
    """Return rule, price and sent of firings, in the order of their times and rules."""
    items = items_of(table, f"FIRINGS#{symbol}")
    items.sort(key=lambda item: (item["timestamp_microseconds"], item["rule"]))
    return [(item["rule"], f"{item['price']:f}", item["sent"]) for item in items]


def returning(batch: Batch) -> set[str]:
    """Return the ids of the messages that are tried again after a batch."""
    return batch.failed_message_ids | batch.unfinished_message_ids


def before_updates(table: Table, do: Callable[[Any], object], *, times: int = 1) -> None:
    """Do something before some updates of the table, with their parameters.

    Updates that this makes itself do not count.
    """
    left, is_busy = times, False

    def before(params: Any, **_: Any) -> None:
        nonlocal left, is_busy
        if left and not is_busy:
            left, is_busy = left - 1, True
            try:
                do(params)
            finally:
                is_busy = False

    table.meta.client.meta.events.register_first(
        "before-parameter-build.dynamodb.UpdateItem", before
    )


def fail_calls(table: Table, operation: str, *, times: int = 1, when: str = "before") -> None:
    """Let calls of an operation fail before they are sent, or after they were executed."""
    left = times

    def fail(**_: Any) -> None:
        nonlocal left
        if left:
            left -= 1
            raise ConnectionError("no answer")

    table.meta.client.meta.events.register(f"{when}-call.dynamodb.{operation}", fail)


def fail_calls_for(table: Table, symbol: str) -> None:
    """Let calls fail before they are sent, if they name a symbol."""

    def fail(params: dict[str, Any], **_: Any) -> None:
        if symbol.encode() in params["body"]:
            raise ConnectionError("no answer")

    table.meta.client.meta.events.register("before-call.dynamodb", fail)


def first_seconds_above(prices: Sequence[str]) -> list[int]:
    """Return where ``ticks`` of these prices must fire: where each stretch above 150 begins."""
    stretches = itertools.groupby(enumerate(prices), lambda pair: Decimal(pair[1]) > 150)
    return [next(stretch)[0] for above, stretch in stretches if above]


def drop_handler() -> None:
    """Forget the handler, so that the next import makes its clients and its logger again."""
    for name in HANDLER_NAMES:
        sys.modules.pop(name, None)
    gc.enable()  # it stays off where the import fails
    gc.unfreeze()  # what is forgotten is garbage


class Clock:
    """A clock that only moves when somebody sleeps, or when a test moves it."""

    def __init__(self) -> None:
        self.now = NOW
        self.naps: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += round(seconds * SECOND)
        self.on_sleep()


class Topic:
    """An SNS client's ``publish_batch``: keeps the entries, rejects those that ``refused`` names.

    Like SNS it takes one to ten entries a request.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.published: list[str] = []
        self.refused: Callable[[str], bool] = lambda firing_id: False
        self.code, self.is_sender_fault = "InternalFailure", False
        self.on_publish: Callable[[str], object] = lambda when: None

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        self.on_publish("before")
        self.requests.append(request)
        ids = [entry["Id"] for entry in request["PublishBatchRequestEntries"]]
        if not 1 <= len(ids) <= 10:
            raise ValueError("EmptyBatchRequest or TooManyEntriesInBatchRequest")
        failed = [firing_id for firing_id in ids if self.refused(firing_id)]
        self.published.extend(firing_id for firing_id in ids if firing_id not in failed)
        self.on_publish("after")
        errors = [
            {"Id": firing_id, "Code": self.code, "SenderFault": self.is_sender_fault}
            for firing_id in failed
        ]
        return {"Failed": errors} if errors else {}


class TwoTopics:
    """An SNS client with ``arn:topic`` for programs and ``arn:people`` for people."""

    def __init__(self) -> None:
        self.programs, self.people = Topic(), Topic()

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        topics = {"arn:topic": self.programs, "arn:people": self.people}
        return topics[request["TopicArn"]].publish_batch(**request)


class Container:
    """A warm Lambda container: a processor that is given one batch after another."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        topic: Any,
        high_price: Rule | None = ABOVE_150,
        *,
        kept_ticks: int = 16,
        each: Any = map,
        people_topic_arn: str = "",
        **more: Any,
    ) -> None:
        self.table, self.clock, self.topic = table, clock, topic
        self.store = Store(table)
        self.processor = Processor(
            self.store,
            Notifier(topic, "arn:topic", people_topic_arn),
            high_price,
            clock,
            clock.sleep,
            kept_ticks=kept_ticks,
            each=each,
            **more,
        )

    def process(
        self,
        batch_of: Iterable[Tick],
        *,
        seconds: int = 10,
        owner: str = "",
        repeated: Iterable[str] = (),
        symbols: Iterable[str] = (),
    ) -> Batch:
        """Process a batch that must be done in some seconds, the last of them in reserve."""
        deadline = Deadline(
            owner=owner or f"invocation-{next(_owners)}",
            stop_at_microseconds=self.clock.now + (seconds - 1) * SECOND,
            ends_at_microseconds=self.clock.now + seconds * SECOND,
        )
        batch = Batch(deadline, repeated_message_ids=frozenset(repeated))
        self.processor.process(batch_of, batch, symbols)
        return batch
