"""A Lambda function that receives alerts, and drops repeats by their ``firing_id``.

Subscribe it to the topic of alerts (output ``topic_arn``), and let ``sns.amazonaws.com`` invoke it.
A function that must not act twice keeps the ids in a table instead.
"""

import json
from typing import Any

_seen: set[str] = set()


def handler(event: dict[str, Any], _context: object) -> None:
    """Print what to do, once for each firing."""
    for record in event["Records"]:
        alert = json.loads(record["Sns"]["Message"])
        if alert["firing_id"] not in _seen:
            _seen.add(alert["firing_id"])
            print(f"{alert['symbol']} is at {alert['price']}: {alert['note'] or alert['text']}")
