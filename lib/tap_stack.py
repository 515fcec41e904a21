"""TapStack: the price-alert pipeline of one environment."""

from __future__ import annotations

from pathlib import Path

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from lib.aws_provider import add_aws_provider  # first: it makes the imports below quick

# isort: split

from lib.alert_function import AlertFunction
from lib.messaging import Messaging
from lib.settings import Settings
from lib.storage import Storage

__all__ = ["TapStack"]


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
    """

    def __init__(self, scope: Construct, settings: Settings, package: Path) -> None:
        super().__init__(scope, settings.prefix)
        add_aws_provider(self, settings.region)
        messaging = Messaging(self, "messaging", settings)
        storage = Storage(self, "storage", settings)
        alerts = AlertFunction(
            self,
            "alerts",
            settings,
            package=package,
            messaging=messaging,
            table=storage.table,
        )
        for name, value in {
            "queue_url": messaging.queue.url,
            "dlq_url": messaging.dead_letter_queue.url,
            "topic_arn": messaging.topic.arn,
            "table_name": storage.table.name,
            "function_name": alerts.function.function_name,
        }.items():
            TerraformOutput(self, name, value=value)
