"""The end of the session's deployment: in a file of its own, which comes last."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Deployed

STACK = "tap-dev"


def left(deployed: Deployed) -> list[str]:
    """List what is there and has the stack's name; other tests may have left things of theirs."""
    client = deployed.emulator.client
    lambda_ = client("lambda")
    documents = [
        *client("sqs").list_queues().get("QueueUrls", []),
        *client("dynamodb").list_tables()["TableNames"],
        *lambda_.list_functions()["Functions"],
        *lambda_.list_event_source_mappings()["EventSourceMappings"],
        *client("sns").list_topics()["Topics"],
        *client("iam").list_roles()["Roles"],
        *client("iam").list_policies(Scope="Local")["Policies"],
        *client("logs").describe_log_groups()["logGroups"],
        *client("cloudwatch").describe_alarms()["MetricAlarms"],
        *client("cloudwatch").list_dashboards()["DashboardEntries"],
    ]
    return [text for text in map(str, documents) if STACK in text]


@pytest.mark.destroys
def test_destroy_leaves_nothing(deployed: Deployed) -> None:
    kinds = 10  # at least one of each of the above
    assert len(left(deployed)) > kinds
    deployed.deployment.destroy()
    assert left(deployed) == []
