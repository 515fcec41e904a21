"""The stack of the client's tests."""

from tests.unit.client.conftest import alerts, dlq_url, queue_url, sqs, target

__all__ = ["alerts", "dlq_url", "queue_url", "sqs", "target"]
