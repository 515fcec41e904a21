"""Items: what is written comes back, in formats that other releases read and write."""

from __future__ import annotations

import json
import string
import uuid
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given, settings

from price_alerts.adapters.items import (
    SCHEMA,
    STATE_SCHEMA,
    UnreadableItem,
    claim_item,
    rule_item,
    rule_of,
    symbol_in,
    watch_items,
    watch_of,
)
from price_alerts.adapters.recent_items import position_of_text, position_text
from price_alerts.adapters.state_items import firing_item, state_attributes, state_of
from price_alerts.domain.conditions import Condition, Distance, Side, Terms
from price_alerts.domain.engine import MAX_CHANGES_PER_COMMIT, MAX_ENTRIES_PER_COMMIT
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Firing, Lease, Outbox, State, Step, Threshold
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import Band, Watch, level_key
from price_alerts.domain.windows import BUCKETS, EXTREMES, lines_of
from tests.unit.doubles import NOW, SECOND, as_stored, firing, rule, told
from tests.unit.strategies import recents, states, stored_rules

MESSAGE_ID, SHORT_ID = "00112233-4455-6677-8899-aabbccddeeff", "ABEiM0RVZneImaq7zN3u_w"
EXPIRY = NOW // SECOND + 30 * 86_400
AT = Position(NOW, 0, 0, MESSAGE_ID, 3)
TRAIL = Trail(((AT, Progress()),), (Announced(AT, AT),))
FULL = Rule(
    rule_id="r-1",
    symbol="AAPL",
    terms=Terms(Condition.RISES, (Decimal(5),), True, "1h", Distance(Decimal("1.5"), True)),
    trigger=Trigger.EVERY,
    cooldown_seconds=60,
    expires_at_microseconds=NOW,
    owner="ann",
    note="Sell.",
    message="{symbol}!",
    since=AT,
    revision=7,
    progress=Progress(Status.ACTIVE, Side.HIGH, NOW - SECOND, "f-1", TRAIL),
)


def same_as(text: str) -> Any:
    """Read what an item must be from JSON."""
    return json.loads(text, parse_float=Decimal)


# --- rules and watches -----------------------------------------------------------------------


@settings(max_examples=25)
@given(stored_rules)
def test_a_rule_and_its_watches_come_back_as_they_were_written(written: Rule) -> None:
    assert rule_of(as_stored(rule_item(written))) == written
    assert symbol_in(rule_item(written)["pk"]) == written.symbol
    watches = [watch_of(as_stored(item)) for item in watch_items(written) if "rule" in item]
    assert [watch.level for watch in watches] == list(written.terms.watched_levels)
    assert {(watch.rule_id, watch.terms) for watch in watches} == {(written.rule_id, written.terms)}


def test_a_rule_is_stored_in_its_own_attributes() -> None:
    assert rule_item(FULL) == same_as(
        f"""{{"pk": "SYMBOL#AAPL#1", "sk": "RULE#r-1", "schema": 2, "rule_id": "r-1",
        "symbol": "AAPL", "condition": "rises", "levels": [5], "percent": true, "window": "1h",
        "rearm": 1.5, "rearm_percent": true, "trigger": "every", "cooldown_seconds": 60,
        "expires_at_microseconds": {NOW}, "expires_at_epoch": {EXPIRY}, "owner": "ann",
        "note": "Sell.", "message": "{{symbol}}!", "revision": 7, "status": "active",
        "disarmed": "high", "last_fired_at_microseconds": {NOW - SECOND}, "last_firing_id": "f-1",
        "since": "[{NOW},\\"{SHORT_ID}\\",3]", "trail":
        "[[\\"active\\",\\"high\\",{NOW - SECOND},\\"f-1\\"],"""
        f"""[[{NOW},\\"{SHORT_ID}\\",3,\\"active\\",null,null,null,1]],[]]"}}"""
    )
    optional = "percent window rearm rearm_percent expires_at_microseconds expires_at_epoch since"
    optional += " disarmed trail last_fired_at_microseconds last_firing_id"
    assert rule_item(rule("r-1", 200)).keys() == rule_item(FULL).keys() - set(optional.split())


