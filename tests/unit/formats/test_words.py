from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from lib.formats.words import (
    RuleWords,
    SetAside,
    ShownStatus,
    condition_in_words,
    rule_from_words,
    rule_in,
    rule_in_words,
    status_of,
    trigger_in_words,
    words_of,
)
from price_alerts.adapters.items import rule_item
from price_alerts.domain.conditions import Condition, Distance, RuleError, Terms
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, Trigger
from tests.unit.doubles import NOW, SECOND
from tests.unit.formats.rule_strategies import rules_with_texts

DAY = 86_400 * SECOND
ALL = RuleWords(
    id="mine",
    symbol="aapl",
    condition="falls",
    levels=["5.0%"],
    within="1h",
    trigger="every",
    cooldown="15m",
    rearm="0.5%",
    expires="30d",
    owner="me",
    note="sell",
    message="{symbol} at {price}",
)


def rule_of(**words: Any) -> Rule:
    """Read the rule ``AAPL above 200`` with other words."""
    usual: dict[str, Any] = {"id": "r-1", "symbol": "AAPL", "condition": "above", "levels": ["200"]}
    return rule_from_words(RuleWords(**usual | words), NOW)


def reason(**words: Any) -> str:
    with pytest.raises(RuleError) as refusal:
        rule_of(**words)
    return str(refusal.value)


def test_all_words_make_a_rule() -> None:
    assert rule_from_words(ALL, NOW) == Rule(
        rule_id="mine",
        symbol="AAPL",
        terms=Terms(
            Condition.FALLS,
            (Decimal(5),),
            is_percent=True,
            window="1h",
            rearm=Distance(Decimal("0.5"), is_percent=True),
        ),
        trigger=Trigger.EVERY,
        cooldown_seconds=900,
        expires_at_microseconds=NOW + 30 * DAY,
        owner="me",
        note="sell",
        message="{symbol} at {price}",
    )


@given(rules_with_texts)
def test_every_rule_can_be_written_and_read_again(rule: Rule) -> None:
    assert rule_from_words(words_of(rule), NOW, may_have_expired=True) == rule
    assert words_of(rule).condition == rule.terms.condition.replace("_", "-")


@pytest.mark.parametrize(
    ("word", "hint"),
    [("crosses_up", "crosses-up"), ("Above", "above"), ("crossesdown", "crosses-down")],
)
def test_another_condition_is_refused_with_the_nearest(word: str, hint: str) -> None:
    assert reason(condition=word) == f"there is no condition {word!r}: write {hint}"


def test_a_condition_that_is_like_none_is_refused_with_all_of_them() -> None:
    assert reason(condition="?") == (
        "there is no condition '?': write crosses-up, crosses-down, crosses, above, below, enters, "
        "exits, inside, outside, rises, falls"
    )


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"levels": []}, "above takes one level"),
        ({"levels": ["90", "110"]}, "above takes one level"),
        ({"levels": ["5%"]}, "above takes a price, no percentage and no window"),
        ({"within": "1h"}, "above takes a price, no percentage and no window"),
        ({"condition": "enters", "levels": ["110", "90"]}, "enters takes the lower level first"),
        ({"condition": "enters", "levels": ["5%", "10"]}, "enters takes a price, no percentage"),
        ({"condition": "rises"}, "rises needs a window: within 1m 5m 15m 1h 4h 1d 7d"),
        ({"condition": "rises", "within": "2h"}, "rises needs a window: within 1m 5m 15m"),
        ({"levels": ["--5"]}, "'--5' is not a number (0 or between"),
        ({"symbol": "A B "}, "'A B ': symbol must be 1 to 64 printable characters"),
        ({"trigger": "twice"}, "'twice' is not a trigger: write once or every"),
        ({"cooldown": "15m"}, "cooldown and rearm need the trigger every"),
        ({"rearm": "1"}, "cooldown and rearm need the trigger every"),
        ({"trigger": "every", "cooldown": "15"}, "'15' is not a duration"),
        ({"trigger": "every", "rearm": "100%"}, "rearm is an amount greater than 0, or a percent"),
        ({"trigger": "every", "rearm": "x"}, "'x' is not a number"),
        ({"expires": "soon"}, "'soon' is no time"),
        ({"id": "a b"}, "an id is 1 to 64 characters"),
        ({"id": ""}, "an id is 1 to 64 characters"),
        ({"id": "high-price-threshold"}, "high-price-threshold is the id of the stack's own rule"),
        ({"note": "two\nlines"}, "note takes up to 256 printable characters on one line"),
        ({"message": "{prise}"}, "message takes the placeholders {symbol}"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: dict[str, Any], what: str) -> None:
    said = reason(**words)
    assert said.startswith(what)
    assert "\n" not in said


