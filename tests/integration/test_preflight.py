"""What is told before a deployment, after one, and before its end: with the real tools."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.config.settings import Settings
from lib.deploy.next_steps import next_steps
from lib.local.deployment import ENVIRONMENT
from lib.local.emulator import Emulator, running_emulator
from lib.local.toolchain import Toolchain
from tests.integration.conftest import Alerts, Deployed, eventually
from tests.integration.laptop import Laptop

REGION = {"AWS_REGION": "us-east-1"}
# The embedded AWS has no hosts of buckets' names.
BLOCK: dict[str, Any] = {"key": "{stack}", "region": "us-east-1", "use_path_style": True}


@pytest.fixture(scope="module")
def empty(ministack: Path) -> Iterator[Emulator]:
    """An account in which there is nothing."""
    with running_emulator(ministack, "us-east-1") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def onlooker(emulator: Emulator) -> Emulator:
    """A user who sees functions and nothing else.

    To those whom it does not allow that, the emulator gives an answer without a request's id.
    """
    iam = emulator.client("iam")
    iam.create_user(UserName="onlooker")
    statement = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    iam.put_user_policy(
        UserName="onlooker",
        PolicyName="functions",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName="onlooker")["AccessKey"]
    return replace(
        emulator, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"]
    )


@pytest.fixture
def laptop(tmp_path: Path, toolchain: Toolchain, empty: Emulator) -> Laptop:
    """A clone with credentials for the empty account."""
    return clone(tmp_path, toolchain, empty)


@pytest.fixture
def stranger(tmp_path: Path, toolchain: Toolchain, deployed: Deployed) -> Laptop:
    """A clone with credentials for the account of the deployed stack, and without its state."""
    return clone(tmp_path, toolchain, deployed.emulator)


def clone(folder: Path, toolchain: Toolchain, account: Emulator) -> Laptop:
    home = folder / "laptop"
    home.mkdir()
    return Laptop(home, toolchain, account)


def preflight(laptop: Laptop, environment: str = "dev", **variables: str) -> tuple[int, list[str]]:
    exit_code, output = laptop.make("preflight", environment, variables={**REGION, **variables})
    return exit_code, output.splitlines()


def told(lines: list[str], *levels: str) -> list[str]:
    return [line for line in lines if line.split()[0] in levels]


# --- before a deployment -----------------------------------------------------------------


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_laptop_in_order_is_told_so(laptop: Laptop, environment: str) -> None:
    exit_code, lines = preflight(laptop, environment)
    assert (exit_code, told(lines, "warning", "error", "skipped")) == (0, [])
    assert [line.split()[1] for line in told(lines, "ok")] == [
        *("Terraform", "Node", "cdktf", "backend", "settings", "region", "credentials", "clock"),
        "concurrency",
    ]


def test_a_bucket_that_is_missing_a_concurrency_and_an_old_node_are_told_at_once(
    laptop: Laptop, tmp_path: Path
) -> None:
    laptop.write_backend(
        "s3", {"bucket": "nobodys", "key": "{stack}", "region": "us-east-1", "use_lockfile": True}
    )
    laptop.write_setting("reserved_concurrency", 100_000)
    (tmp_path / "node").write_text("#!/bin/sh\necho v18.0.0\n")
    (tmp_path / "node").chmod(0o755)

    exit_code, lines = preflight(laptop, PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert exit_code != 0
    faults = told(lines, "error")
    assert [line.split()[1] for line in faults] == ["Node", "state", "concurrency"]
    assert faults[1].endswith("there is no bucket nobodys: make migrate ENV=state makes it")
    assert "reserved_concurrency is 100000, and the account has " in faults[2]


@pytest.mark.parametrize(
    ("caller", "text"),
    [
        (("access_key_id", "nobody"), "AWS does not know these credentials"),
        (("secret_access_key", "wrong"), "AWS does not know these credentials"),
        (("endpoint", "http://127.0.0.1:9"), "AWS cannot be reached: check the network"),
    ],
)
def test_credentials_that_do_not_work_are_told_of(
    tmp_path: Path, toolchain: Toolchain, onlooker: Emulator, caller: tuple[str, str], text: str
) -> None:
    laptop = clone(tmp_path, toolchain, replace(onlooker, **dict([caller])))
    exit_code, lines = preflight(laptop)
    assert exit_code != 0
    [fault] = told(lines, "error")
    assert fault.split()[1] == "credentials"
    assert text in fault


def test_a_lock_that_was_left_behind_is_taken_away_by_what_is_told(
    laptop: Laptop, empty: Emulator
) -> None:
    lock = {"ID": "0b5c", "Who": "dev@elsewhere", "Created": "2026-11-22T15:00:00Z"}
    s3 = empty.client("s3")
    s3.create_bucket(Bucket="locked")
    s3.put_object(Bucket="locked", Key="tap-dev.tflock", Body=json.dumps(lock))
    laptop.write_backend("s3", {**BLOCK, "bucket": "locked", "use_lockfile": True})

    exit_code, lines = preflight(laptop)

    assert exit_code != 0
    [fault] = told(lines, "error")
    assert "is held by dev@elsewhere since 2026-11-22T15:00:00Z: wait until" in fault
    command = fault.partition("if none is running, ")[2]
    exit_code, output = laptop.type(command.replace("force-unlock", "force-unlock -force"))
    assert exit_code == 0, output
    assert told(preflight(laptop)[1], "error") == []


@pytest.mark.deep
def test_a_lock_table_that_is_missing_is_made_by_what_is_told(laptop: Laptop) -> None:
    laptop.write_backend("s3", {**BLOCK, "bucket": "states", "use_lockfile": True})
    assert laptop.make("migrate", "state")[0] == 0
    laptop.write_backend("s3", {**BLOCK, "bucket": "states", "dynamodb_table": "locks"})

    exit_code, lines = preflight(laptop, "state")

    assert exit_code != 0
    [fault] = told(lines, "error")
    found = re.search(r"there is no table locks: (.*) make deploy ENV=state (\S+) makes it", fault)
    assert found is not None
    variables = dict(word.split("=", 1) for word in [*found[1].split(), found[2]])
    exit_code, output = laptop.make("deploy", "state", variables=variables)
    assert exit_code == 0, output
    assert told(preflight(laptop, "state")[1], "error") == []


def test_nothing_is_deployed_while_preflight_objects(laptop: Laptop, empty: Emulator) -> None:
    laptop.write_setting("reserved_concurrency", 100_000)
    exit_code, output = laptop.make("deploy", "dev", variables=REGION)
    assert exit_code != 0
    assert "error: 1 of these would make the deployment of tap-dev fail" in output
    assert "Deploying" not in output
    assert empty.client("sqs").list_queues().get("QueueUrls", []) == []


def test_a_stack_that_is_deployed_from_elsewhere_is_told_of(stranger: Laptop) -> None:
    exit_code, lines = preflight(stranger)
    assert exit_code != 0
    [fault] = told(lines, "error")
    assert "tap-dev is there, but this state knows nothing of it" in fault


def test_what_may_not_be_seen_is_warned_of(
    tmp_path: Path, toolchain: Toolchain, emulator: Emulator, onlooker: Emulator
) -> None:
    emulator.client("s3").create_bucket(Bucket="unseen")
    laptop = clone(tmp_path, toolchain, onlooker)
    laptop.write_backend("s3", {"bucket": "unseen", "key": "{stack}", "region": "us-east-1"})
    exit_code, lines = preflight(laptop)
    assert (exit_code, told(lines, "error")) == (0, [])
    assert told(lines, "warning")[1:] == [
        "warning  state        cannot be looked at: have s3:ListBucket allowed, or see to it "
        "yourself"
    ]


# --- after a deployment ------------------------------------------------------------------


def test_what_is_to_be_tried_works(deployed: Deployed, alerts: Alerts) -> None:
    lines = next_steps(Settings(environment=ENVIRONMENT, region="us-east-1"))
    add, publish, history, status = (line.split()[1:] for line in lines if "./alerts" in line)
    added = alerts.run(*add)
    alerts.run(*publish)
    rule_id = added.split()[1].rstrip(":")
    assert eventually(lambda: rule_id in alerts.run(*history))
    assert "rules" in alerts.run(*status)
    alerts.run("remove", rule_id)


# --- before a stack's end ----------------------------------------------------------------


@contextmanager
def protected(deployed: Deployed) -> Iterator[None]:
    """Protect the table from deletion for a while."""
    tables = deployed.emulator.client("dynamodb")
    name = deployed.outputs["table_name"]
    tables.update_table(TableName=name, DeletionProtectionEnabled=True)
    try:
        yield
    finally:
        tables.update_table(TableName=name, DeletionProtectionEnabled=False)


def count_subscriptions(deployed: Deployed, topic: str) -> int:
    """Count what is there now: other tests subscribe to the same topics."""
    answer = deployed.emulator.client("sns").list_subscriptions_by_topic(
        TopicArn=deployed.outputs[topic]
    )
    return len(answer["Subscriptions"])


def test_what_will_be_lost_is_told_before_it_is_destroyed(
    stranger: Laptop, deployed: Deployed, alerts: Alerts, symbol: str
) -> None:
    alerts.run("add", symbol, "above", "7", "--id", symbol.lower())
    exit_code, output = stranger.make("destroy", "dev")  # of an empty state: nothing is destroyed
    alerts.run("remove", symbol.lower())
    assert exit_code == 0, output
    lines = output.splitlines()
    table: Any = json.loads(alerts.run("status", "--json"))["table"]
    assert lines[0] == "make destroy takes away tap-dev in us-east-1, account 000000000000, with"
    assert lines[1].split()[0] == "rules"
    assert "active" in lines[1]
    assert lines[2].split() == ["firings", str(table["firings_of_last_day"]), "recorded"]
    to_alerts, for_people, to_alarms = (
        count_subscriptions(deployed, topic)
        for topic in ("topic_arn", "people_topic_arn", "ops_topic_arn")
    )
    assert min(to_alerts, for_people) > 0
    assert lines[4].startswith(
        f"subscriptions  {to_alerts} to alerts, {for_people} to alerts for people, "
        f"{to_alarms} to alarms;"
    )
    assert lines[5:8] == [
        "recovery       off: nothing brings the table back",
        "protection     off: the table goes with the rest",
        "To keep the rules (not their status), first: "
        "./alerts export --environment dev > rules.yaml",
    ]


def test_a_table_that_is_protected_stops_it(stranger: Laptop, deployed: Deployed) -> None:
    with protected(deployed):
        exit_code, output = stranger.make("destroy", "dev")
    assert exit_code != 0
    assert "error: nothing was destroyed, for AWS would refuse the table" in output.splitlines()[-2]


def test_where_nothing_is_deployed_one_line_says_so(laptop: Laptop) -> None:
    exit_code, output = laptop.make("destroy", "dev")
    assert exit_code == 0, output
    assert output.splitlines()[0] == (
        "nothing of tap-dev in us-east-1, account 000000000000, is there to be lost"
    )
