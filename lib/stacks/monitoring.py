"""Monitoring: alarms that tell the ops topic, and the dashboard."""

from __future__ import annotations

import json

from cdktf_cdktf_provider_aws.cloudwatch_dashboard import CloudwatchDashboard
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import (
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
)
from constructs import Construct

from lib.config.names import Account
from lib.config.settings import Settings
from lib.stacks.alarms import Alarm, Metric, alarms_of
from lib.stacks.dashboard import dashboard_body

_PERIOD_SECONDS = 60


class Monitoring(Construct):
    """The alarms and the dashboard.

    Parameters
    ----------
    scope, construct_id, settings
        As in every construct.
    account
        Where the stack stands.
    ops_topic_arn
        Who is told when an alarm goes off, and when it is over.
    """

    def __init__(  # the two leading ones are every construct's
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        account: Account,
        ops_topic_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = account.names
        self._ops_topic_arn = ops_topic_arn
        alarms = alarms_of(account.names, settings)
        for alarm in alarms:
            self._build(alarm)
        CloudwatchDashboard(
            self,
            "dashboard",
            dashboard_name=account.names.dashboard,
            dashboard_body=json.dumps(
                dashboard_body(account, [account.names.alarm(alarm.name) for alarm in alarms])
            ),
        )

    def _build(self, alarm: Alarm) -> None:
        CloudwatchMetricAlarm(
            self,
            alarm.name,
            alarm_name=self._names.alarm(alarm.name),
            alarm_description=f"{alarm.summary} What to do: docs/runbook.md, {alarm.name}.",
            comparison_operator="GreaterThanThreshold",
            threshold=alarm.threshold,
            evaluation_periods=alarm.minutes,
            # Where nothing happens there are no values, and nothing is wrong.
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=[self._ops_topic_arn],
            ok_actions=[self._ops_topic_arn],
            metric_query=_queries(alarm),
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
            period=_PERIOD_SECONDS,
            stat=metric.statistic,
        ),
        return_data=is_result,
    )
