from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from lib.formats.words import (
    RuleWords,
    SetAside,
    ShownStatus,
    rule_from_words,
    rule_in,
    rule_in_words,
    status_of,
    words_of,
)
from price_alerts.adapters.items import rule_item
from price_alerts.domain.conditions import Condition, RuleError
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule
from tests.unit.doubles import NOW
from tests.unit.formats.rule_strategies import rules_with_texts
from tests.unit.rule_builders import rule


def rule_of(**words: Any) -> Rule:
    """Read the rule ``AAPL above 200`` with other words."""
    usual: dict[str, Any] = {"id": "r-1", "symbol": "AAPL", "condition": "above", "levels": ["200"]}
    return rule_from_words(RuleWords(**usual | words), NOW)


MOVE: dict[str, Any] = {"symbol": "aapl", "condition": "falls", "levels": ["5.0%"], "within": "1h"}
MOVE |= {"trigger": "every", "cooldown": "15m", "rearm": "0.5%", "expires": "2027-01-31"}
MOVE |= {"owner": "me", "note": "sell", "message": "{symbol} at {price}"}


def test_all_words_make_a_rule_that_is_written_as_a_sentence() -> None:
    read = rule_of(**MOVE)
    assert read == rule(
        "falls 5% within 1h rearm 0.5%",
        "r-1",
        cooldown_seconds=900,
        expires_at_microseconds=1_801_353_600_000_000,
        owner="me",
        note="sell",
        message="{symbol} at {price}",
    )
    assert rule_in_words(read) == (
        "AAPL falls 5% within 1h, every, cooldown 15m, rearm 0.5%, until 2027-01-31T00:00:00Z"
    )
    assert rule_in_words(rule_of(condition="enters", levels=["90", "110"])) == (
        "AAPL enters 90 110, once"
    )


@given(rules_with_texts)
@settings(max_examples=25)
def test_every_rule_can_be_written_and_read_again(drawn: Rule) -> None:
    assert rule_from_words(words_of(drawn), NOW, may_have_expired=True) == drawn


def test_a_condition_is_written_with_hyphens() -> None:
    for condition in Condition:
        if condition not in {Condition.RISES, Condition.FALLS}:
            count = 2 if condition in {"enters", "exits", "inside", "outside"} else 1
            word = condition.value.replace("_", "-")
            assert words_of(rule_of(condition=word, levels=["1", "2"][:count])).condition == word


ALL = (
    "crosses-up, crosses-down, crosses, above, below, enters, exits, inside, outside, rises, falls"
)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"condition": "crosses_up"}, "there is no condition 'crosses_up': write crosses-up"),
        ({"condition": "?"}, f"there is no condition '?': write {ALL}"),
        ({"levels": ["90", "110"]}, "above takes one level"),
        ({"levels": ["5%"]}, "above takes a price, no percentage and no window"),
        ({"condition": "enters", "levels": ["5%", "10"]}, "enters takes a price, no percentage"),
        ({"condition": "rises", "within": "2h"}, "rises needs a window, and 2h is none: within 1m"),
        ({"levels": ["--5"]}, "'--5' is not a number (0 or between"),
        ({"symbol": "A B "}, "'A B ': symbol must be 1 to 64 printable characters"),
        ({"trigger": "twice"}, "'twice' is not a trigger: write once or every"),
        ({"cooldown": "15m"}, "cooldown and rearm need the trigger every"),
        ({"rearm": "1"}, "cooldown and rearm need the trigger every"),
        ({"trigger": "every", "cooldown": "15"}, "'15' is not a duration"),
        ({"trigger": "every", "rearm": "x"}, "'x' is not a number"),
        ({"expires": "soon"}, "'soon' is no time"),
        ({"expires": "2026-11-22T15:04:05.250Z"}, "expires 2026-11-22T15:04:05.250Z is in the pas"),
        ({"id": ""}, "an id is 1 to 64 characters"),
        ({"id": "high-price-threshold"}, "high-price-threshold is the id of the stack's own rule"),
        ({"note": "two\nlines"}, "note takes up to 256 printable characters on one line"),
        ({"message": "{prise}"}, "message takes the placeholders {symbol}"),
    ],
)
def test_a_wrong_word_is_rejected_in_one_line(words: dict[str, Any], what: str) -> None:
    with pytest.raises(RuleError) as error:
        rule_of(**words)
    assert str(error.value).startswith(what)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("BRK.B", "brk.b-"), ("^BTC/USD", "btc-usd-"), ("^", ""), ("A" * 64, "a" * 57 + "-")],
)
def test_a_generated_id_contains_the_symbol_and_is_never_repeated(symbol: str, name: str) -> None:
    ids = {rule_of(id=None, symbol=symbol).rule_id for _ in range(200)}
    assert len(ids) == 200
    assert all(each.startswith(name) and len(each) == len(name) + 6 for each in ids)


@pytest.mark.parametrize(
    ("stored", "expires_in", "shown"),
    [
        (Status.PAUSED, None, ShownStatus.PAUSED),
        (Status.ACTIVE, 1, ShownStatus.ACTIVE),
        (Status.ACTIVE, 0, ShownStatus.EXPIRED),
        (Status.TRIGGERED, 0, ShownStatus.EXPIRED),
    ],
)
def test_a_rule_past_its_expiry_is_shown_as_expired(
    stored: Status, expires_in: int | None, shown: ShownStatus
) -> None:
    expires_at = None if expires_in is None else NOW + expires_in
    changed = replace(rule_of(), expires_at_microseconds=expires_at, progress=Progress(stored))
    assert status_of(changed, NOW) is shown


def test_a_rule_whose_item_cannot_be_read_is_set_aside_with_the_reason() -> None:
    item = rule_item(rule_of())
    assert rule_in(item) == rule_of()
    aside = rule_in(item | {"symbol": "IBM", "condition": "?"})
    assert aside == SetAside("r-1", "AAPL", "it cannot be read (ValueError)")
    assert rule_in_words(aside) == "AAPL, set aside: it cannot be read (ValueError)"
    assert status_of(aside, NOW) is ShownStatus.SET_ASIDE