def test_watches_and_the_claim_of_an_id_last_as_long_as_their_rule() -> None:
    assert watch_items(FULL)[0] == same_as(
        f"""{{"pk": "WATCH#AAPL#rise-1h-percent", "sk": "20035#r-1", "schema": 2, "rule": "r-1",
        "condition": "rises", "levels": [5], "percent": true, "window": "1h", "rearm": 1.5,
        "rearm_percent": true, "expires_at_epoch": {EXPIRY}}}"""
    )
    claim = {"pk": "RULE_ID#r-1", "sk": "CLAIM", "schema": 2, "symbol": "AAPL"}
    assert claim_item(FULL) == claim | {"expires_at_epoch": EXPIRY}
    assert claim_item(rule("r-1", 200)) == claim


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        (Condition.CROSSES_UP, [("WATCH#AAPL#price", "2022#r-1")]),
        (Condition.ABOVE, [("WATCH#AAPL#price", "2022#r-1"), ("WATCH#AAPL#new", "r-1")]),
    ],
)
def test_only_a_rule_that_may_hold_at_once_is_among_the_new_ones(
    condition: Condition, keys: list[tuple[str, str]]
) -> None:
    items = watch_items(rule("r-1", 200, condition=condition))
    assert [(item["pk"], item["sk"]) for item in items] == keys


# --- states and firings ----------------------------------------------------------------------


@settings(max_examples=25)
@given(states)
def test_a_state_comes_back_as_it_was_written(state: State) -> None:
    assert state_of("AAPL", as_stored(state_attributes(state))) == state


@settings(max_examples=10)
@given(states, recents())
def test_recent_ticks_are_forgotten_if_older_code_moved_the_symbol(
    state: State, recent: Recent
) -> None:
    position, price = recent.marks[-1]
    state = replace(state, position=position, price=price, recent=recent)
    moved = state_attributes(state) | {"version": state.version + 1}
    forgotten = replace(state, version=state.version + 1, recent=None)
    assert state_of("AAPL", as_stored(moved)) == forgotten


def test_a_state_is_stored_in_its_own_attributes() -> None:
    at = [Position(NOW + n * SECOND, 0, 0, MESSAGE_ID, n) for n in (0, 1)]
    last = Position(NOW + 4 * SECOND, 8, NOW + 5_000, "m-1", 3)
    marks = [*at, Position(NOW + 3 * SECOND, 0, 0, "m-0", 0), last]
    state = State(
        symbol="AAPL",
        version=7,
        nonce="0a1b2c3d",
        price=Decimal("200.25"),
        position=last,
        threshold=Decimal(150),
        threshold_before=Threshold(Decimal(140), NOW),
        windows={"rise-1h": ((14_961, Decimal(149)),), "fall-1h": ()},
        bands={"price": Band(None, Decimal(210))},
        step=Step({"price": Decimal("149.5")}, "price", "2022#r-1"),
        recent=Recent(tuple(Mark(position, Decimal("200.25")) for position in marks)),
        outbox=Outbox(
            version=6,
            firings=(firing(),),
            changes={"r-1": Progress(Status.ACTIVE, Side.LOW, NOW, "f-1")},
            checked_rule_ids=("r-2",),
            spent=(("price", "2022#r-3"),),
        ),
        lease=Lease("a", 5),
    )
    assert state_attributes(state) == same_as(
        f"""{{"schema": 3, "version": 7, "nonce": "0a1b2c3d", "price": 200.25,
        "timestamp_microseconds": {last[0]}, "sequence": 8, "message_id": "m-1",
        "message_sent_at_microseconds": {NOW + 5_000}, "message_ordinal": 3, "threshold": 150,
        "threshold_before": [140, {NOW}], "rise-1h": [[14961, 149]], "fall-1h": [],
        "band": {{"price": [null, 210]}}, "recent_version": 7,
        "step": {{"before": {{"price": "149.5"}}, "line": "price", "after_key": "2022#r-1"}},
        "recent": {{"ticks": "[[{NOW},\\"{SHORT_ID}\\",0,\\"200.25\\"],"""
        f"""[1000000,\\"\\",1,\\"200.25\\"],[2000000,\\"=m-0\\",0,\\"200.25\\"]]"}},
        "outbox": {{"version": 6, "firings": [{{"firing_id": "0123456789abcdef0123456789abcdef",
            "rule": "high-price-threshold", "condition": "above", "levels": [150],
            "previous_price": 149.5, "price": 200.25, "timestamp_microseconds": {NOW},
            "message_id": "m-1", "message_ordinal": 0,
            "fired_at_microseconds": {NOW + SECOND}}}],
          "changes": {{"r-1": {{"status": "active", "disarmed": "low",
            "last_fired_at_microseconds": {NOW}, "last_firing_id": "f-1"}}}},
          "checked_rule_ids": ["r-2"], "spent": [["price", "2022#r-3"]]}},
        "lease_owner": "a", "lease_until_microseconds": 5}}"""
    )


