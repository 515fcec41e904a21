"""One deployment on the embedded AWS, in which every contestant has its own table."""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from benchmarks.streams import items_of
from lib.client.rule_actions import RuleActions
from lib.local.deployment import Deployment
from lib.local.emulator import Emulator, running_emulator
from lib.local.toolchain import find_toolchain
from lib.local.virtual_environment import virtual_environment
from price_alerts.domain.portions import portions
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import State

# Each name's module has a handler, a table and an sns, as Lambda's own modules do.
OURS = "TapStack"
CONTESTANTS = {
    OURS: "index",
    "powertools": "benchmarks.powertools",
    "scanning": "benchmarks.scanning",
    "seed_like": "benchmarks.seed_like",
}
REGION = "us-east-1"
THRESHOLD = 150

_MAX_ITEMS_PER_WRITE = 25  # DynamoDB, BatchWriteItem
_serialize = TypeSerializer().serialize


@dataclass(frozen=True, slots=True)
class Contestant:
    """A handler, its table, and the clients that it calls AWS with."""

    name: str
    table_name: str
    handle: Callable[[Mapping[str, Any]], Any]
    clients: tuple[Any, ...]


class _Context:
    """The parts of Lambda's context that a handler uses, with plenty of time."""

    aws_request_id = "benchmark"
    function_name = "benchmark"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:benchmark"
    memory_limit_in_mb = 512

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""
        return 900_000


def contestant(name: str, table_name: str, topic_arn: str) -> Contestant:
    """Import a contestant's module again, as a cold container does, and keep its output.

    No price is above the threshold: the work is that of the rules.
    """
    os.environ.update(TABLE_NAME=table_name, TOPIC_ARN=topic_arn, HIGH_PRICE_THRESHOLD="1000000")
    for module_name in CONTESTANTS.values():
        sys.modules.pop(module_name, None)
    printed = io.StringIO()
    with redirect_stdout(printed):
        module = importlib.import_module(CONTESTANTS[name])
    # The module that owns the clients.
    source = importlib.import_module("benchmarks.scanning") if name == "powertools" else module
    clients = [source.table.meta.client, source.sns]
    if name == "powertools":
        clients.append(module.persistence.client)

    def handle(event: Mapping[str, Any]) -> Any:
        with redirect_stdout(printed):
            answer = module.handler(event, _Context())
        printed.seek(0)
        printed.truncate()
        return answer

    return Contestant(name, table_name, handle, tuple(clients))


def fill(dynamodb: Any, table_name: str, rules: Iterable[Rule], **form: bool) -> None:
    """Put rules into a table and update their symbols' states, as ``./alerts import`` does."""
    by_symbol: dict[str, list[Rule]] = {}
    for rule in rules:
        by_symbol.setdefault(rule.symbol, []).append(rule)
    actions = RuleActions(table_name)
    for symbol, its_rules in by_symbol.items():
        put(dynamodb, table_name, its_rules, **form)
        update = dict(actions.changing_state(State(symbol), "filled", its_rules)["Update"])
        update["Key"] = _wired(update["Key"])
        update["ExpressionAttributeValues"] = _wired(update["ExpressionAttributeValues"])
        dynamodb.update_item(**update)


def put(dynamodb: Any, table_name: str, rules: Sequence[Rule], **form: bool) -> None:
    """Put rules into a table and leave the states alone; `form` is what `items_of` takes."""
    for chunk in portions(items_of(rules, **form), _MAX_ITEMS_PER_WRITE):
        requests = [{"PutRequest": {"Item": _wired(item)}} for item in chunk]
        dynamodb.batch_write_item(RequestItems={table_name: requests})


def _wired(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in attributes.items()}


@dataclass(frozen=True, slots=True)
class Stage:
    """A deployment that contestants work on."""

    emulator: Emulator
    outputs: Mapping[str, str]

    @property
    def eye(self) -> Any:
        """A DynamoDB client that is not metered."""
        return self.emulator.client("dynamodb")

    def enter(self, name: str, rules: Iterable[Rule], *, are_new: bool = True) -> Contestant:
        """Create a contestant with a table like the deployed one, with rules in it."""
        table_name = self.new_table()
        # The others read all rules of a symbol by one query.
        form = {"on_one_key": name != OURS, "are_new": are_new}
        fill(self.emulator.client("dynamodb"), table_name, rules, **form)
        return contestant(name, table_name, self.outputs["topic_arn"])

    def new_table(self) -> str:
        """Create an empty table like the deployed one; returns its name."""
        dynamodb = self.emulator.client("dynamodb")
        deployed = dynamodb.describe_table(TableName=self.outputs["table_name"])["Table"]
        name = f"benchmark-{uuid.uuid4().hex[:12]}"
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=deployed["KeySchema"],
            AttributeDefinitions=deployed["AttributeDefinitions"],
            GlobalSecondaryIndexes=[
                {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
                for index in deployed["GlobalSecondaryIndexes"]
            ],
        )
        return name


@contextmanager
def stage() -> Iterator[Stage]:
    """Deploy to an embedded AWS, which every client of this process uses from now on."""
    with (
        tempfile.TemporaryDirectory(prefix="tapstack-") as folder,
        running_emulator(virtual_environment("emulator") / "ministack", REGION) as emulator,
    ):
        deployment = Deployment(
            Path(folder),
            find_toolchain(os.environ),
            emulator,
            {"high_price_threshold": THRESHOLD},
        )
        outputs = deployment.deploy()
        os.environ.update(emulator.variables, AWS_DEFAULT_REGION=REGION)
        yield Stage(emulator, outputs)


def now_microseconds() -> int:
    """Return the current time."""
    return time.time_ns() // 1_000
