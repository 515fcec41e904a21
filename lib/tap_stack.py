"""TapStack: the price-alert pipeline of one environment."""

from __future__ import annotations

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
from lib.stacks.encryption import Encryption
from lib.stacks.messaging import Messaging
from lib.stacks.monitoring import Monitoring
from lib.stacks.storage import Storage


class TapStack(TerraformStack):
    """Wires the constructs to each other, and what they made to the outputs.

    Parameters
    ----------
    scope
        The app.
    settings
        The environment's settings; the stack is named after it.
    package
        The function's zip; it must be there until the app is synthesized.
    has_boundary
        Whether CI deploys it, so that tap-ci limits what its role can be allowed, and its key lets
        CI's role in.
    """

    def __init__(
        self, scope: Construct, settings: Settings, package: Path, *, has_boundary: bool = False
    ) -> None:
        super().__init__(scope, settings.prefix)
        add_aws_provider(
            self,
            settings.region,
            tags={"stack": settings.prefix, **settings.tags},
            versions=settings.aws_provider,
        )
        account = Account(
            partition=DataAwsPartition(self, "partition").partition,
            account_id=DataAwsCallerIdentity(self, "caller").account_id,
            region=settings.region,
            names=Names(settings.environment, settings.is_fifo),
        )
        key_arn = Encryption(
            self, "encryption", settings, account, is_deployed_by_ci=has_boundary
        ).key_arn
        messaging = Messaging(self, "messaging", settings, account=account, key_arn=key_arn)
        storage = Storage(self, "storage", settings, account=account, key_arn=key_arn)
        alerts = AlertFunction(
            self,
            "alerts",
            settings,
            package=package,
            account=account,
            messaging=messaging,
            storage=storage,
            key_arn=key_arn,
            has_boundary=has_boundary,
        )
        Monitoring(
            self,
            "monitoring",
            settings,
            account=account,
            ops_topic_arn=messaging.ops_topic.arn,
        )
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
