"""The pipeline with queues that keep each symbol's order."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lib.local.deployment import QUICK_RETRIES, Deployment
from lib.local.emulator import running_emulator
from lib.local.toolchain import Toolchain
from tests.integration.conftest import Alerts, eventually

POISON = '{"symbol": "AAPL", "price": "a lot"}'


def test_a_bad_message_holds_up_nothing_that_comes_with_it_and_is_given_up(
    toolchain: Toolchain, ministack: Path, tmp_path: Path
) -> None:
    with running_emulator(ministack, "us-east-1") as emulator:
        settings = {**QUICK_RETRIES, "queue_type": "fifo", "late_ticks": 0, "max_receive_count": 2}
        outputs = Deployment(tmp_path, toolchain, emulator, settings).deploy()
        assert outputs["queue_url"].endswith("/tap-dev-prices.fifo")
        alerts, sqs = Alerts(emulator), emulator.client("sqs")

        def fired(symbol: str) -> list[str]:
            history: list[dict[str, Any]] = json.loads(alerts.run("history", symbol, "--json"))
            return [firing["price"] for firing in history if firing["rule_id"].startswith("up-")]

        def letters() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = json.loads(alerts.run("dlq", "list", "--json"))
            return found

        for symbol in ("AAPL", "MSFT"):
            name = f"up-{symbol.lower()}"
            alerts.run("add", symbol, "crosses-up", "100", "--trigger", "every", "--id", name)
        alerts.run("publish", "AAPL=99", "MSFT=99", "AAPL=101", "MSFT=101")
        assert eventually(lambda: fired("AAPL") == fired("MSFT") == ["101"])

        now_milliseconds = time.time_ns() // 1_000_000
        ticks = (
            {"symbol": "AAPL", "price": price, "timestamp": now_milliseconds + place}
            for place, price in enumerate((98, 102))
        )
        bodies = [POISON, *map(json.dumps, ticks)]
        sqs.send_message_batch(
            QueueUrl=outputs["queue_url"],
            Entries=[
                {
                    "Id": str(place),
                    "MessageBody": body,
                    "MessageGroupId": "AAPL",
                    "MessageDeduplicationId": str(place),
                }
                for place, body in enumerate(bodies)
            ],
        )
        assert eventually(lambda: fired("AAPL") == ["101", "102"])
        assert eventually(lambda: len(letters()) == 1)

        (letter,) = letters()
        assert letter["reason"].startswith("tick 0: price must be a JSON number")
        assert "tap-dev-prices-dlq.fifo" in alerts.run("status")
        assert json.loads(alerts.run("dlq", "redrive", "--json"))["moved"] == 1
