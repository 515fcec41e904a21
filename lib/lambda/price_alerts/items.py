"""Items: how rules, watches, states and firings stand in the table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from price_alerts.notices import Notice
from price_alerts.rules import Progress, Rule, Status, Trigger
from price_alerts.state import Firing, Lease, Outbox, State, Step
from price_alerts.terms import Condition, Distance, Side, Terms
from price_alerts.ticks import Position, format_timestamp
from price_alerts.watches import NEW, Band, Watch, level_key
from price_alerts.windows import EXTREMES

__all__ = [
    "firing_attributes",
    "firing_key",
    "firing_of",
    "line_key",
    "new_rule_key",
    "progress_attributes",
    "rule_item",
    "rule_key",
    "rule_of",
    "state_attributes",
    "state_key",
    "state_of",
    "watch_items",
    "watch_keys",
    "watch_of",
]

Attributes = dict[str, Any]
Item = Mapping[str, Any]
Key = dict[str, str]

# What is past its expiry is swept away by the table itself: a watch when even a late tick has
# come, a rule when nobody looks for it any more.
_WATCH_KEPT_SECONDS = 86_400
_RULE_KEPT_SECONDS = 30 * 86_400


def state_key(symbol: str) -> Key:
    """Return the key of a symbol's state."""
    return {"pk": f"SYMBOL#{symbol}", "sk": "STATE"}


def rule_key(symbol: str, rule_id: str) -> Key:
    """Return the key of a rule."""
    return {"pk": f"SYMBOL#{symbol}", "sk": f"RULE#{rule_id}"}


def line_key(symbol: str, line: str) -> str:
    """Return the partition of a line of watches."""
    return f"WATCH#{symbol}#{line}"


def new_rule_key(symbol: str, rule_id: str) -> Key:
    """Return the key of the entry of a rule that has seen no tick yet."""
    return {"pk": line_key(symbol, NEW), "sk": rule_id}


def watch_keys(rule: Rule) -> list[Key]:
    """Return the keys of a rule's watches."""
    partition = line_key(rule.symbol, rule.terms.metric)
    return [
        {"pk": partition, "sk": f"{level_key(level)}#{rule.rule_id}"}
        for level in rule.terms.watched_levels
    ]


def firing_key(firing: Firing) -> Key:
    """Return the key of a recorded firing."""
    timestamp = format_timestamp(firing.timestamp_microseconds)
    return {"pk": f"FIRINGS#{firing.symbol}", "sk": f"{timestamp}#{firing.firing_id}"}


def rule_item(rule: Rule) -> Attributes:
    """Write a rule as an item."""
    expires_at = rule.expires_at_microseconds
    return {
        **rule_key(rule.symbol, rule.rule_id),
        "rule_id": rule.rule_id,
        "symbol": rule.symbol,
        **_terms_attributes(rule.terms),
        "trigger": str(rule.trigger),
        "cooldown_seconds": rule.cooldown_seconds,
        **({} if expires_at is None else {"expires_at_microseconds": expires_at}),
        **_expiry(expires_at, _RULE_KEPT_SECONDS),
        "owner": rule.owner,
        "note": rule.note,
        "message": rule.message,
        **progress_attributes(rule.progress),
    }


def rule_of(item: Item) -> Rule:
    """Read a rule's item."""
    return Rule(
        rule_id=item["rule_id"],
        symbol=item["symbol"],
        terms=_terms_of(item),
        trigger=Trigger(item["trigger"]),
        cooldown_seconds=int(item["cooldown_seconds"]),
        expires_at_microseconds=_whole_number(item.get("expires_at_microseconds")),
        owner=item["owner"],
        note=item["note"],
        message=item["message"],
        progress=_progress_of(item),
    )


def watch_items(rule: Rule) -> list[Attributes]:
    """Write all of a rule that stands in the index, for a rule that has seen no tick yet."""
    expiry = _expiry(rule.expires_at_microseconds, _WATCH_KEPT_SECONDS)
    watched = {"rule": rule.rule_id, **_terms_attributes(rule.terms), **expiry}
    items = [{**key, **watched} for key in watch_keys(rule)]
    if rule.terms.is_state:
        items.append({**new_rule_key(rule.symbol, rule.rule_id), **expiry})
    return items


def watch_of(item: Item) -> Watch:
    """Read a watch's item."""
    return Watch(item["sk"], item["rule"], _terms_of(item))


def progress_attributes(progress: Progress) -> Attributes:
    """Write what has come of a rule; what is unknown is left out."""
    return _known(
        {
            "status": str(progress.status),
            "disarmed": progress.disarmed and str(progress.disarmed),
            "last_fired_at_microseconds": progress.last_fired_at_microseconds,
            "last_firing_id": progress.last_firing_id,
        }
    )


def state_attributes(state: State) -> Attributes:
    """Write a state's attributes, without its key."""
    attributes: Attributes = {
        "version": state.version,
        "price": state.price,
        "threshold": state.threshold,
    }
    if state.position:
        attributes["timestamp_microseconds"] = state.position.timestamp_microseconds
        attributes["message_id"] = state.position.message_id
        attributes["message_ordinal"] = state.position.ordinal
    for name, queue in state.windows.items():
        attributes[name] = [list(entry) for entry in queue]
    if state.bands is not None:
        attributes["band"] = {line: [band.below, band.above] for line, band in state.bands.items()}
    if state.step:
        attributes["step"] = {
            "before": dict(state.step.before),
            "line": state.step.line,
            "after_key": state.step.after_key,
        }
    if state.outbox:
        attributes["outbox"] = _outbox_attributes(state.outbox)
    if state.lease:
        attributes["lease_owner"] = state.lease.owner
        attributes["lease_until_microseconds"] = state.lease.until_microseconds
    return _known(attributes)


