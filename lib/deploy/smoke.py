"""``make smoke``: sends a price through a deployed stack, and waits for its alert.

It subscribes to the topic like anybody else, with a queue in SQS; the topic's policy allows that
unless ``subscriber_protocols`` lacks sqs. SNS decrypts what it sends to a queue without a key, so
the stack's key is no obstacle. Rule, queue and subscription are temporary and always removed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from lib.client.publishing import publish
from lib.client.rule_store import RuleStore
from lib.client.session import connected, now_microseconds
from lib.client.subscriber import Subscriber, wait_for
from lib.client.target import Target
from lib.client.trial import remove_trial, trial_rule
from lib.config.names import Account
from lib.formats.errors import CliError, LocalError
from lib.formats.prices import Price
from price_alerts.domain.rules import Rule

_PATIENCE_SECONDS = 120.0
# A new subscriber may miss what is published in its first seconds.
_NEXT_PRICE_SECONDS = 5.0
_LOW, _LEVEL, _HIGH = Decimal(1), Decimal(2), Decimal(3)


def smoke(target: Target, patience_seconds: float) -> float:
    """Send a price that triggers an alert; returns the seconds until the alert arrived.

    Raises
    ------
    CliError, LocalError
        With one line, if no alert comes in time.
    """
    rule = trial_rule("smoke", "crosses-up", _LEVEL, trigger="every")
    topic = _topic(target)
    with ExitStack() as cleaning:
        RuleStore(target.table, time.sleep).add(rule)
        cleaning.callback(_clean, f"the rule {rule.rule_id}", lambda: remove_trial(target, rule))
        subscriber = Subscriber(target.sqs, f"{target.names.stack}-{rule.rule_id}")
        cleaning.callback(_clean, f"the queue {subscriber.arn}", subscriber.close)
        answer = target.topics.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=subscriber.arn, ReturnSubscriptionArn=True
        )
        subscription = answer["SubscriptionArn"]
        cleaning.callback(
            _clean,
            f"the subscription {subscription}",
            lambda: target.topics.unsubscribe(SubscriptionArn=subscription),
        )
        return _latency_seconds(target, rule, subscriber, patience_seconds)


def _topic(target: Target) -> str:
    """Return the topic's ARN; it is in the account and region of the queue."""
    answer = target.sqs.get_queue_attributes(QueueUrl=target.queue_url, AttributeNames=["QueueArn"])
    _, partition, _, region, account_id, _ = answer["Attributes"]["QueueArn"].split(":")
    return Account(partition, account_id, region, target.names).topic


def _latency_seconds(
    target: Target, rule: Rule, subscriber: Subscriber, patience_seconds: float
) -> float:
    latencies: list[float] = []

    def is_published() -> bool:
        _send(target, rule.symbol)
        give_up_at = time.monotonic() + min(_NEXT_PRICE_SECONDS, patience_seconds)
        while not latencies and time.monotonic() < give_up_at:
            for firing in subscriber.receive():
                if firing["rule_id"] == rule.rule_id:
                    price_of = datetime.fromisoformat(firing["timestamp"])
                    latencies.append(now_microseconds() / 1e6 - price_of.timestamp())
        return bool(latencies)

    wait_for(
        is_published,
        f"{target.names.stack} published no alert for {rule.symbol} within "
        f"{patience_seconds:.0f} s: see ./alerts status, and docs/runbook.md",
        patience_seconds,
        poll_seconds=0,
    )
    return latencies[0]


def _send(target: Target, symbol: str) -> None:
    now = now_microseconds()
    # In one message, which keeps their order.
    prices = [Price(symbol, _LOW, now - 1), Price(symbol, _HIGH, now)]
    for refusal in publish(target.sqs, target.queue_url, prices).refusals:
        raise CliError(f"the queue of {target.names.stack} accepts no prices: {refusal.reason}")


def _clean(what: str, clean: Callable[[], object]) -> None:
    """Clean up, or warn of what is left: that must not hide why the smoke test failed."""
    try:
        clean()
    except (BotoCoreError, ClientError, CliError) as reason:
        sys.stderr.write(f"warning: {what} is left behind: {reason}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the stack of ``TAP_ENVIRONMENT``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make smoke")
    parser.add_argument("--patience-seconds", type=float, default=_PATIENCE_SECONDS, metavar="S")
    patience_seconds = parser.parse_args(arguments).patience_seconds
    for number in (signal.SIGINT, signal.SIGTERM):  # a runner that is cancelled sends both
        signal.signal(number, signal.default_int_handler)
    try:
        with connected() as target:
            latency_seconds = smoke(target, patience_seconds)
    except (CliError, LocalError) as reason:
        sys.stderr.write(f"error: {reason}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what the smoke test made is removed\n")
        return 130
    sys.stdout.write(
        f"{target.names.stack} published an alert {latency_seconds * 1_000:.0f} ms after its price "
        "was sent\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
