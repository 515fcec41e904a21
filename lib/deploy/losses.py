"""What ``make destroy`` begins with: what there is to lose, counted."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lib.client.history import count_firings
from lib.client.session import now_microseconds
from lib.client.status import QueueStatus, TableStatus, read_queue, read_table
from lib.client.target import Target
from lib.config.document import (
    ConfigurationError,
    environment_names,
    read_configuration,
    stack_name,
)
from lib.config.names import Account
from lib.config.settings import load_settings
from lib.deploy.preflight.asking import if_there
from lib.formats.errors import CliError

_CONFIGURATION = Path(__file__).parents[2] / "cdktf.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a stack holds; ``None`` for a part that is not there.

    Attributes
    ----------
    firings
        How many are recorded.
    is_protected, can_be_set_back
        Whether the table has deletion protection, and point-in-time recovery.
    alert_subscriptions, people_subscriptions, alarm_subscriptions
        How many get alerts as JSON, alerts as sentences, and alarms.
    """

    account_id: str
    table: TableStatus | None = None
    firings: int = 0
    is_protected: bool = False
    can_be_set_back: bool = False
    queue: QueueStatus | None = None
    dead_letter_queue: QueueStatus | None = None
    alert_subscriptions: int | None = None
    people_subscriptions: int | None = None
    alarm_subscriptions: int | None = None


def read_holdings(target: Target, now_microseconds: int) -> Holdings:
    """Count what a stack holds; any part may be gone, if it is half destroyed."""
    caller = target.client("sts").get_caller_identity()
    partition, account_id = caller["Arn"].split(":")[1], caller["Account"]
    account = Account(partition, account_id, target.region, target.names)
    tables, topics = target.client("dynamodb"), target.client("sns")
    name = target.names.table
    described = if_there(lambda: tables.describe_table(TableName=name)["Table"])
    if described is None:
        table, firings, can_be_set_back = None, 0, False
    else:
        table = read_table(target.table, now_microseconds)
        firings = count_firings(target.table)
        backups = tables.describe_continuous_backups(TableName=name)
        recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        can_be_set_back = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
    return Holdings(
        account_id=account_id,
        table=table,
        firings=firings,
        is_protected=bool(described and described.get("DeletionProtectionEnabled")),
        can_be_set_back=can_be_set_back,
        queue=if_there(lambda: read_queue(target.sqs, target.queue_url)),
        dead_letter_queue=if_there(lambda: read_queue(target.sqs, target.dead_letter_queue_url)),
        alert_subscriptions=if_there(lambda: _subscriptions(topics, account.topic)),
        people_subscriptions=if_there(lambda: _subscriptions(topics, account.people_topic)),
        alarm_subscriptions=if_there(lambda: _subscriptions(topics, account.ops_topic)),
    )


def losses(holdings: Holdings, environment: str, region: str) -> list[str]:
    """Return lines that say what will be lost."""
    where = f"{stack_name(environment)} in {region}"
    facts = {name: fact for name, fact in _facts(holdings).items() if fact}
    if not facts:
        return [f"nothing of {where}, account {holdings.account_id}, is there to be lost"]
    lines = [f"make destroy takes away {where}, account {holdings.account_id}, with"]
    lines += [f"  {name:<13}  {fact}" for name, fact in facts.items()]
    if holdings.table is not None and holdings.table.rules:
        command = f"./alerts export --environment {environment} > rules.yaml"
        lines.append(f"To keep the rules (not their status), first: {command}")
    return lines


def main() -> None:
    """Print it; with deletion protection, end with exit code 1 before anything is destroyed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", help="whose stack: dev, prod, …")
    environment = parser.parse_args().environment
    try:
        if environment in environment_names(read_configuration(_CONFIGURATION)):
            _report(environment)
    except (CliError, ConfigurationError) as reason:
        print(f"what will be lost cannot be told: {reason}", flush=True)  # noqa: T201  # a command's own output


def _report(environment: str) -> None:
    # Terraform destroys it there, whatever AWS tools are set to.
    region = load_settings(_CONFIGURATION, environment).region
    target = Target(environment, _CONFIGURATION, region)
    try:
        holdings = read_holdings(target, now_microseconds())
    except (BotoCoreError, ClientError, ResponseParserError) as failure:
        raise target.explained(failure) from None
    print(*losses(holdings, environment, region), sep="\n", flush=True)  # noqa: T201  # the same
    if holdings.is_protected:
        sys.exit(
            "error: nothing was destroyed, for AWS would refuse the table when all the rest is "
            f"gone: set deletion_protection of {environment} to false in cdktf.json, make deploy "
            f"ENV={environment}, and try again"
        )


def _facts(holdings: Holdings) -> dict[str, str]:
    """Describe what is there, by name; the text is empty for what is not there."""
    subscriptions = [
        (holdings.alert_subscriptions, "to alerts"),
        (holdings.people_subscriptions, "to alerts for people"),
        (holdings.alarm_subscriptions, "to alarms"),
    ]
    facts = {
        "messages": _joined(
            _messages(holdings.queue, "in the queue"),
            _messages(holdings.dead_letter_queue, "in the dead-letter queue"),
        ),
        "subscriptions": _joined(
            *(f"{count} {what}" for count, what in subscriptions if count is not None)
        ),
    }
    if any(count for count, _ in subscriptions):
        facts["subscriptions"] += "; e-mail addresses would have to confirm again"
    if holdings.table is None:
        return facts
    rules, set_aside = holdings.table.rules, holdings.table.rules_set_aside
    # Source: Amazon DynamoDB, "Point-in-time recovery", deleting a table.
    backup = (
        "AWS keeps a last backup of the table for 35 days, readable as long as its key is there"
    )
    return {
        "rules": _joined(
            *(f"{rules[status]} {status}" for status in sorted(rules)),
            f"{set_aside} set aside" if set_aside else "",
        )
        or "none",
        "firings": f"{holdings.firings} recorded",
        **facts,
        "recovery": f"on: {backup}"
        if holdings.can_be_set_back
        else "off: nothing brings the table back",
        "protection": "on: AWS refuses to delete the table"
        if holdings.is_protected
        else "off: the table goes with the rest",
    }


def _subscriptions(topics: Any, arn: str) -> int:
    pages = topics.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    return sum(len(page["Subscriptions"]) for page in pages)


def _messages(queue: QueueStatus | None, where: str) -> str:
    return "" if queue is None else f"{queue.waiting + queue.in_flight + queue.delayed} {where}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


if __name__ == "__main__":
    main()
