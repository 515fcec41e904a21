"""Dollars for a million ticks, from what was counted. Pure.

List prices of us-east-1 without free tiers, as AWS's price pages gave them in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.counting import Counts

# Dollars for a million of each, but for the last one: a gigabyte-second.
PRICES = {
    "write request unit": 0.625,
    "read request unit": 0.125,
    "SQS request": 0.40,
    "SNS message": 0.50,
    "Lambda request": 0.20,
    "Lambda GB-second, arm64": 0.0000133334,
}

MEMORY_GIGABYTES = 0.5
# A whole core comes with 1,769 MB. Source: AWS Lambda, "Configure Lambda function memory".
_CORE_GIGABYTES = 1_769 / 1_024
_MESSAGES_PER_SQS_REQUEST = 10
_SQS_REQUESTS_PER_MESSAGE = 3  # sent, received, deleted
CALL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Traffic:
    """Ticks per second, per batch and per message."""

    ticks_per_second: int
    batch_size: int
    ticks_per_message: int = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars for a million ticks, by what they are for."""

    dynamodb: float
    sqs: float
    sns: float
    function: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.dynamodb + self.sqs + self.sns + self.function


def dynamodb_dollars(counts: Counts) -> float:
    """Return what a million ticks cost at DynamoDB."""
    writes = counts.writes * PRICES["write request unit"]
    return (writes + counts.reads * PRICES["read request unit"]) / 1_000


def cost(counts: Counts, traffic: Traffic, *, cpu_seconds: float, calls_at_once: int) -> Cost:
    """Return what a million ticks cost.

    Parameters
    ----------
    counts
        What a thousand ticks take.
    cpu_seconds
        The handler's own time for a thousand ticks on a whole core; the function's share of one
        depends on its memory.
    calls_at_once
        How many calls wait at the same time, `CALL_SECONDS` each.
    """
    requests = 1_000_000 / traffic.batch_size
    cpu = cpu_seconds * 1_000 * _CORE_GIGABYTES / MEMORY_GIGABYTES
    waiting = counts.calls * 1_000 * CALL_SECONDS / calls_at_once
    seconds = max(cpu, waiting) if calls_at_once > 1 else cpu + waiting
    sqs_requests = _SQS_REQUESTS_PER_MESSAGE / traffic.ticks_per_message / _MESSAGES_PER_SQS_REQUEST
    return Cost(
        dynamodb=dynamodb_dollars(counts),
        sqs=sqs_requests * PRICES["SQS request"],
        sns=counts.published / 1_000 * PRICES["SNS message"],
        function=requests / 1_000_000 * PRICES["Lambda request"]
        + seconds * MEMORY_GIGABYTES * PRICES["Lambda GB-second, arm64"],
    )
