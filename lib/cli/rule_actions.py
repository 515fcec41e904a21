"""What a change of a rule writes to the table, as the actions of a transaction. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from price_alerts.items import (
    new_rule_key,
    progress_attributes,
    rule_item,
    rule_key,
    state_key,
    watch_items,
    watch_keys,
)
from price_alerts.rules import Rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

__all__ = ["RuleActions"]


class RuleActions:
    """Builds the actions that change a table's rules; each is for one item."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def create(self, rule: Rule) -> TransactWriteItemTypeDef:
        """Write a rule, on condition that its symbol has none of that id."""
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": rule_item(rule),
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }

    def replace(self, rule: Rule, after: Rule | None) -> TransactWriteItemTypeDef:
        """Write another status of a rule, or delete it, on condition that it is as it was read."""
        progress = progress_attributes(rule.progress)
        values: dict[str, Any] = {":was": progress["status"]}
        condition = "#status = :was AND attribute_not_exists(last_firing_id)"
        if "last_firing_id" in progress:
            values[":firing"] = progress["last_firing_id"]
            condition = "#status = :was AND last_firing_id = :firing"
        key = rule_key(rule.symbol, rule.rule_id)
        names = {"#status": "status"}
        if after is None:
            return {
                "Delete": {
                    "TableName": self._table_name,
                    "Key": key,
                    "ConditionExpression": condition,
                    "ExpressionAttributeNames": names,
                    "ExpressionAttributeValues": values,
                }
            }
        removal = "" if after.progress.disarmed else " REMOVE disarmed"
        return {
            "Update": {
                "TableName": self._table_name,
                "Key": key,
                "UpdateExpression": f"SET #status = :status{removal}",
                "ConditionExpression": condition,
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {**values, ":status": str(after.progress.status)},
            }
        }

    def enter_index(self, rule: Rule) -> list[TransactWriteItemTypeDef]:
        """Write a rule's watches, and that it has seen no tick."""
        return [
            {"Put": {"TableName": self._table_name, "Item": item}} for item in watch_items(rule)
        ]

    def leave_index(self, rule: Rule) -> list[TransactWriteItemTypeDef]:
        """Delete all that `enter_index` writes, as far as it is there."""
        keys = [*watch_keys(rule), new_rule_key(rule.symbol, rule.rule_id)]
        return [{"Delete": {"TableName": self._table_name, "Key": key}} for key in keys]

    def tell_state(self, rule: Rule) -> TransactWriteItemTypeDef:
        """Tell the symbol's state of the change, and of the window that the rule needs.

        On condition that no firings are waiting to be delivered, and no tick is half done. The
        version goes up, so that nothing that was decided before passes unseen, and the quiet bands
        are forgotten.
        """
        values: dict[str, Any] = {":none": 0, ":one": 1}
        names = {"#version": "version", "#band": "band", "#step": "step"}
        update = "SET #version = if_not_exists(#version, :none) + :one"
        if rule.terms.is_move:
            update += ", #window = if_not_exists(#window, :empty)"
            names["#window"] = rule.terms.extremes
            values[":empty"] = []
        return {
            "Update": {
                "TableName": self._table_name,
                "Key": state_key(rule.symbol),
                "UpdateExpression": f"{update} REMOVE #band",
                "ConditionExpression": (
                    "attribute_not_exists(outbox) AND attribute_not_exists(#step)"
                ),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        }
