"""The pipeline with queues that keep each symbol's order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lib.local.command_line import CommandLine
from lib.local.deployment import QUICK_RETRIES, Deployment
from lib.local.emulator import running_emulator
from lib.local.toolchain import Toolchain
from tests.integration.conftest import eventually

POISON = '{"symbol": "AAPL", "price": "a lot"}'


def test_a_bad_message_holds_up_its_symbol_until_it_is_given_up_and_no_other(
    toolchain: Toolchain, ministack: Path, tmp_path: Path
) -> None:
    with running_emulator(ministack, "us-east-1") as emulator:
        settings = {**QUICK_RETRIES, "queue_type": "fifo", "late_ticks": 0, "max_receive_count": 2}
        outputs = Deployment(tmp_path, toolchain, emulator, settings).deploy()
        assert outputs["queue_url"].endswith("/tap-dev-prices.fifo")
        alerts, sqs = CommandLine(emulator), emulator.client("sqs")

        def fired(symbol: str) -> list[str]:
            history: list[dict[str, Any]] = json.loads(alerts.run("history", symbol, "--json"))
            return [firing["price"] for firing in history if firing["rule_id"].startswith("up-")]

        for symbol in ("AAPL", "MSFT"):
            name = f"up-{symbol.lower()}"
            alerts.run("add", symbol, "crosses-up", "100", "--trigger", "every", "--id", name)
        alerts.run("publish", "AAPL=99", "MSFT=99", "AAPL=101", "MSFT=101")
        assert eventually(lambda: fired("AAPL") == fired("MSFT") == ["101"])

        sqs.send_message(
            QueueUrl=outputs["queue_url"],
            MessageBody=POISON,
            MessageGroupId="AAPL",
            MessageDeduplicationId="poison",
        )
        for price in ("98", "102", "97", "103"):
            alerts.run("publish", f"AAPL={price}", f"MSFT={price}")
        assert eventually(lambda: fired("MSFT") == ["101", "102", "103"])
        assert fired("AAPL") == ["101"]  # the bad message is still tried
        assert eventually(lambda: fired("AAPL") == ["101", "102", "103"])

        (letter,) = json.loads(alerts.run("dlq", "list", "--json"))
        assert letter["reason"].startswith("tick 0: price must be a JSON number")
        assert "tap-dev-prices-dlq.fifo" in alerts.run("status")
        assert json.loads(alerts.run("dlq", "redrive", "--json"))["moved"] == 1
