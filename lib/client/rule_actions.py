"""What a change of a rule writes, as the actions of a transaction. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lib.formats.words import SetAside
from price_alerts.adapters.items import (
    STATE_SCHEMA,
    Attributes,
    Item,
    claim_item,
    claim_key,
    new_rule_key,
    progress_attributes,
    rule_item,
    state_key,
    state_listing,
    update_of,
    watch_items,
    watch_keys,
)
from price_alerts.adapters.recent_items import position_text
from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import State

Action = dict[str, Any]

# To add a rule: its id, the rule, two levels, two of re-arming, and that it is new.
MAX_ACTIONS_PER_RULE = 7

# What determines a rule's place in the index, and its progress. The release before writes no
# revisions.
_COMPARED = (
    "condition",
    "levels",
    "percent",
    "window",
    "rearm",
    "rearm_percent",
    "expires_at_microseconds",
    "status",
    "disarmed",
    "revision",
    "last_fired_at_microseconds",
    "last_firing_id",
)


class RuleActions:
    """Builds the actions that change a table's rules; each is for one item."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def adding(self, rule: Rule, now_seconds: int) -> list[Action]:
        """Write a rule and its entries in the index, if no rule has its id.

        Items that DynamoDB should have deleted by now do not count.
        """
        is_free = {
            "ConditionExpression": "attribute_not_exists(pk) OR expires_at_epoch < :now",
            "ExpressionAttributeValues": {":now": now_seconds},
        }
        return [
            self._action("Put", Item=claim_item(rule), **is_free),
            self._action("Put", Item=rule_item(rule), **is_free),
            *self._puts(watch_items(rule)),
        ]

    def pausing(self, item: Item, after: Rule) -> list[Action]:
        """Take a rule out of the index, if its item has not changed."""
        return [self._update(item, after), *self._leave_index(after)]

    def resuming(self, item: Item, after: Rule) -> list[Action]:
        """Put a rule into the index as a new one, if its item has not changed."""
        return [self._update(item, after), *self._puts(watch_items(after))]

    def editing(self, item: Item, before: Rule, after: Rule, *, is_new: bool) -> list[Action]:
        """Replace a rule and its entries in the index, if its item has not changed.

        ``is_new``: whether it has seen no tick. One that is not active has no entries, or, if it
        triggered, those that late ticks still need.
        """
        actions = [
            self._action("Put", Item=rule_item(after) | _key_of(item), **_unchanged(item)),
            self._action("Put", Item=claim_item(after)),
        ]
        if after.progress.status is not Status.ACTIVE:
            return actions
        new = new_rule_key(after.symbol, after.rule_id)
        entries = [entry for entry in watch_items(after) if is_new or _key_of(entry) != new]
        kept = [_key_of(entry) for entry in entries]
        gone = [key for key in [*watch_keys(before), new] if key not in kept]
        return [
            *actions,
            *(self._action("Delete", Key=key) for key in gone),
            *self._puts(entries),
        ]

    def removing(self, item: Item, rule: Rule | SetAside) -> list[Action]:
        """Delete a rule, if its item has not changed.

        The watches of one that is set aside are unknown, and stay.
        """
        return [
            self._action("Delete", Key=_key_of(item), **_unchanged(item)),
            self._action("Delete", Key=claim_key(rule.rule_id)),
            *self._leave_index(rule),
        ]

    def changing_state(self, state: State, nonce: str, rules: Iterable[Rule]) -> Action:
        """Record a change of rules in their symbol's state, if it is as it was read.

        The version goes up, so that an invocation that decided something before it notices, and
        the quiet bands are forgotten. ``nonce`` is unique to each write; ``rules`` are those that
        become active, whose windows must be kept.
        """
        values: dict[str, Any] = {
            ":next": state.version + 1,
            ":nonce": nonce,
            ":schema": STATE_SCHEMA,
            ":listed": state_listing(state.symbol)["rule_id"],
        }
        names = {f"#{name}": name for name in ("version", "nonce", "schema", "band")}
        update = "SET #version = :next, #nonce = :nonce, #schema = :schema, rule_id = :listed"
        if state.recent:
            update += ", recent_version = :next"
        lost = state.windows if state.is_lost else ()
        needed = (rule.terms.extremes for rule in rules if rule.terms.is_move)
        for number, window in enumerate(dict.fromkeys((*lost, *needed))):
            update += f", #window{number} = if_not_exists(#window{number}, :empty)"
            names[f"#window{number}"] = window
            values[":empty"] = []
        condition = "attribute_not_exists(pk)"
        if state.is_stored:
            condition = "#version = :version"
            values[":version"] = state.version
        if state.nonce:
            condition += " AND #nonce = :nonce_before"
            values[":nonce_before"] = state.nonce
        return self._action(
            "Update",
            Key=state_key(state.symbol),
            # Other code keeps the recent ticks as `past`, and does not know when rules took effect.
            UpdateExpression=f"{update} REMOVE #band, past",
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def _update(self, item: Item, after: Rule) -> Action:
        attributes: Attributes = {**progress_attributes(after.progress), "revision": after.revision}
        if after.since:
            attributes["since"] = position_text(after.since)
        gone = [name for name in ("disarmed", "trail", "since") if name not in attributes]
        update = update_of(attributes, gone)
        condition = _unchanged(item)
        for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            condition[name] |= update[name]
        return self._action("Update", Key=_key_of(item), **(update | condition))

    def _leave_index(self, rule: Rule | SetAside) -> list[Action]:
        keys = [] if isinstance(rule, SetAside) else watch_keys(rule)
        keys.append(new_rule_key(rule.symbol, rule.rule_id))
        return [self._action("Delete", Key=key) for key in keys]

    def _puts(self, items: Iterable[Attributes]) -> list[Action]:
        return [self._action("Put", Item=item) for item in items]

    def _action(self, kind: str, **more: Any) -> Action:
        return {kind: {"TableName": self._table_name, **more}}


def _key_of(item: Item) -> Attributes:
    return {"pk": item["pk"], "sk": item["sk"]}


def _unchanged(item: Item) -> dict[str, Any]:
    """Return the condition that a rule was not removed, and another added under its id.

    It is made of the item itself, which other code may have written differently.
    """
    there = [name for name in _COMPARED if name in item]
    condition: dict[str, Any] = {
        "ConditionExpression": " AND ".join(
            f"#{name} = :was_{name}" if name in there else f"attribute_not_exists(#{name})"
            for name in _COMPARED
        ),
        "ExpressionAttributeNames": {f"#{name}": name for name in _COMPARED},
    }
    if there:  # DynamoDB rejects an empty map
        condition["ExpressionAttributeValues"] = {f":was_{name}": item[name] for name in there}
    return condition
