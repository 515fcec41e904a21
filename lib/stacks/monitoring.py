"""Monitoring: alarms that notify the ops topic, and the dashboard."""

from __future__ import annotations

import json

from cdktf_cdktf_provider_aws.cloudwatch_dashboard import CloudwatchDashboard
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import (
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
)
from constructs import Construct

from lib.stacks.alarms import PERIOD_SECONDS, Alarm, Metric, alarms_of
from lib.stacks.context import Context
from lib.stacks.dashboard import dashboard_body


class Monitoring(Construct):
    """The alarms, which notify ops when they go off and when they are over, and the dashboard."""

    def __init__(
        self, scope: Construct, construct_id: str, context: Context, *, ops_topic_arn: str
    ) -> None:
        super().__init__(scope, construct_id)
        alarms = alarms_of(context.names, context.settings)
        names = [context.names.alarm(alarm.name) for alarm in alarms]
        for alarm, name in zip(alarms, names, strict=True):
            CloudwatchMetricAlarm(
                self,
                alarm.name,
                alarm_name=name,
                alarm_description=f"{alarm.summary} What to do: docs/runbook.md, {alarm.name}.",
                comparison_operator="GreaterThanThreshold",
                threshold=alarm.threshold,
                evaluation_periods=alarm.minutes,
                # Where nothing happens there are no values, and nothing is wrong.
                treat_missing_data="notBreaching",
                actions_enabled=True,
                alarm_actions=[ops_topic_arn],
                ok_actions=[ops_topic_arn],
                metric_query=_queries(alarm),
            )
        CloudwatchDashboard(
            self,
            "dashboard",
            dashboard_name=context.names.dashboard,
            dashboard_body=json.dumps(dashboard_body(context.account, names)),
        )


def _queries(alarm: Alarm) -> list[CloudwatchMetricAlarmMetricQuery]:
    if alarm.percent_of is None:
        return [_query("value", alarm.metric, is_result=True)]
    return [
        _query("part", alarm.metric),
        _query("whole", alarm.percent_of),
        CloudwatchMetricAlarmMetricQuery(
            id="percent",
            expression="IF(whole > 0, 100 * part / whole, 0)",
            label="percent",
            return_data=True,
        ),
    ]


def _query(
    query_id: str, metric: Metric, *, is_result: bool = False
) -> CloudwatchMetricAlarmMetricQuery:
    return CloudwatchMetricAlarmMetricQuery(
        id=query_id,
        metric=CloudwatchMetricAlarmMetricQueryMetric(
            namespace=metric.namespace,
            metric_name=metric.name,
            dimensions=dict(metric.dimensions),
            period=PERIOD_SECONDS,
            stat=metric.statistic,
        ),
        return_data=is_result,
    )
