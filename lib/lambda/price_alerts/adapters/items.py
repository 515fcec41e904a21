"""Items: the table's keys, and how rules and watches are stored. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from price_alerts.adapters.recent_items import (
    position_of_text,
    position_text,
    trail_of,
    trail_text,
)
from price_alerts.domain.conditions import Condition, Distance, Side, Terms
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import format_timestamp
from price_alerts.domain.watches import NEW, Watch, watches_of

Attributes = dict[str, Any]
Item = Mapping[str, Any]
Key = dict[str, str]

# The format that this code writes. Items of a newer format are left as they are.
SCHEMA = 2
# That of states. The release before would not find rules that are spread over several keys, and
# orders ticks of one timestamp differently: it leaves a symbol alone that this one has moved.
STATE_SCHEMA = 3
# DynamoDB accepts 1,000 write units a second for one partition key (developer guide, "Best
# practices for designing and using partition keys"); each firing takes a unit for itself, one for
# its entry in the index by_day, and one for its rule.
_SHARDS = 8
# The table itself deletes what expired, once nobody looks for it any more, and even a message
# from the dead-letter queue has arrived: after at most 14 days in each of two queues.
_KEPT_SECONDS = 30 * 86_400


class UnreadableItem(Exception):
    """An item that was changed by hand or by newer code; the text is the reason."""


def check_schema(item: Item, newest: int = SCHEMA) -> None:
    """Raise an `UnreadableItem` if newer code wrote an item."""
    schema = item.get("schema", 1)
    if schema > newest:
        raise UnreadableItem(f"it has the format {schema}, and this code reads up to {newest}")


# --- keys ------------------------------------------------------------------------------------


def partition_of(kind: str, symbol: str) -> str:
    """Return a symbol's partition for some kind of items."""
    return f"{kind}#{symbol.replace('%', '%25').replace('#', '%23')}"


def symbol_in(partition: str) -> str:
    """Return the symbol whose partition it is."""
    return partition.split("#")[1].replace("%23", "#").replace("%25", "%")


def state_key(symbol: str) -> Key:
    """Return the key of a symbol's state."""
    return {"pk": partition_of("SYMBOL", symbol), "sk": "STATE"}


def state_listing(symbol: str) -> Attributes:
    """Return what lists a state in the index ``by_rule``, next to the rules."""
    return {"rule_id": f"STATE#{symbol}"}


def rule_key(symbol: str, rule_id: str) -> Key:
    """Return the key of a rule."""
    return _spread(former_rule_key(symbol, rule_id), rule_id)


def former_rule_key(symbol: str, rule_id: str) -> Key:
    """Return the key under which the release before wrote a rule; it stays there."""
    return {"pk": partition_of("SYMBOL", symbol), "sk": f"RULE#{rule_id}"}


def rule_keys(symbol: str, rule_id: str) -> list[Key]:
    """Return the keys under which a rule may be."""
    return [rule_key(symbol, rule_id), former_rule_key(symbol, rule_id)]


def rule_partitions(symbol: str) -> list[str]:
    """Return the partitions of a symbol's rules."""
    return shards(partition_of("SYMBOL", symbol))


def claim_key(rule_id: str) -> Key:
    """Return the key that reserves an id: a rule's own key includes its symbol."""
    return {"pk": f"RULE_ID#{rule_id}", "sk": "CLAIM"}


def line_key(symbol: str, line: str) -> str:
    """Return the partition of a line of watches."""
    return f"{partition_of('WATCH', symbol)}#{line}"


def new_rule_key(symbol: str, rule_id: str) -> Key:
    """Return the key of the entry of a rule that has seen no tick yet."""
    return {"pk": line_key(symbol, NEW), "sk": rule_id}


def watch_keys(rule: Rule) -> list[Key]:
    """Return the keys of a rule's watches."""
    partition = line_key(rule.symbol, rule.terms.metric)
    return [{"pk": partition, "sk": watch.key} for watch in watches_of(rule)]


def firing_key(firing: Firing) -> Key:
    """Return the key of a recorded firing."""
    return _spread(former_firing_key(firing), firing.firing_id)


def former_firing_key(firing: Firing) -> Key:
    """Return the key under which the release before recorded a firing."""
    timestamp = format_timestamp(firing.timestamp_microseconds)
    partition = partition_of("FIRINGS", firing.symbol)
    return {"pk": partition, "sk": f"{timestamp}#{firing.firing_id}"}


def day_key(firing_id: str, fired_at: str) -> str:
    """Return the partition of a firing in the index ``by_day``."""
    return f"{fired_at[:10]}#{_shard_of(firing_id)}"


def shards(partition: str) -> list[str]:
    """Return the partitions over which items are spread, and that of the release before."""
    return [partition, *(f"{partition}#{shard}" for shard in range(_SHARDS))]


def _spread(key: Key, name: str) -> Key:
    return {**key, "pk": f"{key['pk']}#{_shard_of(name)}"}


def _shard_of(name: str) -> int:
    return zlib.crc32(name.encode()) % _SHARDS


# --- rules and watches -----------------------------------------------------------------------


