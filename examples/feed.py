"""A feed in ten lines: sends a price of each symbol every second, until Ctrl-C.

Replace `price_of` by your own source. Usage: ``python examples/feed.py QUEUE_URL AAPL MSFT``.
"""

import json
import random
import sys
import time

import boto3


def price_of(symbol: str) -> float:
    """Return a made-up price."""
    return round(100 + 10 * random.Random(symbol).random() + random.gauss(0, 1), 2)


if __name__ == "__main__":
    queue_url, *symbols = sys.argv[1:]
    sqs = boto3.client("sqs")
    while True:
        prices = [{"symbol": symbol, "price": price_of(symbol)} for symbol in symbols]
        sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps(prices))
        time.sleep(1)
