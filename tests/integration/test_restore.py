"""Rules that were lost come back from the table as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.conftest import Alerts, Deployed


def test_the_rules_of_a_restored_table_can_be_had_back(
    deployed: Deployed, alerts: Alerts, symbol: str, tmp_path: Path
) -> None:
    dynamodb = deployed.emulator.client("dynamodb")
    live, restored = deployed.outputs["table_name"], f"restored-{symbol}"
    alerts.run("add", symbol, "crosses-up", "100", "--id", f"{symbol}-lost", "--note", "mine")
    let_table_be_set_back(dynamodb, live, is_on=True)
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=live, TargetTableName=restored, UseLatestRestorableTime=True
    )
    dynamodb.get_waiter("table_exists").wait(TableName=restored)
    try:
        alerts.run("remove", f"{symbol}-lost")
        file = tmp_path / "rules.yaml"
        file.write_text(alerts.run("export", "--table", restored))
        assert f"{symbol}-lost" in file.read_text()
        assert f"{symbol}-lost" not in alerts.run("export")
        assert alerts.run("import", str(file)).startswith("added 1 rule")
        assert json.loads(alerts.run("show", f"{symbol}-lost", "--json"))["note"] == "mine"
    finally:
        dynamodb.delete_table(TableName=restored)
        let_table_be_set_back(dynamodb, live, is_on=False)  # as it is deployed


def let_table_be_set_back(dynamodb: Any, name: str, *, is_on: bool) -> None:
    specification = {"PointInTimeRecoveryEnabled": is_on}
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification=specification
    )