def rule_item(rule: Rule) -> Attributes:
    """Return a rule's item."""
    return without_none(
        {
            **rule_key(rule.symbol, rule.rule_id),
            "schema": SCHEMA,
            "rule_id": rule.rule_id,
            "symbol": rule.symbol,
            **terms_attributes(rule.terms),
            "trigger": str(rule.trigger),
            "cooldown_seconds": rule.cooldown_seconds,
            "expires_at_microseconds": rule.expires_at_microseconds,
            **_expiry(rule),
            "owner": rule.owner,
            "note": rule.note,
            "message": rule.message,
            "since": rule.since and position_text(rule.since),
            "revision": rule.revision,
            **progress_attributes(rule.progress),
        }
    )


def rule_of(item: Item) -> Rule:
    """Read a rule's item.

    Raises
    ------
    UnreadableItem
        If it is no rule that this code can evaluate.
    """
    with _reading(item):
        since = item.get("since")
        rule = Rule(
            rule_id=item["rule_id"],
            symbol=item["symbol"],
            terms=terms_of(item),
            trigger=Trigger(item["trigger"]),
            cooldown_seconds=int(item["cooldown_seconds"]),
            expires_at_microseconds=_whole_number(item.get("expires_at_microseconds")),
            owner=item["owner"],
            note=item["note"],
            message=item["message"],
            since=None if since is None else position_of_text(since),
            revision=int(item.get("revision", 0)),
            progress=progress_of(item),
        )
        if {"pk": item["pk"], "sk": item["sk"]} not in rule_keys(rule.symbol, rule.rule_id):
            raise ValueError("it is not under its own key")
        return rule


def claim_item(rule: Rule) -> Attributes:
    """Return the item that reserves a rule's id as long as the rule exists."""
    return {**claim_key(rule.rule_id), "schema": SCHEMA, "symbol": rule.symbol, **_expiry(rule)}


def watch_items(rule: Rule) -> list[Attributes]:
    """Return all entries in the index of a rule that has seen no tick yet."""
    common = {"schema": SCHEMA, **_expiry(rule)}
    watched = {"rule": rule.rule_id, **terms_attributes(rule.terms), **common}
    items = [{**key, **watched} for key in watch_keys(rule)]
    if rule.terms.is_state:
        items.append({**new_rule_key(rule.symbol, rule.rule_id), **common})
    return items


def watch_of(item: Item) -> Watch:
    """Read a watch's item; without terms if they cannot be read."""
    rule_id = item["sk"].partition("#")[2]
    try:
        with _reading(item):
            return Watch(item["sk"], rule_id, terms_of(item))
    except UnreadableItem:
        return Watch(item["sk"], rule_id, None)


def progress_attributes(progress: Progress) -> Attributes:
    """Return a rule's progress as attributes."""
    return without_none(
        {
            "status": str(progress.status),
            "disarmed": progress.disarmed and str(progress.disarmed),
            "last_fired_at_microseconds": progress.last_fired_at_microseconds,
            "last_firing_id": progress.last_firing_id,
            "trail": trail_text(progress),
        }
    )


def progress_of(item: Item) -> Progress:
    """Read a rule's progress."""
    progress = Progress(
        status=Status(item["status"]),
        disarmed=Side(item["disarmed"]) if "disarmed" in item else None,
        last_fired_at_microseconds=_whole_number(item.get("last_fired_at_microseconds")),
        last_firing_id=item.get("last_firing_id"),
    )
    if "trail" not in item:
        return progress
    return replace(progress, trail=trail_of(item["trail"], progress))


def terms_attributes(terms: Terms) -> Attributes:
    """Return terms as attributes."""
    return without_none(
        {
            "condition": str(terms.condition),
            "levels": list(terms.levels),
            "percent": terms.is_percent or None,
            "window": terms.window,
            "rearm": terms.rearm and terms.rearm.value,
            "rearm_percent": (terms.rearm and terms.rearm.is_percent) or None,
        }
    )


def terms_of(item: Item) -> Terms:
    """Read the terms in an item."""
    levels: list[Decimal] = item["levels"]
    is_percent = item.get("rearm_percent", False)
    return Terms(
        condition=Condition(item["condition"]),
        levels=tuple(levels),
        is_percent=item.get("percent", False),
        window=item.get("window"),
        rearm=Distance(item["rearm"], is_percent) if "rearm" in item else None,
    )


def without_none(attributes: Attributes) -> Attributes:
    """Leave out attributes without a value."""
    return {name: value for name, value in attributes.items() if value is not None}


def update_of(attributes: Item, removed: Sequence[str] = ()) -> dict[str, Any]:
    """Return an update's parameters that set attributes, and remove some by their names."""
    aliases = {name: name.replace("-", "_") for name in (*attributes, *removed)}  # windows' names
    expression = "SET " + ", ".join(f"#{aliases[name]} = :{aliases[name]}" for name in attributes)
    if removed:
        expression += " REMOVE " + ", ".join(f"#{aliases[name]}" for name in removed)
    return {
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {f"#{alias}": name for name, alias in aliases.items()},
        "ExpressionAttributeValues": {
            f":{aliases[name]}": value for name, value in attributes.items()
        },
    }


@contextmanager
def _reading(item: Item) -> Iterator[None]:
    try:
        check_schema(item)
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Not what an attribute holds: a log may show it.
        raise UnreadableItem(f"it cannot be read ({type(error).__name__})") from error


def _expiry(rule: Rule) -> Attributes:
    expires_at = rule.expires_at_microseconds
    return {} if expires_at is None else {"expires_at_epoch": expires_at // 10**6 + _KEPT_SECONDS}


def _whole_number(number: Decimal | None) -> int | None:
    return None if number is None else int(number)