@pytest.mark.parametrize(("rules", "is_plain"), [(99, True), (100, False)])
def test_an_outbox_of_many_rules_is_compressed(rules: int, is_plain: bool) -> None:
    changes = {f"r-{number}": Progress() for number in range(rules)}
    state = State("AAPL", 7, outbox=Outbox(6, firings=(firing(),), changes=changes))
    attributes = state_attributes(state)
    assert ("firings" in attributes["outbox"]) == is_plain
    if not is_plain:
        assert attributes["outbox"].keys() == {"version", "content"}
        content = json.loads(zlib.decompress(attributes["outbox"]["content"]))
        assert content.keys() == {"firings", "changes", "checked_rule_ids", "spent"}
        assert content["firings"][0]["price"] == {"N": "200.25"}
    assert state_of("AAPL", as_stored(attributes)) == state


def test_a_state_may_lack_most_attributes() -> None:
    assert state_of("AAPL", None) == State("AAPL")
    assert state_of("AAPL", {"version": 1}) == State("AAPL", 1)
    former = same_as(
        f"""{{"version": 7, "price": 200, "timestamp_microseconds": {NOW}, "message_id": "m-1",
        "message_ordinal": 0, "past": {{"ticks": "[]"}}, "outbox":
        {{"version": 6, "firings": [], "changes": {{}}, "checked_rule_ids": ["r-1"]}}}}"""
    )
    position, outbox = Position(NOW, 0, 0, "m-1", 0), Outbox(6, checked_rule_ids=("r-1",))
    assert state_of("AAPL", as_stored(former)) == State(
        "AAPL", 7, Decimal(200), position, outbox=outbox
    )


def test_a_firing_is_recorded_with_the_words_in_which_it_is_published() -> None:
    item = same_as(
        f"""{{"pk": "FIRINGS#AAPL#6", "schema": 2, "rule": "high-price-threshold",
        "sk": "2026-11-22T15:04:05.250000Z#0123456789abcdef0123456789abcdef",
        "firing_id": "0123456789abcdef0123456789abcdef", "symbol": "AAPL", "condition": "above",
        "levels": [150], "previous_price": 149.5, "price": 200.25, "message_id": "m-1",
        "timestamp": "2026-11-22T15:04:05.250000Z", "timestamp_microseconds": {NOW},
        "message_ordinal": 0, "fired_at": "2026-11-22T15:04:06.250000Z",
        "fired_at_microseconds": {NOW + SECOND}, "day": "2026-11-22#6", "owner": "stack",
        "note": "", "sent": true, "sent_at": "2026-11-22T15:04:07.250000Z", "text":
        "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before."}}"""
    )
    at = NOW + 2 * SECOND
    assert firing_item(told(), at) == item
    rejected = {**item, "sent": False, "undeliverable": "InvalidParameter"}
    assert firing_item(told(), at, "InvalidParameter") == rejected
    assert "previous_price" not in firing_item(told(previous_price=None), at)
    long_ago = firing_item(told(position=Position(0, 0, 0, "m-1", 0)), at)
    assert long_ago["day"] == "2026-11-22#6"  # when it was decided


@pytest.mark.parametrize(
    "name",
    ["", "=", SHORT_ID, MESSAGE_ID, MESSAGE_ID.upper(), f"{MESSAGE_ID}\n"],
    ids=["none", "like a mark", "like a short one", "of SQS", "in capitals", "with a line's end"],
)
def test_a_position_comes_back_whatever_its_message_is_called(name: str) -> None:
    position = Position(NOW, 0, 0, name, 0)
    assert position_of_text(position_text(position)) == position


# --- what other code wrote -------------------------------------------------------------------


