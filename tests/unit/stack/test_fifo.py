"""The stack whose queues keep the order of each symbol's messages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lib.config.names import Account, Names
from tests.unit.stack.mistakes import CHECKS
from tests.unit.stack.stacks import (
    DLQ,
    FUNCTION,
    MAPPING,
    POLICY,
    QUEUE,
    VARIANTS,
    Stack,
    resource,
    synthesize,
)

ACCOUNT = Account(
    "${data.aws_partition.partition.partition}",
    "${data.aws_caller_identity.caller.account_id}",
    "us-east-1",
    Names("prod", is_fifo=True),
)


@pytest.fixture(scope="module")
def stack(package: Path) -> Stack:
    prod = VARIANTS["prod"]
    return synthesize(
        replace(prod, queue_type="fifo", batch_size=10, batch_window_seconds=0), package
    )


@pytest.mark.parametrize(
    ("address", "name"), [(QUEUE, "tap-prod-prices.fifo"), (DLQ, "tap-prod-prices-dlq.fifo")]
)
def test_a_queue_keeps_each_symbols_order_and_drops_what_is_sent_twice(
    stack: Stack, address: str, name: str
) -> None:
    queue = resource(stack, address)
    assert (queue["name"], queue["fifo_queue"]) == (name, True)
    assert queue["content_based_deduplication"] is True
    assert queue["deduplication_scope"] == "messageGroup"
    assert queue["fifo_throughput_limit"] == "perMessageGroupId"


def test_the_policies_name_the_queues_as_they_are_called(stack: Stack) -> None:
    statements = json.loads(resource(stack, QUEUE)["policy"])["Statement"]
    assert {each["Resource"] for each in statements} == {ACCOUNT.queue}
    assert ACCOUNT.queue.endswith(":tap-prod-prices.fifo")


def test_what_lambda_gives_up_goes_to_ops_for_it_takes_no_fifo_queue(stack: Stack) -> None:
    assert resource(stack, FUNCTION)["dead_letter_config"] == {"target_arn": ACCOUNT.ops_topic}
    statements = json.loads(resource(stack, POLICY)["policy"])["Statement"]
    (give_up,) = [each for each in statements if each["Sid"] == "GiveUp"]
    assert (give_up["Action"], give_up["Resource"]) == (["sns:Publish"], ACCOUNT.ops_topic)


def test_the_function_does_not_know_where_it_could_send_messages(stack: Stack) -> None:
    assert "QUEUE_URL" not in resource(stack, FUNCTION)["environment"]["variables"]


def test_the_mapping_waits_for_no_window(stack: Stack) -> None:
    mapping = resource(stack, MAPPING)
    assert (mapping["batch_size"], mapping["maximum_batching_window_in_seconds"]) == (10, 0)


def test_it_makes_no_mistake_that_scanners_miss(stack: Stack) -> None:
    assert [wrong for check in CHECKS for wrong in check(stack)] == []
