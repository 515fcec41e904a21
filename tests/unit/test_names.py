from __future__ import annotations

import subprocess
import sys

from lib.config.names import Names

NAMES = Names("dev")


def test_every_part_of_a_stack_is_called_after_its_environment() -> None:
    assert {
        "stack": NAMES.stack,
        "queue": NAMES.queue,
        "dead_letter_queue": NAMES.dead_letter_queue,
        "table": NAMES.table,
        "topic": NAMES.topic,
        "function": NAMES.function,
        "log_group": NAMES.log_group,
    } == {
        "stack": "tap-dev",
        "queue": "tap-dev-prices",
        "dead_letter_queue": "tap-dev-prices-dlq",
        "table": "tap-dev-alerts",
        "topic": "tap-dev-alerts",
        "function": "tap-dev-price-alerts",
        "log_group": "/aws/lambda/tap-dev-price-alerts",
    }


def test_a_fifo_queue_is_called_so() -> None:
    names = Names("dev", is_fifo=True)
    assert (names.queue, names.dead_letter_queue) == (
        "tap-dev-prices.fifo",
        "tap-dev-prices-dlq.fifo",
    )


def test_the_names_are_known_without_what_makes_the_stack() -> None:
    code = (
        "import sys, lib.config.names; "
        "print({'cdktf', 'constructs', 'price_alerts'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