@pytest.mark.parametrize("expires", ["2026-11-22", "2026-11-22T15:04:05.250Z"])
def test_a_new_rule_must_not_have_expired(expires: str) -> None:
    assert reason(expires=expires) == (
        f"expires {expires} is in the past: write a later time, say 30d"
    )


def test_a_rule_of_the_past_may_have_expired() -> None:
    words = replace(ALL, expires="2010-03-01")
    rule = rule_from_words(words, NOW, may_have_expired=True)
    assert words_of(rule).expires == "2010-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("BRK.B", "brk.b-"), ("^BTC/USD", "btc-usd-"), ("^", ""), ("A" * 64, "a" * 57 + "-")],
)
def test_an_id_that_is_made_up_tells_the_symbol(symbol: str, name: str) -> None:
    rule_id = rule_of(id=None, symbol=symbol).rule_id
    assert rule_id.startswith(name)
    assert len(rule_id) == len(name) + 6


def test_no_id_is_made_up_twice() -> None:
    assert len({rule_of(id=None).rule_id for _ in range(1_000)}) == 1_000


def test_what_is_as_usual_is_not_told() -> None:
    assert words_of(rule_of(owner="me")).told() == {
        "id": "r-1",
        "symbol": "AAPL",
        "condition": "above",
        "levels": ["200"],
        "owner": "me",
    }


def test_a_rule_is_told_in_words() -> None:
    rule = rule_from_words(replace(ALL, expires="2027-01-31"), NOW)
    assert condition_in_words(rule.terms) == "falls 5% within 1h"
    assert trigger_in_words(rule) == "every, cooldown 15m, rearm 0.5%"
    assert rule_in_words(rule) == (
        "AAPL falls 5% within 1h, every, cooldown 15m, rearm 0.5%, until 2027-01-31T00:00:00Z"
    )
    assert rule_in_words(rule_of(condition="enters", levels=["90", "110"])) == (
        "AAPL enters 90 110, once"
    )


@pytest.mark.parametrize(
    ("stored", "expires_at", "shown"),
    [
        (Status.ACTIVE, None, ShownStatus.ACTIVE),
        (Status.ACTIVE, NOW + 1, ShownStatus.ACTIVE),
        (Status.PAUSED, None, ShownStatus.PAUSED),
        (Status.TRIGGERED, None, ShownStatus.TRIGGERED),
        (Status.ACTIVE, NOW, ShownStatus.EXPIRED),
        (Status.TRIGGERED, NOW, ShownStatus.EXPIRED),
    ],
)
def test_a_rule_past_its_expiry_is_shown_as_expired(
    stored: Status, expires_at: int | None, shown: ShownStatus
) -> None:
    rule = replace(rule_of(), expires_at_microseconds=expires_at, progress=Progress(stored))
    assert status_of(rule, NOW) == shown


def test_a_rule_whose_item_cannot_be_read_is_set_aside_with_the_reason() -> None:
    item = rule_item(rule_of())
    assert rule_in(item) == rule_of()

    aside = rule_in(item | {"symbol": "IBM", "condition": "?"})

    assert isinstance(aside, SetAside)
    assert (aside.rule_id, aside.symbol) == ("r-1", "AAPL")
    assert rule_in_words(aside) == f"AAPL, set aside: {aside.reason}"
    assert status_of(aside, NOW) is ShownStatus.SET_ASIDE
