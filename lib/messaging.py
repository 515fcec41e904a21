"""Messaging: the queue that prices come in on, its dead-letter queue, and the alert topic."""

from __future__ import annotations

import hashlib

from cdktf import Fn
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_redrive_policy import SqsQueueRedrivePolicy
from constructs import Construct

from lib.names import Names
from lib.settings import Settings

__all__ = ["Messaging"]

# As long as the longest body that the handler reads.
MAX_MESSAGE_BYTES = 256 * 1024


class Messaging(Construct):
    """The queues and the topic.

    The provider lets a queue's attributes settle for some 25 s whenever it writes them. The
    redrive policy is a resource of its own so that both queues settle at the same time, and
    everything that only needs a queue's name does not wait for it.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        names = Names(settings.environment)
        self.queue = self._build_queue(
            "queue", settings, names.queue, settings.queue_retention_seconds
        )
        self.dead_letter_queue = self._build_queue(
            "dlq", settings, names.dead_letter_queue, settings.dlq_retention_seconds
        )
        SqsQueueRedrivePolicy(
            self,
            "redrive",
            queue_url=self.queue.url,
            # Not json.dumps: its blanks would come back as a change in every plan.
            redrive_policy=Fn.jsonencode(
                {
                    "deadLetterTargetArn": self.dead_letter_queue.arn,
                    "maxReceiveCount": settings.max_receive_count,
                }
            ),
        )
        self.topic = SnsTopic(self, "topic", name=names.topic)
        for subscription in settings.subscriptions:
            # Called after its content: with numbers, taking one away would move all behind it.
            content = f"{subscription.protocol} {subscription.endpoint}"
            SnsTopicSubscription(
                self,
                f"subscription-{hashlib.sha256(content.encode()).hexdigest()[:8]}",
                topic_arn=self.topic.arn,
                protocol=subscription.protocol,
                endpoint=subscription.endpoint,
            )

    def _build_queue(
        self, construct_id: str, settings: Settings, name: str, retention_seconds: int
    ) -> SqsQueue:
        return SqsQueue(
            self,
            construct_id,
            name=name,
            message_retention_seconds=retention_seconds,
            visibility_timeout_seconds=settings.visibility_timeout_seconds,
            max_message_size=MAX_MESSAGE_BYTES,
            sqs_managed_sse_enabled=True,
        )
