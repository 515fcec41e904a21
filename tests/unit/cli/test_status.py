from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.client.status import FunctionStatus, QueueStatus, TableStatus, read_status
from lib.client.target import Target
from lib.formats.words import SetAside, rule_in
from price_alerts.adapters.items import rule_item, state_key, state_listing, watch_items
from price_alerts.adapters.state_items import firing_item
from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import NOWHERE, Announced, Progress, Status, Trail
from price_alerts.domain.rules import Rule
from price_alerts.domain.ticks import Position, format_timestamp
from tests.unit.cli.doubles import CONFIGURATION, answer_with, refusal
from tests.unit.doubles import NOW, SECOND, told
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(autouse=True)
def _stack(target: Target, alerts: Table, queue_url: str, dlq_url: str) -> None:
    """A whole stack; moto's Lambda would need more packages."""
    answer_with(
        target.functions,
        "GetFunctionConfiguration",
        lambda _: {"State": "Active", "LastUpdateStatus": "Successful"},
    )
    answer_with(
        target.functions,
        "ListEventSourceMappings",
        lambda _: {"EventSourceMappings": [{"State": "Enabled"}]},
    )


def put_state(table: Table, symbol: str, **attributes: Any) -> None:
    listing = state_listing(symbol)
    table.put_item(Item={**state_key(symbol), **listing, "version": 1, **attributes})


def put_firing(table: Table, name: str, at: int = NOW, undeliverable: str | None = None) -> None:
    fired = told(firing_id=name, fired_at_microseconds=at)
    table.put_item(Item=firing_item(fired, at, undeliverable))


def put_rule(table: Table, added: Rule) -> None:
    """Put a rule, with its watches."""
    for item in (rule_item(added), *watch_items(added)):
        table.put_item(Item=item)


def table_of(target: Target) -> TableStatus:
    return read_status(target, NOW).table


def test_a_new_stack_holds_nothing(target: Target) -> None:
    status = read_status(target, NOW)
    assert (status.queue, status.dead_letter_queue) == (QueueStatus(0, 0, 0), QueueStatus(0, 0, 0))
    assert status.table == TableStatus()


def test_the_messages_in_both_queues_are_counted(
    target: Target, sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    for delay_seconds in (0, 0, 0, 60):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x", DelaySeconds=delay_seconds)
    sqs.send_message(QueueUrl=dlq_url, MessageBody="x")
    sqs.receive_message(QueueUrl=queue_url, VisibilityTimeout=60)
    status = read_status(target, NOW)
    assert status.queue == QueueStatus(waiting=2, in_flight=1, delayed=1)
    assert status.dead_letter_queue == QueueStatus(waiting=1, in_flight=0, delayed=0)


def test_rules_are_counted_by_their_status_and_symbols_by_their_state(
    target: Target, alerts: Table
) -> None:
    for symbol in ("AAPL", "IBM"):
        put_state(alerts, symbol)
    for number, status in enumerate([Status.ACTIVE, Status.ACTIVE, Status.PAUSED]):
        put_rule(alerts, rule(rule_id=f"r-{number}", progress=Progress(status)))
    found = table_of(target)
    assert (found.symbols, found.rules) == (2, {"active": 2, "paused": 1})
    assert found.rules_set_aside == 0


FULL = rule(
    "rises 5% within 1h rearm 1%",
    cooldown_seconds=60,
    expires_at_microseconds=NOW,
    owner="me",
    note="n",
    message="{symbol}",
    since=Position(NOW, 0, 0, "m-1", 0),
    progress=Progress(
        Status.ACTIVE,
        Side.HIGH,
        NOW,
        "f-1",
        Trail(((Position(NOW, 0, 0, "m-1", 0), Progress()),), (Announced(NOWHERE, NOWHERE),)),
    ),
)


def test_a_rule_that_has_all_that_a_rule_can_have_is_counted(target: Target, alerts: Table) -> None:
    put_rule(alerts, FULL)
    assert table_of(target).rules == {"active": 1}


@pytest.mark.parametrize("name", sorted(rule_item(FULL).keys() - {"pk", "sk", "rule_id"}))
def test_those_rules_are_set_aside_that_cannot_be_read(
    target: Target, alerts: Table, name: str
) -> None:
    """Whichever of its attributes is the reason; that of an index cannot be of another type."""
    item = rule_item(FULL) | {name: Decimal(999)}
    alerts.put_item(Item=item)
    is_set_aside = isinstance(rule_in(item), SetAside)
    assert table_of(target).rules_set_aside == is_set_aside
    assert table_of(target).rules.total() == (not is_set_aside)


def test_symbols_with_an_outbox_are_stuck_once_nobody_holds_them(
    target: Target, alerts: Table
) -> None:
    for symbol, attributes in {
        "D": {"lease_until_microseconds": NOW},
        "C": {"lease_until_microseconds": NOW + 1},
        "B": {"lease_until_microseconds": NOW - 1},
        "A": {},
    }.items():
        put_state(alerts, symbol, outbox={"version": 1}, **attributes)
    status = table_of(target)
    assert (status.delivering, status.stuck) == (["C", "D"], ["A", "B"])


def test_the_firings_of_the_last_day_are_counted(target: Target, alerts: Table) -> None:
    day = 86_400 * SECOND
    for name, at in {"f-1": NOW - SECOND, "f-2": NOW - 2 * SECOND, "f-3": NOW - day - 1}.items():
        put_firing(alerts, name, at)
    found = table_of(target)
    assert (found.firings_of_last_day, found.undeliverable_firings) == (2, 0)
    assert found.last_fired_at == format_timestamp(NOW - SECOND)


def test_firings_that_cannot_be_delivered_are_counted(target: Target, alerts: Table) -> None:
    put_firing(alerts, "f-1", undeliverable="InvalidParameter")
    put_firing(alerts, "f-2")
    found = table_of(target)
    assert (found.firings_of_last_day, found.undeliverable_firings) == (2, 1)


def test_the_table_may_fill_many_pages(target: Target, alerts: Table) -> None:
    for number in range(4):
        item = rule_item(rule(rule_id=f"r-{number}"))
        alerts.put_item(Item={**item, "padding": "x" * 390_000})
    assert table_of(target).rules == {"active": 4}


def test_the_function_is_told_of_in_lambdas_words(target: Target) -> None:
    assert read_status(target, NOW).function == FunctionStatus("Active", "Successful", "Enabled")


def test_a_function_may_be_fed_by_nothing(aws: None) -> None:
    target = Target("test", CONFIGURATION)
    answer_with(
        target.functions,
        "GetFunctionConfiguration",
        lambda _: {"State": "Active", "LastUpdateStatus": "InProgress"},
    )
    answer_with(target.functions, "ListEventSourceMappings", lambda _: {"EventSourceMappings": []})
    assert read_status(target, NOW).function == FunctionStatus("Active", "InProgress", None)


def test_a_function_that_is_missing_means_that_there_is_no_stack(aws: None) -> None:
    target = Target("test", CONFIGURATION)
    missing = refusal("ResourceNotFoundException", status=404)
    answer_with(target.functions, "GetFunctionConfiguration", lambda _: missing)
    with pytest.raises(ClientError) as error:
        read_status(target, NOW)
    assert str(target.explained(error.value)).startswith("there is no stack tap-test")
