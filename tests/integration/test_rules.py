"""Rules through the deployed pipeline: written, and their firings read, by the command line."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lib.client.subscriber import Subscriber
from tests.integration.conftest import Alerts, Deployed, eventually, invoke


@pytest.fixture
def publish(deployed: Deployed, symbol: str) -> Callable[..., None]:
    """Have the function process prices of the symbol, one second after the other."""
    seconds = iter(range(60))

    def publish(*prices: str) -> None:
        ticks = [
            {"symbol": symbol, "price": price, "timestamp": f"2026-01-01T00:00:{next(seconds):02}Z"}
            for price in prices
        ]
        answer = invoke(deployed, (uuid.uuid4().hex, json.dumps(ticks)))
        assert answer == {"batchItemFailures": []}

    return publish


def history(alerts: Alerts, symbol: str) -> list[dict[str, Any]]:
    firings: list[dict[str, Any]] = json.loads(alerts.run("history", symbol, "--json"))
    return firings


def test_a_rule_tells_once_what_it_was_added_for(
    alerts: Alerts, symbol: str, publish: Callable[..., None]
) -> None:
    alerts.run("add", symbol, "crosses-up", "90", "--id", f"{symbol}-up", "--note", "sell")
    publish("89", "91", "89", "91")
    [firing] = history(alerts, symbol)
    assert (firing["rule_id"], firing["condition"]) == (f"{symbol}-up", "crosses-up")
    assert (firing["previous_price"], firing["price"], firing["note"]) == ("89", "91", "sell")
    [rule] = json.loads(alerts.run("list", symbol, "--json"))
    assert rule["status"] == "triggered"


def test_a_removed_rule_fires_no_more(
    alerts: Alerts, symbol: str, publish: Callable[..., None]
) -> None:
    alerts.run("add", symbol, "crosses", "90", "--trigger", "every", "--id", f"{symbol}-x")
    publish("89", "91")
    alerts.run("remove", f"{symbol}-x")
    publish("89", "91")
    assert len(history(alerts, symbol)) == 1


def test_a_price_that_is_published_by_the_command_line_is_announced(
    alerts: Alerts, symbol: str
) -> None:
    alerts.run("add", symbol, "above", "90", "--id", f"{symbol}-above")
    alerts.run("publish", f"{symbol}=91")
    assert eventually(lambda: [f["sent"] for f in history(alerts, symbol)] == [True])


@pytest.fixture
def subscribed(deployed: Deployed, symbol: str) -> Iterator[Callable[..., Callable[[], list[str]]]]:
    """Subscribes a queue to a topic, with a filter policy; what it returns reads the messages."""
    sns, cleaning = deployed.emulator.client("sns"), ExitStack()

    def subscribe(topic: str, **policy: list[Any]) -> Callable[[], list[str]]:
        queue = Subscriber(deployed.emulator.client("sqs"), f"{topic.replace('_', '-')}-{symbol}")
        cleaning.callback(queue.close)
        attributes = {"FilterPolicy": json.dumps({"symbol": [symbol], **policy})}
        subscription = sns.subscribe(
            TopicArn=deployed.outputs[topic],
            Protocol="sqs",
            Endpoint=queue.arn,
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        cleaning.callback(sns.unsubscribe, SubscriptionArn=subscription)
        messages: list[str] = []

        def received() -> list[str]:
            messages.extend(queue.texts(wait_seconds=0))
            return messages

        return received

    with cleaning:
        yield subscribe


def test_a_filter_policy_lets_through_what_it_names(
    alerts: Alerts,
    symbol: str,
    publish: Callable[..., None],
    subscribed: Callable[..., Callable[[], list[str]]],
) -> None:
    received = subscribed(
        "topic_arn", condition=["crosses_up"], price=[{"numeric": [">", 50]}], owner=["ann"]
    )
    for condition in ("above", "crosses-up", "crosses-down"):
        rule = ("add", symbol, condition, "90", "--id", f"{symbol}-{condition}")
        alerts.run(*rule, "--owner", "ann")
    publish("80", "91", "80")
    assert len(history(alerts, symbol)) == 3
    assert eventually(lambda: bool(received()))
    (alert,) = received()
    assert list(json.loads(alert))[:3] == ["text", "firing_id", "rule_id"]
    assert json.loads(alert)["rule_id"] == f"{symbol}-crosses-up"


def test_a_test_alert_reaches_who_is_subscribed(
    alerts: Alerts, subscribed: Callable[..., Callable[[], list[str]]]
) -> None:
    received = subscribed("topic_arn", symbol=[{"prefix": "TEST."}], owner=["test"])
    firing_id = json.loads(alerts.run("test", "--json"))["firing_id"]
    assert eventually(lambda: bool(received()))
    (alert,) = map(json.loads, received())
    assert (alert["firing_id"], alert["text"].partition(":")[0]) == (firing_id, "Test alert")


def test_people_get_the_sentence_from_a_topic_of_their_own(
    alerts: Alerts,
    symbol: str,
    publish: Callable[..., None],
    subscribed: Callable[..., Callable[[], list[str]]],
) -> None:
    received = subscribed("people_topic_arn")
    alerts.run("add", symbol, "crosses-up", "90", "--id", f"{symbol}-up", "--note", "Sell.")
    publish("80", "91")
    assert eventually(lambda: bool(received()))
    assert received() == [
        f"{symbol} crossed 90 upwards: 91 at 2026-01-01T00:00:01Z, 80 before. Sell."
    ]
