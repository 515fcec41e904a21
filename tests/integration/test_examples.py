"""The examples do what they say, on the deployed stack."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import Alerts, Deployed, eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_feed_sends_prices(deployed: Deployed, alerts: Alerts, symbol: str) -> None:
    variables = {**deployed.emulator.variables, "AWS_DEFAULT_REGION": deployed.emulator.region}
    alerts.run("add", symbol, "above", "0", "--id", f"feed-{symbol}")
    command = [sys.executable, str(EXAMPLES / "feed.py"), deployed.outputs["queue_url"], symbol]
    with subprocess.Popen(command, env={**os.environ, **variables}) as feed:
        try:
            assert eventually(lambda: len(json.loads(alerts.run("history", symbol, "--json"))) == 1)
        finally:
            feed.terminate()


def test_the_subscriber_gets_each_alert_once(
    deployed: Deployed, alerts: Alerts, symbol: str
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(EXAMPLES / "subscriber.py", "subscriber.py")
    functions = deployed.emulator.client("lambda")
    ours = functions.get_function_configuration(FunctionName=deployed.outputs["function_name"])
    arn = functions.create_function(
        FunctionName="example-subscriber",
        Runtime=ours["Runtime"],
        Role=ours["Role"],
        Handler="subscriber.handler",
        Code={"ZipFile": content.getvalue()},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName=arn,
        StatementId="alerts",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=deployed.outputs["topic_arn"],
    )
    sns = deployed.emulator.client("sns")
    subscription = sns.subscribe(
        TopicArn=deployed.outputs["topic_arn"], Protocol="lambda", Endpoint=arn
    )["SubscriptionArn"]
    alerts.run("add", symbol, "crosses-up", "5", "--note", "sell half")
    alerts.run("publish", f"{symbol}=4", f"{symbol}=6")
    logs = deployed.emulator.client("logs")

    def printed() -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="/aws/lambda/example-subscriber"
        )
        lines = [event["message"].strip() for page in pages for event in page["events"]]
        return [line for line in lines if line.startswith(symbol)]

    try:
        assert eventually(lambda: "example-subscriber" in str(logs.describe_log_groups()))
        assert eventually(lambda: bool(printed()))
        event = {"Records": [{"Sns": {"Message": json.dumps(alert(symbol))}}] * 2}
        functions.invoke(FunctionName=arn, Payload=json.dumps(event))
        assert eventually(lambda: len(printed()) == 2)
        assert printed() == [f"{symbol} is at 6: sell half", f"{symbol} is at 7: up it went"]
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        functions.delete_function(FunctionName=arn)
        logs.delete_log_group(logGroupName="/aws/lambda/example-subscriber")


def alert(symbol: str) -> dict[str, str]:
    return {
        "firing_id": "again",
        "symbol": symbol,
        "price": "7",
        "note": "",
        "text": "up it went",
    }


@pytest.mark.parametrize("name", ["stocks.yaml", "crypto.yaml"])
def test_the_rules_can_be_imported(alerts: Alerts, name: str) -> None:
    file = EXAMPLES / name
    ids = [rule["id"] for rule in yaml.safe_load(file.read_text("utf-8"))]
    alerts.run("import", str(file))
    listed = {rule["id"]: rule["status"] for rule in json.loads(alerts.run("list", "--json"))}
    assert [listed.get(each) for each in ids] == ["active"] * len(ids)
    alerts.run("remove", *ids)
