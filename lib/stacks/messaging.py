"""Messaging: the queue that prices arrive on, its dead-letter queue, and the topics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from cdktf import Fn
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_redrive_policy import SqsQueueRedrivePolicy
from constructs import Construct

from lib.config.entries import Subscription
from lib.stacks.context import Context
from lib.stacks.policies import (
    dead_letter_queue_policy,
    ops_topic_policy,
    queue_policy,
    topic_policy,
)

# As long as the longest body that the handler reads.
MAX_MESSAGE_BYTES = 256 * 1024


class Messaging(Construct):
    """The queues and topics; people have a topic if the settings name an e-mail address or phone.

    The provider waits some 25 s for a queue's attributes to settle whenever it writes them. So
    everything possible is set on the queues themselves; the redrive policy is a resource of its
    own, so that both queues settle at the same time, and whatever needs only a queue's name does
    not wait.
    """

    def __init__(self, scope: Construct, construct_id: str, context: Context) -> None:
        super().__init__(scope, construct_id)
        settings, account, names = context.settings, context.account, context.names
        self.queue = self._build_queue(
            "queue",
            context,
            name=names.queue,
            message_retention_seconds=settings.queue_retention_seconds,
            policy=queue_policy(account, settings),
        )
        self.dead_letter_queue = self._build_queue(
            "dlq",
            context,
            name=names.dead_letter_queue,
            message_retention_seconds=settings.dlq_retention_seconds,
            policy=dead_letter_queue_policy(account),
            redrive_allow_policy=Fn.jsonencode(
                {"redrivePermission": "byQueue", "sourceQueueArns": [account.queue]}
            ),
        )
        SqsQueueRedrivePolicy(
            self,
            "redrive",
            queue_url=self.queue.url,
            # Not json.dumps: every plan would show its blanks as a change.
            redrive_policy=Fn.jsonencode(
                {
                    "deadLetterTargetArn": self.dead_letter_queue.arn,
                    "maxReceiveCount": settings.max_receive_count,
                }
            ),
        )
        # Any role of the account may use the key that AWS manages, but CloudWatch may not.
        key = context.key_arn or "alias/aws/sns"
        policy = topic_policy(account, settings, account.topic)
        self.topic = self._build_topic("topic", names.topic, key, policy, settings.programs)
        self.people_topic: SnsTopic | None = None
        if settings.people:
            policy = topic_policy(account, settings, account.people_topic)
            self.people_topic = self._build_topic(
                "people", names.people_topic, key, policy, settings.people
            )
        policy = ops_topic_policy(account)
        self.ops_topic = self._build_topic(
            "ops", names.ops_topic, context.key_arn, policy, settings.ops_subscriptions
        )

    def _build_queue(self, construct_id: str, context: Context, **more: Any) -> SqsQueue:
        if context.key_arn:
            more["kms_master_key_id"] = context.key_arn
        else:
            more["sqs_managed_sse_enabled"] = True
        if context.settings.is_fifo:
            # Throughput is limited by each symbol's order, and not for all symbols together.
            more |= {
                "fifo_queue": True,
                "content_based_deduplication": True,
                "deduplication_scope": "messageGroup",
                "fifo_throughput_limit": "perMessageGroupId",
            }
        return SqsQueue(
            self,
            construct_id,
            visibility_timeout_seconds=context.settings.visibility_timeout_seconds,
            max_message_size=MAX_MESSAGE_BYTES,
            **more,
        )

    def _build_topic(
        self,
        construct_id: str,
        name: str,
        key: str | None,
        policy: str,
        subscriptions: Iterable[Subscription],
    ) -> SnsTopic:
        topic = SnsTopic(self, construct_id, name=name, kms_master_key_id=key)
        prefix = "" if construct_id == "topic" else f"{construct_id}-"
        subscribed = [
            SnsTopicSubscription(
                self,
                f"{prefix}subscription-{_id_of(subscription)}",
                topic_arn=topic.arn,
                protocol=subscription.protocol,
                endpoint=subscription.endpoint,
            )
            for subscription in subscriptions
        ]
        # Last, because the embedded AWS does not see the protocol of a subscription.
        SnsTopicPolicy(
            self,
            f"{construct_id}-policy",
            arn=topic.arn,
            policy=policy,
            depends_on=subscribed or None,
        )
        return topic


def _id_of(subscription: Subscription) -> str:
    """Name a subscription by its content: numbers would shift all that follow a removed one."""
    content = f"{subscription.protocol} {subscription.endpoint}"
    return hashlib.sha256(content.encode()).hexdigest()[:8]
