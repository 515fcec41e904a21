"""The end of the session's deployment: in a file of its own, which comes last."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Deployed


@pytest.mark.destroys
def test_destroy_leaves_nothing(deployed: Deployed) -> None:
    deployed.deployment.destroy()

    client = deployed.emulator.client
    subscriber_url = client("sqs").get_queue_url(QueueName=deployed.subscriber.arn.split(":")[-1])
    assert client("sqs").list_queues()["QueueUrls"] == [subscriber_url["QueueUrl"]]
    assert client("dynamodb").list_tables()["TableNames"] == []
    assert client("lambda").list_functions()["Functions"] == []
    assert client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert client("sns").list_topics()["Topics"] == []
    assert client("iam").list_roles()["Roles"] == []
    assert client("iam").list_policies(Scope="Local")["Policies"] == []
    assert client("logs").describe_log_groups()["logGroups"] == []
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client("cloudwatch").list_dashboards()["DashboardEntries"] == []
