"""Messaging: the queue that prices come in on, its dead-letter queue, and the topics."""

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
from lib.config.names import Account
from lib.config.settings import Settings
from lib.stacks.policies import (
    dead_letter_queue_policy,
    ops_topic_policy,
    queue_policy,
    topic_policy,
)

# As long as the longest body that the handler reads.
MAX_MESSAGE_BYTES = 256 * 1024


class Messaging(Construct):
    """The queues and the topics; people have one if the settings name an e-mail address or a phone.

    The provider lets a queue's attributes settle for some 25 s whenever it writes them. All that
    can stand in the queues themselves does; the redrive policy is a resource of its own so that
    both queues settle at the same time, and everything that only needs a queue's name does not wait
    for it.

    Parameters
    ----------
    scope, construct_id, settings
        As in every construct.
    account
        Where the stack stands.
    key_arn
        The stack's key; ``None`` for AWS's own.
    """

    def __init__(  # the two leading ones are every construct's
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        account: Account,
        key_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._key_arn = key_arn
        names = account.names
        self.queue = self._build_queue(
            "queue",
            name=names.queue,
            message_retention_seconds=settings.queue_retention_seconds,
            policy=queue_policy(account, settings),
        )
        self.dead_letter_queue = self._build_queue(
            "dlq",
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
            # Not json.dumps: its blanks would come back as a change in every plan.
            redrive_policy=Fn.jsonencode(
                {
                    "deadLetterTargetArn": self.dead_letter_queue.arn,
                    "maxReceiveCount": settings.max_receive_count,
                }
            ),
        )
        # The key that AWS manages lets any role of the account use it, but not CloudWatch.
        alerts_key = key_arn or "alias/aws/sns"
        self.topic = self._build_topic(
            "topic",
            names.topic,
            alerts_key,
            topic_policy(account, settings, account.topic),
            settings.programs,
        )
        self.people_topic: SnsTopic | None = None
        if settings.people:
            self.people_topic = self._build_topic(
                "people",
                names.people_topic,
                alerts_key,
                topic_policy(account, settings, account.people_topic),
                settings.people,
            )
        self.ops_topic = self._build_topic(
            "ops", names.ops_topic, key_arn, ops_topic_policy(account), settings.ops_subscriptions
        )

    def _build_queue(self, construct_id: str, **more: Any) -> SqsQueue:
        encryption: dict[str, Any] = {"sqs_managed_sse_enabled": True}
        if self._key_arn:
            encryption = {"kms_master_key_id": self._key_arn}
        fifo: dict[str, Any] = {}
        if self._settings.is_fifo:
            # As much as each symbol's own order allows, not all symbols' together.
            fifo = {
                "fifo_queue": True,
                "content_based_deduplication": True,
                "deduplication_scope": "messageGroup",
                "fifo_throughput_limit": "perMessageGroupId",
            }
        return SqsQueue(
            self,
            construct_id,
            visibility_timeout_seconds=self._settings.visibility_timeout_seconds,
            max_message_size=MAX_MESSAGE_BYTES,
            **encryption,
            **fifo,
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
                f"{prefix}subscription-{_name_of(subscription)}",
                topic_arn=topic.arn,
                protocol=subscription.protocol,
                endpoint=subscription.endpoint,
            )
            for subscription in subscriptions
        ]
        # Last, for the embedded AWS does not see by which protocol somebody subscribes.
        SnsTopicPolicy(
            self,
            f"{construct_id}-policy",
            arn=topic.arn,
            policy=policy,
            depends_on=subscribed or None,
        )
        return topic


def _name_of(subscription: Subscription) -> str:
    """Name a subscription after its content; with numbers, all after a removed one would move."""
    content = f"{subscription.protocol} {subscription.endpoint}"
    return hashlib.sha256(content.encode()).hexdigest()[:8]
