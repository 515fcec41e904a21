"""What a delivery writes to the table, as the actions of transactions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from price_alerts.items import (
    firing_key,
    new_rule_key,
    progress_attributes,
    rule_key,
    setting,
    state_key,
    watch_keys,
)
from price_alerts.notices import Notice
from price_alerts.rules import Progress, Rule, Status
from price_alerts.state import Firing, Outbox, State
from price_alerts.state_items import firing_item
from price_alerts.ticks import format_timestamp

__all__ = ["Action", "DeliveryActions"]

Action = dict[str, Any]


class DeliveryActions:
    """Builds the actions that deliver an outbox; each is for one item, and harmless to repeat."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def holding(self, state: State) -> Action:
        """Check that a state is still the one that is stored."""
        return self._action(
            "ConditionCheck",
            Key=state_key(state.symbol),
            ConditionExpression="#version = :version",
            ExpressionAttributeNames={"#version": "version"},
            ExpressionAttributeValues={":version": state.version},
        )

    def delivering(
        self, outbox: Outbox, symbol: str, rules: Mapping[str, Rule], notices: Iterable[Notice]
    ) -> Iterator[Action]:
        """Write what an outbox holds for stored rules.

        Parameters
        ----------
        outbox, symbol
            The outbox of that symbol.
        rules
            The rules that it changes, as far as they are still there.
        notices
            The firings of stored rules.
        """
        for rule_id, progress in outbox.changes.items():
            yield self._changing(symbol, rule_id, progress)
            if progress.status is Status.TRIGGERED and rule_id in rules:
                for key in watch_keys(rules[rule_id]):
                    yield self._action("Delete", Key=key)
        for notice in notices:
            yield self._recording(notice)
        for rule_id in outbox.checked_rule_ids:
            yield self._action("Delete", Key=new_rule_key(symbol, rule_id))

    def marking(self, firing: Firing, sent_at_microseconds: int) -> Action:
        """Note on a recorded firing that it was announced."""
        attributes = {"sent": True, "sent_at": format_timestamp(sent_at_microseconds)}
        return self._action("Update", Key=firing_key(firing), **setting(attributes))

    def _changing(self, symbol: str, rule_id: str, progress: Progress) -> Action:
        gone = () if progress.disarmed else ("disarmed",)
        return self._action(
            "Update",
            Key=rule_key(symbol, rule_id),
            **setting(progress_attributes(progress), gone),
            # The table itself may have swept it away: it is not to come back as half a rule.
            ConditionExpression="attribute_exists(pk)",
        )

    def _recording(self, notice: Notice) -> Action:
        # One that was recorded before may have been announced since.
        return self._action(
            "Put", Item=firing_item(notice), ConditionExpression="attribute_not_exists(pk)"
        )

    def _action(self, kind: str, **more: Any) -> Action:
        return {kind: {"TableName": self._table_name, **more}}
