"""Which settings go together, and limits on their total size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.config.provider_versions import DEFAULT_AWS_PROVIDER, bad_release

if TYPE_CHECKING:
    from lib.config.settings import Settings

# Source: Amazon SQS, "Policy quotas": the queue's policy has at most 8,192 bytes.
_MAX_PRODUCERS_CHARACTERS = 6_000
_MAX_SHAPES_BYTES = 2_000  # AWS Lambda: 4 KB for all environment variables


def faults_of(settings: Settings) -> Iterator[str]:
    """Yield what each setting alone allows, but AWS would reject or would lose messages."""
    yield from _faults_of_batches(settings)
    yield from _faults_of_times(settings)
    yield from _faults_of_access(settings)
    if len(json.dumps(settings.shapes)) > _MAX_SHAPES_BYTES:
        yield f"shapes must not be longer than {_MAX_SHAPES_BYTES:,} bytes"
    if release := bad_release(settings.aws_provider):
        yield (
            f"aws_provider must not admit {release}, which plans the table's indexes away and back "
            f"after every deployment: narrow it, or leave it out for {DEFAULT_AWS_PROVIDER}"
        )
    names = ["stack"]
    for name in settings.tags:
        if name.lower() in names:
            yield (
                f"tags must not name {name}: stack is taken, and IAM takes names that differ in "
                "case alone for one"
            )
        names.append(name.lower())


def _faults_of_batches(settings: Settings) -> Iterator[str]:
    if settings.is_fifo and (settings.batch_size > 10 or settings.batch_window_seconds):
        yield "queue_type fifo needs a batch_size of at most 10 and a batch_window_seconds of 0"
    if settings.batch_size > 10 and not settings.batch_window_seconds:
        yield "batch_size over 10 needs a batch_window_seconds of at least 1"
    most, reserved = settings.maximum_concurrency, settings.reserved_concurrency
    if most is not None and reserved is not None and most > reserved:
        yield f"maximum_concurrency must not be above reserved_concurrency ({reserved})"


def _faults_of_times(settings: Settings) -> Iterator[str]:
    # AWS Lambda, "Configuring a queue to use with Lambda".
    least = 6 * settings.function_timeout_seconds + settings.batch_window_seconds
    if settings.visibility_timeout_seconds < least:
        yield (
            f"visibility_timeout_seconds must be at least {least}: six times "
            "function_timeout_seconds plus batch_window_seconds"
        )
    tries_seconds = settings.visibility_timeout_seconds * settings.max_receive_count
    if settings.queue_retention_seconds <= tries_seconds:
        yield (
            "queue_retention_seconds must be over visibility_timeout_seconds times "
            "max_receive_count, or a message expires before it reaches the dead-letter queue"
        )
    if settings.dlq_retention_seconds <= settings.queue_retention_seconds:
        yield (
            "dlq_retention_seconds must be over queue_retention_seconds: "
            "a message keeps its age when it is moved"
        )


def _faults_of_access(settings: Settings) -> Iterator[str]:
    if bool(settings.subnet_ids) != bool(settings.security_group_ids):
        yield "subnet_ids and security_group_ids go together: both, or neither"
    for subscription in settings.subscriptions:
        if subscription.protocol not in settings.subscriber_protocols:
            yield f"subscriber_protocols must hold {subscription.protocol}: a subscription uses it"
    if sum(map(len, settings.producers)) > _MAX_PRODUCERS_CHARACTERS:
        yield (
            f"producers must have at most {_MAX_PRODUCERS_CHARACTERS:,} characters in all, or the "
            "queue's policy is too long for SQS: give others policies of their own"
        )