def state_of(symbol: str, item: Item | None) -> State:
    """Read a state's item; version 0 if there is none."""
    if item is None:
        return State(symbol)
    position = lease = bands = step = None
    if "message_id" in item:
        position = Position(
            int(item["timestamp_microseconds"]), item["message_id"], int(item["message_ordinal"])
        )
    if "lease_owner" in item:
        lease = Lease(item["lease_owner"], int(item["lease_until_microseconds"]))
    if "band" in item:
        bands = {line: Band(below, above) for line, (below, above) in item["band"].items()}
    if "step" in item:
        step = Step(item["step"]["before"], item["step"]["line"], item["step"]["after_key"])
    return State(
        symbol=symbol,
        version=int(item["version"]),
        price=item.get("price"),
        position=position,
        threshold=item.get("threshold"),
        windows={
            name: tuple((int(bucket), price) for bucket, price in item[name])
            for name in EXTREMES
            if name in item
        },
        bands=bands,
        step=step,
        outbox=_outbox_of(symbol, item["outbox"]) if "outbox" in item else None,
        lease=lease,
    )


def firing_attributes(notice: Notice) -> Attributes:
    """Write a firing as it is recorded, without its key and without whether it was sent."""
    firing = notice.firing
    fired_at = format_timestamp(firing.fired_at_microseconds)
    return {
        **_firing_attributes(firing),
        "symbol": firing.symbol,
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "day": fired_at[:10],
        "fired_at": fired_at,
        "owner": notice.owner,
        "note": notice.note,
        "text": notice.text,
    }


def firing_of(symbol: str, item: Item) -> Firing:
    """Read what is common to a recorded firing and one in an outbox."""
    return Firing(
        firing_id=item["firing_id"],
        rule_id=item["rule"],
        symbol=symbol,
        terms=_terms_of(item),
        previous_price=item.get("previous_price"),
        price=item["price"],
        timestamp_microseconds=int(item["timestamp_microseconds"]),
        fired_at_microseconds=int(item["fired_at_microseconds"]),
    )


def _firing_attributes(firing: Firing) -> Attributes:
    # The rule is not called rule_id here: that attribute is the key of the index by_rule, which
    # holds rules and no firings.
    return _known(
        {
            "firing_id": firing.firing_id,
            "rule": firing.rule_id,
            **_terms_attributes(firing.terms),
            "previous_price": firing.previous_price,
            "price": firing.price,
            "timestamp_microseconds": firing.timestamp_microseconds,
            "fired_at_microseconds": firing.fired_at_microseconds,
        }
    )


def _outbox_attributes(outbox: Outbox) -> Attributes:
    return {
        "version": outbox.version,
        "firings": [_firing_attributes(firing) for firing in outbox.firings],
        "changes": {
            rule_id: progress_attributes(progress) for rule_id, progress in outbox.changes.items()
        },
        "checked_rule_ids": list(outbox.checked_rule_ids),
    }


def _outbox_of(symbol: str, attributes: Item) -> Outbox:
    return Outbox(
        version=int(attributes["version"]),
        firings=tuple(firing_of(symbol, entry) for entry in attributes["firings"]),
        changes={rule_id: _progress_of(entry) for rule_id, entry in attributes["changes"].items()},
        checked_rule_ids=tuple(attributes["checked_rule_ids"]),
    )


def _terms_attributes(terms: Terms) -> Attributes:
    attributes: Attributes = {
        "condition": str(terms.condition),
        "levels": list(terms.levels),
        "percent": terms.is_percent or None,
        "window": terms.window,
    }
    if terms.rearm:
        attributes["rearm"] = terms.rearm.value
        attributes["rearm_percent"] = terms.rearm.is_percent or None
    return _known(attributes)


def _terms_of(item: Item) -> Terms:
    levels: list[Decimal] = item["levels"]
    rearm = None
    if "rearm" in item:
        rearm = Distance(item["rearm"], item.get("rearm_percent", False))
    return Terms(
        condition=Condition(item["condition"]),
        levels=tuple(levels),
        is_percent=item.get("percent", False),
        window=item.get("window"),
        rearm=rearm,
    )


def _progress_of(item: Item) -> Progress:
    return Progress(
        status=Status(item["status"]),
        disarmed=Side(item["disarmed"]) if "disarmed" in item else None,
        last_fired_at_microseconds=_whole_number(item.get("last_fired_at_microseconds")),
        last_firing_id=item.get("last_firing_id"),
    )


def _expiry(expires_at_microseconds: int | None, kept_seconds: int) -> Attributes:
    if expires_at_microseconds is None:
        return {}
    return {"expires_at_epoch": expires_at_microseconds // 1_000_000 + kept_seconds}


def _whole_number(number: Decimal | None) -> int | None:
    return None if number is None else int(number)


def _known(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
