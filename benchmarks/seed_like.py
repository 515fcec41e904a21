"""A yardstick: one put a tick and one publish a tick above a threshold; it knows no rules."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
sns = boto3.client("sns")
topic_arn = os.environ["TOPIC_ARN"]
threshold = Decimal(os.environ.get("HIGH_PRICE_THRESHOLD", "Infinity"))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Keep every price, and publish those above the threshold."""
    for record in event["Records"]:
        tick = json.loads(record["body"])
        price = Decimal(tick["price"])
        table.put_item(
            Item={
                "pk": f"PRICE#{tick['symbol']}",
                "sk": f"{tick['timestamp']}#{record['messageId']}",
                "price": price,
            }
        )
        if price > threshold:
            sns.publish(
                TopicArn=topic_arn,
                Subject=f"{tick['symbol']} is above {threshold}",
                Message=json.dumps(tick),
            )
    return {"batchItemFailures": []}
