"""Dead letters of the deployed pipeline, seen and sent back by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.integration.conftest import THRESHOLD, Alerts, Deployed, eventually

Send = Callable[[str], str]


@pytest.fixture
def send(deployed: Deployed) -> Iterator[Send]:
    """Put a message into the dead-letter queue; what is there after the test is deleted."""
    sqs, url = deployed.emulator.client("sqs"), deployed.outputs["dlq_url"]
    yield lambda body: sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"]
    sqs.purge_queue(QueueUrl=url)


def test_a_dead_letter_is_listed_with_the_handlers_own_reason(alerts: Alerts, send: Send) -> None:
    message_id = send('{"symbol": "AAPL", "price": "a lot"}')
    letters = {
        letter["message_id"]: letter for letter in json.loads(alerts.run("dlq", "list", "--json"))
    }
    assert letters[message_id]["is_refused"]
    assert letters[message_id]["reason"].startswith("tick 0: price must be a JSON number")


def test_a_dead_letter_that_is_sent_back_is_dealt_with(
    alerts: Alerts, send: Send, symbol: str
) -> None:
    send(json.dumps({"symbol": symbol, "price": THRESHOLD + 1}))
    assert json.loads(alerts.run("dlq", "redrive", "--json"))["moved"] >= 1
    assert eventually(lambda: json.loads(alerts.run("history", symbol, "--json")) != [])
