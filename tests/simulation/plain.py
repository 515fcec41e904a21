"""What boto3's resources do to DynamoDB's requests and answers, done quickly.

boto3 looks at each value in the light of the service's model, and copies all of it first. Here
the few places are known in which attributes stand. A request with conditions as objects is left
to boto3 itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import ConditionBase
from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer

_HANDLER = "dynamodb-attr-value-input"  # what boto3's resources call their part
_EXPRESSIONS = ("ConditionExpression", "FilterExpression", "KeyConditionExpression")
_ITEMS = ("Item", "Key", "ExpressionAttributeValues", "ExclusiveStartKey")
_serialize: Callable[[Any], Any] = TypeSerializer().serialize
_deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize
_LARGEST = 10**38


def is_resource(client: Any) -> bool:
    """Return whether a client is a resource's, and takes plain values."""
    return _HANDLER in client.meta.events._emitter._unique_id_handlers


def is_plain(params: Mapping[str, Any]) -> bool:
    """Return whether a request has no condition that is an object."""
    return not any(isinstance(params.get(name), ConditionBase) for name in _EXPRESSIONS)


def written(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write a request in DynamoDB's own notation."""
    sent = _with_items(params)
    if operation == "TransactWriteItems":
        sent["TransactItems"] = [
            {kind: _with_items(asked) for kind, asked in action.items()}
            for action in params["TransactItems"]
        ]
        sent.setdefault("ClientRequestToken", str(uuid.uuid4()))
    elif operation == "BatchGetItem":
        sent["RequestItems"] = {
            name: {**asked, "Keys": list(map(_attributes, asked["Keys"]))}
            for name, asked in params["RequestItems"].items()
        }
    elif operation == "BatchWriteItem":
        sent["RequestItems"] = {
            name: [
                {kind: _with_items(asked) for kind, asked in request.items()}
                for request in requests
            ]
            for name, requests in params["RequestItems"].items()
        }
    return sent


def read_answer(answer: dict[str, Any]) -> None:
    """Read an answer's attributes into plain values, in place."""
    for name in ("Item", "Attributes", "LastEvaluatedKey"):
        if name in answer:
            answer[name] = _read(answer[name])
    if "Items" in answer:
        answer["Items"] = list(map(_read, answer["Items"]))
    if responses := answer.get("Responses"):
        answer["Responses"] = {name: list(map(_read, items)) for name, items in responses.items()}
    if unprocessed := answer.get("UnprocessedKeys"):
        answer["UnprocessedKeys"] = {
            name: {**asked, "Keys": list(map(_read, asked["Keys"]))}
            for name, asked in unprocessed.items()
        }


def _with_items(asked: Mapping[str, Any]) -> dict[str, Any]:
    sent = dict(asked)
    for name in _ITEMS:
        if name in asked:
            sent[name] = _attributes(asked[name])
    return sent


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in attributes.items()}


def _value(value: Any) -> dict[str, Any]:
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is int and -_LARGEST < value < _LARGEST:
        return {"N": str(value)}
    if kind is Decimal:
        return {"N": str(DYNAMODB_CONTEXT.create_decimal(value))}
    if kind is list:
        return {"L": [_value(each) for each in value]}
    if kind is dict:
        return {"M": {name: _value(each) for name, each in value.items()}}
    written_value: dict[str, Any] = _serialize(value)
    return written_value


def _read(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind in ("S", "BOOL"):
        return inner
    if kind == "N":
        return Decimal(inner)
    if kind == "L":
        return [_plain(each) for each in inner]
    if kind == "M":
        return {name: _plain(each) for name, each in inner.items()}
    return _deserialize(value)
