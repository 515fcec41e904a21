"""Which actions on AWS the function's code needs."""

from __future__ import annotations

import ast
from typing import Any

import boto3

SERVICES = ("dynamodb", "sns", "sqs")
# What AWS has no action for, and asks for instead.
INSTEAD = {"sns:PublishBatch": "sns:Publish", "sqs:SendMessageBatch": "sqs:SendMessage"}
# Of a transaction, it asks for the actions of its parts. Source: Amazon DynamoDB, "Amazon DynamoDB
# Transactions: How it works".
TRANSACTION = "dynamodb:TransactWriteItems"
PARTS = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
}
# What Lambda does to the queue on the function's behalf.
FEEDING = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}


def all_actions() -> dict[str, str]:
    """The action that each method of a client needs."""
    client: Any = boto3.client  # whose stubs take no name that is not written out
    named = {
        method: f"{service}:{operation}"
        for service in SERVICES
        for method, operation in client(service, "us-east-1").meta.method_to_api_mapping.items()
    }
    return {method: INSTEAD.get(action, action) for method, action in named.items()}


def actions(source: str) -> set[str]:
    """Which actions on AWS a source needs for its calls."""
    known = all_actions()
    nodes = list(ast.walk(ast.parse(source)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found = {known[name] for name in attributes & known.keys()}
    if TRANSACTION not in found:
        return found
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return (found - {TRANSACTION}) | {PARTS[name] for name in PARTS.keys() & texts}
