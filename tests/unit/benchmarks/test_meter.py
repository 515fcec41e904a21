"""The meter: it counts every call, and the capacity that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from benchmarks.capacity import Units
from benchmarks.meter import Meter

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = {"pk": "P", "sk": "S"}
LONG = "." * 1_100


@pytest.fixture
def meter(table: Table) -> Iterator[Meter]:
    """A meter that is connected to the table's client."""
    meter = Meter(boto3.client("dynamodb"))
    with meter.connected(table.meta.client):
        yield meter


def put(table: Table, **attributes: Any) -> None:
    table.put_item(Item={**KEY, **attributes})


def update(table: Table, condition: str = "attribute_exists(pk)") -> None:
    table.update_item(
        Key=KEY,
        UpdateExpression="SET price = :price",
        ConditionExpression=condition,
        ExpressionAttributeValues={":price": 1},
    )


def query(table: Table, *, is_consistent: bool = True) -> None:
    table.query(
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": "P"},
        ConsistentRead=is_consistent,
    )


def get_batch(table: Table) -> None:
    keys: Any = {"Keys": [KEY, {"pk": "P", "sk": "nothing"}], "ConsistentRead": True}
    table.meta.client.batch_get_item(RequestItems={table.name: keys})


def write_batch(table: Table) -> None:
    requests: Any = [
        {"PutRequest": {"Item": {**KEY, "text": "short"}}},
        {"PutRequest": {"Item": {"pk": "P", "sk": "T", "day": "1", "fired_at": "2"}}},
        {"DeleteRequest": {"Key": {"pk": "P", "sk": "nothing"}}},
    ]
    table.meta.client.batch_write_item(RequestItems={table.name: requests})


def transact(table: Table) -> None:
    name, condition = table.name, "attribute_exists(pk)"
    items: Any = [
        {"Put": {"TableName": name, "Item": {"pk": "P", "sk": "T"}}},
        {"ConditionCheck": {"TableName": name, "Key": KEY, "ConditionExpression": condition}},
    ]
    table.meta.client.transact_write_items(TransactItems=items)


@pytest.mark.parametrize(
    ("call", "name", "units"),
    [
        (put, "PutItem", Units(0, 2)),
        (update, "UpdateItem", Units(0, 2)),
        (query, "Query", Units(1, 0)),
        (get_batch, "BatchGetItem", Units(2, 0)),
        (write_batch, "BatchWriteItem", Units(0, 2 + (1 + 1) + 1)),
        (transact, "TransactWriteItems", Units(0, 2 + 4)),
    ],
)
def test_each_operation_is_counted_with_what_it_takes(
    table: Table, meter: Meter, call: Callable[[Table], None], name: str, units: Units
) -> None:
    put(table, text=LONG)
    meter.calls.clear()
    meter.units = Units()
    call(table)
    assert (dict(meter.calls), meter.units) == ({name: 1}, units)


def test_an_eventually_consistent_read_takes_half(table: Table, meter: Meter) -> None:
    query(table, is_consistent=False)
    assert meter.units == Units(read=0.5)


def test_a_rejected_write_takes_as_much_as_the_item_that_is_there(
    table: Table, meter: Meter
) -> None:
    put(table, text=LONG)
    meter.units = Units()
    with pytest.raises(ClientError):
        update(table, "attribute_not_exists(pk)")
    assert meter.units == Units(write=2)


def test_an_index_is_counted_too(table: Table, meter: Meter) -> None:
    put(table, day="2026-11-22", fired_at="2026-11-22T15:04:05Z")
    assert meter.units == Units(write=2)


def test_what_is_called_before_and_after_is_not_counted(table: Table) -> None:
    meter = Meter(boto3.client("dynamodb"))
    put(table)
    with meter.connected(table.meta.client):
        pass
    put(table)
    assert meter.calls.total() == 0


def test_messages_are_counted_one_by_one(aws: None) -> None:
    sns = boto3.client("sns")
    topic_arn = sns.create_topic(Name="alerts")["TopicArn"]
    meter = Meter(None)
    with meter.connected(sns):
        sns.publish(TopicArn=topic_arn, Message="one")
        sns.publish_batch(
            TopicArn=topic_arn,
            PublishBatchRequestEntries=[{"Id": f"m-{n}", "Message": "one"} for n in range(3)],
        )
    assert (meter.calls, meter.published) == ({"Publish": 1, "PublishBatch": 1}, 4)
