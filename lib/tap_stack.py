"""TapStack: the price-alert pipeline of one environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from lib.stacks.aws_provider import add_aws_provider  # first: it makes the imports below quick

# isort: split

from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition

from lib.config.names import Account, Names, dashboard_url
from lib.config.settings import Settings
from lib.stacks.alert_function import AlertFunction
from lib.stacks.context import Context
from lib.stacks.messaging import Messaging
from lib.stacks.monitoring import Monitoring
from lib.stacks.storage import Encryption, Storage


class TapStack(TerraformStack):
    """Creates the parts, connects them, and outputs what a user of the stack needs.

    Parameters
    ----------
    scope
        The app.
    settings
        The environment's settings; the stack is named after it.
    package
        The function's zip; it must exist until the app is synthesized.
    has_boundary
        Whether CI deploys the stack: tap-ci then limits what the function's role can be allowed,
        and CI's role may use the stack's key.
    """

    def __init__(
        self, scope: Construct, settings: Settings, package: Path, *, has_boundary: bool = False
    ) -> None:
        super().__init__(scope, settings.prefix)
        tags = {"stack": settings.prefix, **settings.tags}
        add_aws_provider(self, settings.region, tags=tags, versions=settings.aws_provider)
        account = Account(
            partition=DataAwsPartition(self, "partition").partition,
            account_id=DataAwsCallerIdentity(self, "caller").account_id,
            region=settings.region,
            names=Names(settings.environment, settings.is_fifo),
        )
        context = Context(settings=settings, account=account, has_boundary=has_boundary)
        context = replace(context, key_arn=Encryption(self, "encryption", context).key_arn)
        messaging = Messaging(self, "messaging", context)
        storage = Storage(self, "storage", context)
        alerts = AlertFunction(
            self, "alerts", context, package=package, messaging=messaging, storage=storage
        )
        Monitoring(self, "monitoring", context, ops_topic_arn=messaging.ops_topic.arn)
        outputs = {
            "queue_url": messaging.queue.url,
            "dlq_url": messaging.dead_letter_queue.url,
            "topic_arn": messaging.topic.arn,
            "ops_topic_arn": messaging.ops_topic.arn,
            "table_name": storage.table.name,
            "function_name": alerts.function.function_name,
            "dashboard_url": dashboard_url(account),
        }
        if messaging.people_topic:
            outputs["people_topic_arn"] = messaging.people_topic.arn
        for name, value in outputs.items():
            TerraformOutput(self, name, value=value)
