"""A yardstick: Powertools' batch processor and idempotency around the scanning evaluation."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from benchmarks.scanning import evaluate

processor = BatchProcessor(event_type=EventType.SQS)
persistence = DynamoDBPersistenceLayer(
    table_name=os.environ["TABLE_NAME"], key_attr="pk", sort_key_attr="sk"
)
config = IdempotencyConfig(event_key_jmespath="messageId")
_evaluate_once = idempotent_function(
    evaluate, data_keyword_argument="record", config=config, persistence_store=persistence
)


def _handle(record: SQSRecord) -> None:
    _evaluate_once(record=record.raw_event)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Evaluate every record once."""
    config.register_lambda_context(context)
    answer: Any = process_partial_response(
        event=event, record_handler=_handle, processor=processor, context=context
    )
    return dict(answer)
