"""What `list` and `status` read of a stack."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.client.reading import listed_keys
from lib.client.rule_store import RuleStore
from lib.client.status import FunctionStatus, QueueStatus, Status, TableStatus, read_status
from lib.client.target import Target
from lib.formats.words import SetAside, rule_in
from price_alerts.adapters.items import rule_item, state_key, state_listing
from price_alerts.adapters.state_items import firing_item
from price_alerts.adapters.store import Store
from price_alerts.domain import progress
from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import Progress
from price_alerts.domain.ticks import Position, format_timestamp
from tests.unit.client.doubles import CONFIGURATION, answer_with, refusal
from tests.unit.doubles import NOW, SECOND, Clock, Container, Topic, add_rules, tick, told
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

DAY = 86_400 * SECOND
PLACE = Position(NOW, 0, 0, "m-1", 0)
FULL = rule(
    "rises 5% within 1h rearm 1%",
    cooldown_seconds=60,
    expires_at_microseconds=NOW,
    owner="me",
    note="n",
    message="{symbol}",
    since=PLACE,
    progress=Progress(
        progress.Status.ACTIVE,
        Side.HIGH,
        NOW,
        "f-1",
        progress.Trail(
            ((PLACE, Progress()),), (progress.Announced(progress.NOWHERE, progress.NOWHERE),)
        ),
    ),
)


def put_state(table: Table, symbol: str, **attributes: Any) -> None:
    state = {**state_key(symbol), **state_listing(symbol), "version": 1, **attributes}
    table.put_item(Item=state)


def test_a_new_stack_holds_nothing(stack: Target) -> None:
    empty, function = QueueStatus(0, 0, 0), FunctionStatus("Active", "Successful", "Enabled")
    assert read_status(stack, NOW) == Status(empty, empty, TableStatus(), function)


def test_the_messages_in_both_queues_are_counted(
    stack: Target, sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    for delay_seconds in (0, 0, 0, 60):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x", DelaySeconds=delay_seconds)
    sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    sqs.receive_message(QueueUrl=queue_url, VisibilityTimeout=60)
    status = read_status(stack, NOW)
    assert status.queue == QueueStatus(waiting=2, in_flight=1, delayed=1)
    assert status.dead_letter_queue == QueueStatus(waiting=1, in_flight=0, delayed=0)


def test_what_the_table_holds_is_counted(stack: Target, alerts: Table) -> None:
    until = "lease_until_microseconds"
    leases: dict[str, dict[str, int]] = {"D": {until: NOW}, "C": {until: NOW + 1}}
    leases |= {"B": {until: NOW - 1}, "A": {}}
    for symbol, lease in leases.items():
        put_state(alerts, symbol, outbox={"version": 1}, **lease)
    put_state(alerts, "E")
    for number, status in enumerate(["active"] * 3 + ["paused"]):  # more than a page
        item = rule_item(rule(rule_id=f"r-{number}", progress=Progress(progress.Status(status))))
        alerts.put_item(Item={**item, "padding": "x" * 390_000})
    fired = {"f-1": NOW - SECOND, "f-2": NOW - DAY, "f-3": NOW - DAY - 1}
    for name, at in fired.items():
        firing = told(firing_id=name, fired_at_microseconds=at)
        alerts.put_item(Item=firing_item(firing, at, "InvalidParameter" if name == "f-2" else None))
    assert read_status(stack, NOW).table == TableStatus(
        rules=Counter(active=3, paused=1),
        symbols=5,
        delivering=["C", "D"],
        stuck=["A", "B"],
        firings_of_last_day=2,
        undeliverable_firings=1,
        last_fired_at=format_timestamp(NOW - SECOND),
    )


@pytest.mark.parametrize("name", ["", *sorted(rule_item(FULL).keys() - {"pk", "sk", "rule_id"})])
def test_a_rule_that_cannot_be_read_is_set_aside_whatever_the_reason(
    stack: Target, alerts: Table, name: str
) -> None:
    item = rule_item(FULL) | ({name: Decimal(999)} if name else {})
    alerts.put_item(Item=item)
    is_set_aside = isinstance(rule_in(item), SetAside)
    table = read_status(stack, NOW).table
    assert (table.rules_set_aside, table.rules.total()) == (is_set_aside, not is_set_aside)
    assert name or not is_set_aside


def test_a_function_may_be_fed_by_nothing(stack: Target) -> None:
    target = Target("test", CONFIGURATION)
    state = {"State": "Active", "LastUpdateStatus": "InProgress"}
    answer_with(target.functions, "GetFunctionConfiguration", lambda _: state)
    answer_with(target.functions, "ListEventSourceMappings", lambda _: {"EventSourceMappings": []})
    assert read_status(target, NOW).function == FunctionStatus("Active", "InProgress", None)


def test_a_missing_function_means_that_there_is_no_stack(stack: Target) -> None:
    target = Target("test", CONFIGURATION)
    missing = refusal("ResourceNotFoundException", status=404)
    answer_with(target.functions, "GetFunctionConfiguration", lambda _: missing)
    with pytest.raises(ClientError) as error:
        read_status(target, NOW)
    assert str(target.explained(error.value)).startswith("there is no stack tap-test")


def test_a_long_history_is_not_read_for_a_list_of_rules(alerts: Table) -> None:
    """Rules and states are in an index of their own; a state from its next price on."""
    for number in range(40):
        alerts.put_item(Item=firing_item(told(firing_id=f"f-{number}"), NOW))
    container = Container(alerts, Clock(), Topic())
    container.process([tick(100)])
    add_rules(alerts, *(rule("above 105", f"r-{number}") for number in range(3)))
    alerts.update_item(Key=state_key("AAPL"), UpdateExpression="REMOVE rule_id")
    asked: list[tuple[str, str]] = []
    alerts.meta.client.meta.events.register(
        "before-parameter-build.dynamodb.*",
        lambda params, model, **_: asked.append((model.name, params.get("IndexName", ""))),
    )
    assert len([*RuleStore(alerts, lambda _: None, clock=lambda: NOW).rules()]) == 3
    assert asked == [("Scan", "by_rule"), ("BatchGetItem", "")]
    assert len([*listed_keys(alerts)]) == 3
    container.process([tick(101, 1)])
    assert state_key("AAPL") in listed_keys(alerts)


def test_a_firing_is_kept_for_as_long_as_is_set(alerts: Table) -> None:
    container = Container(alerts, Clock(), Topic())
    container.processor.store = Store(alerts, history_days=3)
    container.process([tick(200)])
    (item,) = (item for item in alerts.scan()["Items"] if str(item["pk"]).startswith("FIRINGS#"))
    fired_at_seconds = int(str(item["fired_at_microseconds"])) // 1_000_000
    assert item["expires_at_epoch"] == fired_at_seconds + 3 * 86_400
