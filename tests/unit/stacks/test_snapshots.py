"""Every stack is what its snapshot holds, and keeps the rules that no snapshot can state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.config.settings import Settings
from lib.tap_stack import TapStack
from tests.unit.stacks.snapshots import (
    CHANGES,
    PROD,
    SETTINGS,
    STACKS,
    Stack,
    documents,
    read,
    synthesize,
)
from tools.stack_differences import find_differences


@pytest.mark.parametrize("name", [*STACKS, "changes"])
def test_a_stack_is_what_its_snapshot_holds(stacks: dict[str, Stack], name: str) -> None:
    assert [*find_differences(read(name), documents(stacks)[name])] == []


def test_the_snapshots_show_what_each_setting_changes() -> None:
    changed = {name for values in SETTINGS.values() for name in values}
    assert changed == {field.name for field in fields(Settings)} - {"environment"}
    numbers = SETTINGS["numbers"].values()
    assert len({*numbers}) == len(numbers)


def test_a_subscription_keeps_its_address_when_one_before_it_goes(
    stacks: dict[str, Stack], package: Path
) -> None:
    access = SETTINGS["access"]
    fewer = replace(PROD, **{**access, "subscriptions": access["subscriptions"][1:]})
    after = synthesize(TapStack(cdktf.Testing.app(), fewer, package))
    before, after = (
        stack["resource"]["aws_sns_topic_subscription"] for stack in (stacks["prod, access"], after)
    )
    assert len(after) == len(before) - 1
    assert after.items() <= before.items()


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_every_name_begins_with_the_stack_s(stacks: dict[str, Stack], name: str) -> None:
    keys = ("name", "function_name", "alarm_name", "dashboard_name")
    names = [
        attributes[key].removeprefix("/aws/lambda/").removeprefix("alias/")
        for resources in stacks[name]["resource"].values()
        for attributes in resources.values()
        for key in keys
        if not attributes.get(key, "${").startswith("${")
    ]
    assert len(names) >= 20
    assert [each for each in names if not f"{each}-".startswith(f"tap-{name}-")] == []


def policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every policy with the kind of its resource."""
    for kind, resources in stack["resource"].items():
        for attributes in resources.values():
            for key in ("policy", "assume_role_policy"):
                if key in attributes:
                    yield kind, attributes[key]


@pytest.mark.parametrize("name", [*STACKS, *CHANGES])
def test_aws_accepts_the_policies(deployed: dict[str, Stack], name: str) -> None:
    """Source: IAM and STS quotas; IAM, "JSON policy elements: Sid"."""
    most = {"aws_iam_policy": 6_144, "aws_iam_role_policy": 10_240}
    for kind, policy in policies(deployed[name]):
        assert len(json.dumps(policy)) < most.get(kind, 8_192)
        names = Counter(each["Sid"] for each in policy["Statement"] if "Sid" in each)
        assert set(names.values()) <= {1}


@pytest.mark.parametrize("name", [each for each in ("prod", *CHANGES) if each.startswith("prod")])
def test_everything_that_is_kept_or_sent_has_the_stack_s_own_key(
    stacks: dict[str, Stack], name: str
) -> None:
    keyed = {
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_lambda_function": "kms_key_arn",
        "aws_sns_topic": "kms_master_key_id",
        "aws_sqs_queue": "kms_master_key_id",
    }
    resources = stacks[name]["resource"]
    (table,) = resources["aws_dynamodb_table"].values()
    used = {
        table["server_side_encryption"].get("kms_key_arn"),
        *(each.get(key) for kind, key in keyed.items() for each in resources[kind].values()),
    }
    keys = resources.get("aws_kms_key", {})
    own: set[str | None] = {f"${{aws_kms_key.{address}.arn}}" for address in keys}
    # Without a key of its own: AWS's; CloudWatch may not use the one of SNS.
    assert used == (own or {None, "alias/aws/sns"})


def test_every_alarm_notifies_ops_when_it_goes_off_and_when_it_is_over(
    stacks: dict[str, Stack],
) -> None:
    for stack in stacks.values():
        for alarm in stack["resource"].get("aws_cloudwatch_metric_alarm", {}).values():
            (ops,) = [name for name in stack["resource"]["aws_sns_topic"] if "_ops_" in name]
            assert (
                alarm["alarm_actions"] == alarm["ok_actions"] == [f"${{aws_sns_topic.{ops}.arn}}"]
            )