def test_a_rule_of_the_release_before_has_revision_0() -> None:
    former = rule_item(rule("r-1", 200))
    del former["schema"], former["revision"]
    assert rule_of(as_stored(former)) == rule("r-1", 200)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "triggered"},
        {"last_firing_id": "f-2"},
        {"last_fired_at_microseconds": NOW},
        {"disarmed": "low"},
    ],
    ids=str,
)
def test_a_trail_is_forgotten_if_older_code_changed_the_rule(changed: dict[str, Any]) -> None:
    assert rule_of(as_stored(rule_item(FULL) | changed)).progress.trail == Trail()


def test_newer_code_s_items_are_not_read() -> None:
    with pytest.raises(UnreadableItem, match="the format 3, and this code reads up to 2"):
        rule_of(as_stored(rule_item(FULL) | {"schema": SCHEMA + 1}))
    with pytest.raises(UnreadableItem, match="the format 4, and this code reads up to 3"):
        state_of("AAPL", as_stored({"schema": STATE_SCHEMA + 1, "version": 1}))
    (item,) = watch_items(rule("r-1", 215))
    newer = {**item, "schema": SCHEMA + 1, "rule": {"id": "r-1"}}
    assert watch_of(as_stored(newer)) == Watch("202215#r-1", "r-1", None)


IN_TERMS: list[dict[str, Any]] = [
    *({"levels": []}, {"levels": Decimal(5)}, {"levels": [Decimal(-5)]}, {"levels": ["150"]}),
    *({"condition": "wobbles"}, {"window": "2h"}, {"schema": "two"}),
    *({"rearm": Decimal(0)}, {"rearm": "1"}, {"levels": None}, {"condition": None}),
]
IN_RULES: list[dict[str, Any]] = [
    *({"owner": ["ann"]}, {"owner": Decimal(1)}, {"owner": None}, {"rule_id": None}),
    *({"since": "[1,2,3]"}, {"since": "yesterday"}, {"since": Decimal(1)}, {"symbol": None}),
    *({"trigger": "twice"}, {"status": "lost"}, {"status": None}, {"disarmed": "left"}),
    *({"cooldown_seconds": "soon"}, {"message": "{secret}"}, {"revision": "last"}),
    *({"trail": "[]"}, {"trail": "none"}, {"pk": "SYMBOL#AAPL#2"}),
]


