"""A yardstick: query all rules of the symbol at every tick, compare, keep the price, publish.

It reads the same rules as ours, and as consistently: one that was added before the tick counts.
The put of the new price returns the one before for free, so it does not publish the same alert at
every tick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
sns = boto3.client("sns")
topic_arn = os.environ["TOPIC_ARN"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Evaluate every record."""
    for record in event["Records"]:
        evaluate(record)
    return {"batchItemFailures": []}


def evaluate(record: dict[str, Any]) -> None:
    """Evaluate all rules of a record's symbol."""
    tick = json.loads(record["body"])
    symbol, price = tick["symbol"], Decimal(tick["price"])
    rules = list(_rules(symbol))
    old: Any = table.put_item(
        Item={"pk": f"PRICE#{symbol}", "sk": "LATEST", "price": price, "at": tick["timestamp"]},
        ReturnValues="ALL_OLD",
    ).get("Attributes", {})
    for rule in rules:
        if rule["status"] == "active" and _is_true(rule, old.get("price"), price):
            sns.publish(
                TopicArn=topic_arn,
                Subject=f"{symbol} {rule['condition']} {rule['levels'][0]}",
                Message=json.dumps({"rule_id": rule["rule_id"], **tick}),
            )
            table.update_item(
                Key={"pk": rule["pk"], "sk": rule["sk"]},
                UpdateExpression="SET #status = :triggered",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":triggered": "triggered"},
            )


def _rules(symbol: str) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {}
    while True:
        answer = table.query(
            KeyConditionExpression="pk = :symbol AND begins_with(sk, :rule)",
            ExpressionAttributeValues={":symbol": f"SYMBOL#{symbol}", ":rule": "RULE#"},
            ConsistentRead=True,
            **start,
        )
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _is_true(rule: dict[str, Any], before: Decimal | None, now: Decimal) -> bool:
    """Compare, for the conditions that the benchmark's rules have."""
    level = rule["levels"][0]
    match rule["condition"]:
        case "crosses_up":
            return before is not None and before < level <= now
        case "crosses_down":
            return before is not None and before > level >= now
        case "above":
            return now > level and (before is None or not before > level)
        case "below":
            return now < level and (before is None or not before < level)
    raise ValueError(rule["condition"])
