"""Very many rules at one level of the deployed pipeline: all fire, each once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import Alerts, Deployed, counted, eventually, reconfigured

RULES = 1_000
TIMEOUT_SECONDS = 4  # in which not all of them fire
PATIENCE_SECONDS = 300.0
ITEM_LIMIT_BYTES = 400 * 1024  # DynamoDB


@pytest.fixture
def rules_file(tmp_path: Path, symbol: str) -> str:
    rule = {"symbol": symbol, "condition": "crosses-up", "levels": [100]}
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump([{"id": f"{symbol}-{n}", **rule} for n in range(RULES)]))
    return str(path)


def state_size_bytes(deployed: Deployed, symbol: str) -> int:
    """Tell how large the symbol's state is, about: its names and values as JSON."""
    item = deployed.emulator.client("dynamodb").get_item(
        TableName=deployed.outputs["table_name"],
        Key={"pk": {"S": f"SYMBOL#{symbol}"}, "sk": {"S": "STATE"}},
    )["Item"]
    return len(json.dumps(item, default=repr))  # an outbox of many rules is bytes


def test_a_burst_takes_as_many_invocations_as_it_takes_and_each_rule_fires_once(
    deployed: Deployed, alerts: Alerts, symbol: str, rules_file: str
) -> None:
    assert alerts.run("import", rules_file) == f"added {RULES} rules\n"
    path: list[dict[str, Any]] = [
        {"symbol": symbol, "price": price, "timestamp": f"2026-01-01T00:00:0{second}Z"}
        for second, price in enumerate((99, 101))
    ]
    handed_over = counted(deployed, "HandedOverMessages")
    sizes = [0]

    def are_done() -> bool:
        sizes.append(state_size_bytes(deployed, symbol))
        statuses = {r["status"] for r in json.loads(alerts.run("list", symbol, "--json"))}
        return statuses == {"triggered"}

    with reconfigured(deployed, TIMEOUT_SECONDS):
        deployed.pipeline.send(json.dumps(path))
        assert eventually(are_done, PATIENCE_SECONDS)
        fired = Counter(f["rule_id"] for f in json.loads(alerts.run("history", symbol, "--json")))
    assert (len(fired), set(fired.values())) == (RULES, {1})
    assert counted(deployed, "HandedOverMessages") > handed_over
    assert max(sizes) < ITEM_LIMIT_BYTES / 2
