"""Messaging: the queue that prices come in on, its dead-letter queue, and the two topics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from cdktf import Fn, ITerraformDependable
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_redrive_policy import SqsQueueRedrivePolicy
from constructs import Construct

from lib.account import Account
from lib.policies import dead_letter_queue_policy, ops_topic_policy, queue_policy, topic_policy
from lib.settings import Settings, Subscription

__all__ = ["Messaging"]

# As long as the longest body that the handler reads.
MAX_MESSAGE_BYTES = 256 * 1024


class Messaging(Construct):
    """The queues and the topics.

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
        self._account = account
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
        self.topic = self._build_topic(
            "topic", names.topic, key_arn or "alias/aws/sns", settings.subscriptions
        )
        self.ops_topic = self._build_topic(
            "ops", names.ops_topic, key_arn, settings.ops_subscriptions
        )
        SnsTopicPolicy(self, "ops-policy", arn=self.ops_topic.arn, policy=ops_topic_policy(account))

    def let_announce(self, role: ITerraformDependable) -> None:
        """Let the function's role announce alerts, and nobody else; SNS wants it to be there."""
        SnsTopicPolicy(
            self,
            "topic-policy",
            arn=self.topic.arn,
            policy=topic_policy(self._account, self._settings),
            depends_on=[role],
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
        subscriptions: Iterable[Subscription],
    ) -> SnsTopic:
        topic = SnsTopic(self, construct_id, name=name, kms_master_key_id=key)
        prefix = "" if construct_id == "topic" else f"{construct_id}-"
        for subscription in subscriptions:
            # Called after its content: with numbers, taking one away would move all behind it.
            content = f"{subscription.protocol} {subscription.endpoint}"
            SnsTopicSubscription(
                self,
                f"{prefix}subscription-{hashlib.sha256(content.encode()).hexdigest()[:8]}",
                topic_arn=topic.arn,
                protocol=subscription.protocol,
                endpoint=subscription.endpoint,
            )
        return topic