def spoilt(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Change an item by hand; an attribute of ``None`` is removed."""
    return {name: value for name, value in (item | changes).items() if value is not None}


@pytest.mark.parametrize("changes", [*IN_TERMS, *IN_RULES], ids=str)
def test_a_rule_that_was_spoilt_by_hand_is_not_read(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableItem):
        rule_of(as_stored(spoilt(rule_item(FULL), changes)))


@pytest.mark.parametrize("changes", IN_TERMS, ids=str)
def test_a_watch_that_was_spoilt_by_hand_has_no_terms(changes: dict[str, Any]) -> None:
    item = spoilt(watch_items(FULL)[0], changes)
    assert watch_of(as_stored(item)) == Watch("20035#r-1", "r-1", None)


def test_why_a_rule_is_not_read_does_not_say_what_it_holds() -> None:
    with pytest.raises(UnreadableItem) as reason:
        rule_of(rule_item(replace(FULL, note="secret")) | {"trigger": "secret"})
    assert str(reason.value) == "it cannot be read (ValueError)"


def test_whatever_an_attribute_holds_an_item_is_read_or_found_unreadable() -> None:
    whole = rule("r-1", 105, rearm="1")
    for name in (*rule_item(FULL), "percent", "window"):
        for junk in ("x", "", Decimal(-7), None, True, ["x"], {"x": "y"}):
            if name not in ("pk", "sk"):
                assert watch_of({**watch_items(whole)[0], name: junk}).rule_id == "r-1"
            with suppress(UnreadableItem):
                rule_of({**rule_item(whole), name: junk})


# --- how large a state can be ----------------------------------------------------------------


def largest_state(kept_ticks: int) -> State:
    """Build a state with as much of everything as there can be, and hardly anything twice."""
    random = Random(kept_ticks)

    def name(length: int, characters: str = string.ascii_letters + string.digits + "._-") -> str:
        return "".join(random.choices(characters, k=length))

    def number(first: int = 5) -> Decimal:
        return Decimal(f"-{first}{name(16, string.digits)}.{name(17, string.digits)}")

    def position() -> Position:
        message_id = str(uuid.UUID(int=random.getrandbits(128)))
        return Position(NOW + random.randrange(10**13), 0, 0, message_id, random.randrange(500))

    longest = Decimal(f"-{'9' * 17}.{'9' * 17}")
    longest_place = Decimal(f"-{'9' * 31}.{'9' * 128}")
    longest_percentage = Decimal(f"{'9' * 65}.{'9' * 63}")
    ticks = sorted(position() for _ in range(kept_ticks + 1))
    last, trail = ticks[-1], ticks[1:]
    announced = tuple(Announced(tick, tick) for tick in trail)
    rules = min(MAX_CHANGES_PER_COMMIT, MAX_ENTRIES_PER_COMMIT // (2 + kept_ticks))
    rule_ids = [name(64) for _ in range(rules)]
    firing_ids = {rule_id: name(32, "0123456789abcdef") for rule_id in rule_ids}
    levels = {rule_id: (number(8), number(7)) for rule_id in rule_ids}

    def before() -> Progress:
        firing_id, at = name(32, "0123456789abcdef"), NOW + random.randrange(10**13)
        return Progress(Status.ACTIVE, Side.HIGH, at, firing_id)

    def change(rule_id: str) -> Progress:
        changes = tuple((tick, before()) for tick in trail)
        return Progress(Status.TRIGGERED, None, NOW, firing_ids[rule_id], Trail(changes, announced))

    def fired(rule_id: str) -> Firing:
        rearm = Distance(Decimal(f"0.1{name(33, string.digits)}"))
        terms = Terms(Condition.EXITS, levels[rule_id], rearm=rearm)
        firing_id = firing_ids[rule_id]
        return Firing(firing_id, rule_id, "币" * 64, terms, longest, longest, last, NOW)

    buckets = range(NOW // SECOND, NOW // SECOND + BUCKETS + 1)
    windows = {window: tuple((bucket, number()) for bucket in buckets) for window in EXTREMES}
    lines = lines_of(windows)
    recent = Recent(
        marks=tuple(Mark(tick, number()) for tick in ticks),
        windows=windows,
        begun=dict.fromkeys(windows, last),
        own=Trail(announced=announced),
        own_since=last,
        rules_since=last,
    )
    # One that fires once has no levels of re-arming.
    spent = [(rule_id, level) for rule_id in rule_ids for level in levels[rule_id]]
    return State(
        symbol="币" * 64,
        version=10**9,
        price=longest,
        position=last,
        threshold=longest,
        threshold_before=Threshold(Decimal(f"-{'1' * 17}.{'1' * 17}"), NOW),
        windows=windows,
        bands=dict.fromkeys(lines, Band(longest_place, longest_place)),
        step=Step(dict.fromkeys(lines, longest_percentage), lines[-1], "9" * 60 + "#" + "r" * 64),
        recent=recent if kept_ticks else None,
        outbox=Outbox(
            version=10**9,
            firings=tuple(map(fired, rule_ids)),
            changes={rule_id: change(rule_id) for rule_id in rule_ids},
            checked_rule_ids=tuple(rule_ids),
            spent=tuple((lines[-1], f"{level_key(level)}#{rule_id}") for rule_id, level in spent),
        ),
        lease=Lease("o" * 32, NOW),
        nonce="n" * 8,
    )


def size_of(value: Mapping[str, Any]) -> int:
    """Measure a value as DynamoDB does: its developer guide, "Item sizes and formats"."""
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return len(content.replace(".", "")) // 2 + 2
    if kind == "L":
        return 3 + sum(1 + size_of(entry) for entry in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + size_of(entry) for name, entry in content.items())
    return len(content) if kind == "B" else 1


@pytest.mark.parametrize("kept_ticks", [0, 16, 100])
def test_the_largest_state_stays_below_what_an_item_may_hold(kept_ticks: int) -> None:
    attributes = state_attributes(largest_state(kept_ticks))
    size = size_of({"M": {name: TypeSerializer().serialize(v) for name, v in attributes.items()}})
    assert 80_000 < size < 400 * 1024
