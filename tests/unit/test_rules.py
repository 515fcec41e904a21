from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from price_alerts.domain.conditions import Condition, RuleError, Side, Terms
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.rules import Rule, Trigger, high_price_rule, paused, resumed
from price_alerts.domain.ticks import Position
from tests.unit.rule_builders import rule

SECOND = 1_000_000
BAD_ID = "an id is 1 to 64 characters of A-Z a-z 0-9 . _ -"
BAD_SYMBOL = "symbol must be 1 to 64 printable characters, with no blank at either end"
ONLY_ONCE = "cooldown and rearm need the trigger every: once fires only once"
BAD_TEMPLATE = (
    "message takes the placeholders "
    "{symbol} {price} {previous_price} {condition} {level} {timestamp} {note}"
)


def printable(name: str, longest: int) -> str:
    return f"{name} takes up to {longest} printable characters on one line"


@pytest.mark.parametrize("rule_id", ["a", "0", "A.b_c-d", "x" * 64, "a.", "high-price-threshold"])
def test_an_id_is_short_and_plain(rule_id: str) -> None:
    assert rule(rule_id=rule_id).rule_id == rule_id


@pytest.mark.parametrize("rule_id", ["", "x" * 65, ".a", "_a", "-a", "a b", "a#b", "ä", "a\n"])
def test_any_other_id_is_refused(rule_id: str) -> None:
    with pytest.raises(RuleError) as refusal:
        rule(rule_id=rule_id)
    assert str(refusal.value) == BAD_ID


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"symbol": "aapl"}, "symbol must have capital letters"),
        ({"symbol": ""}, BAD_SYMBOL),
        ({"trigger": Trigger.ONCE, "cooldown_seconds": 1}, ONLY_ONCE),
        ({"owner": "x" * 65}, printable("owner", 64)),
        ({"note": "x" * 257}, printable("note", 256)),
        ({"message": "x" * 513}, printable("message", 512)),
        ({"owner": "a\nb"}, printable("owner", 64)),
        ({"note": "a\tb"}, printable("note", 256)),
        ({"message": "\u2028"}, printable("message", 512)),
    ],
)
def test_what_cannot_be_kept_or_announced_is_refused(
    options: dict[str, object], reason: str
) -> None:
    with pytest.raises(RuleError) as refusal:
        rule(**options)  # type: ignore[arg-type]
    assert str(refusal.value) == reason


def test_rearm_needs_the_trigger_every() -> None:
    with pytest.raises(RuleError, match=ONLY_ONCE):
        rule("above 100 rearm 2", trigger=Trigger.ONCE)


@pytest.mark.parametrize(("name", "longest"), [("owner", 64), ("note", 256), ("message", 512)])
def test_a_text_may_have_its_full_length(name: str, longest: int) -> None:
    assert getattr(rule(**{name: "ü" * longest}), name) == "ü" * longest


@pytest.mark.parametrize(
    "template",
    [
        *("", "plain", "{{braces}}", "{symbol} {price} {previous_price}"),
        *("{condition} {level} {timestamp} {note}", "{symbol}{symbol}"),
    ],
)
def test_a_message_takes_placeholders(template: str) -> None:
    assert rule(message=template).message == template


@pytest.mark.parametrize(
    "template",
    [
        *("{", "}", "{}", "{0}", "{owner}", "{symbol", "{price:f}", "{price!r}", "{price.real}"),
        *("{symbol[0]}", "{price:{level}}", "{ symbol}", "{note!}", "{symbol} {owner}"),
    ],
)
def test_a_message_takes_nothing_else_in_braces(template: str) -> None:
    with pytest.raises(RuleError) as refusal:
        rule(message=template)
    assert str(refusal.value) == BAD_TEMPLATE


@pytest.mark.parametrize(
    ("expires_at", "last_fired_at", "may_fire"),
    [
        pytest.param(None, None, True, id="neither"),
        pytest.param(100 * SECOND + 1, None, True, id="just not expired"),
        pytest.param(100 * SECOND, None, False, id="just expired"),
        pytest.param(None, 90 * SECOND, True, id="cooldown just over"),
        pytest.param(None, 90 * SECOND + 1, False, id="cooldown not over"),
        pytest.param(0, 0, False, id="expired and cooled down"),
    ],
)
def test_a_rule_may_fire_before_its_expiry_and_after_its_cooldown(
    expires_at: int | None, last_fired_at: int | None, may_fire: bool
) -> None:
    watched = rule(
        cooldown_seconds=10,
        expires_at_microseconds=expires_at,
        progress=Progress(last_fired_at_microseconds=last_fired_at),
    )
    assert watched.may_fire_at(100 * SECOND) is may_fire


def test_without_a_cooldown_a_rule_may_fire_at_the_same_time_again() -> None:
    assert rule(progress=Progress(last_fired_at_microseconds=5)).may_fire_at(5)


@pytest.mark.parametrize(
    ("since", "takes_part"),
    [
        pytest.param(None, True, id="no tick before it"),
        pytest.param(Position(5, 0, 0, "m-4", 9), True, id="a tick before"),
        pytest.param(Position(5, 0, 0, "m-5", 0), False, id="the very tick"),
        pytest.param(Position(5, 0, 0, "m-5", 1), False, id="a tick after"),
    ],
)
def test_a_rule_takes_part_in_ticks_after_the_last_one_before_it(
    since: Position | None, takes_part: bool
) -> None:
    assert rule(since=since).takes_part_at(Position(5, 0, 0, "m-5", 0)) is takes_part


def test_the_stacks_own_rule_is_above_the_threshold_every_time() -> None:
    assert high_price_rule(Decimal(150)) == Rule(
        rule_id="high-price-threshold",
        symbol="ANY",
        terms=Terms(Condition.ABOVE, (Decimal(150),)),
        trigger=Trigger.EVERY,
        owner="stack",
    )


AT = Position(5, 0, 0, "m-5", 0)
TRAIL = Trail(((AT, Progress()),), (Announced(AT, AT),))
FIRED = Progress(Status.ACTIVE, Side.HIGH, 5, "f", TRAIL)


def test_a_paused_rule_keeps_all_else() -> None:
    assert paused(rule(progress=FIRED)) == rule(progress=replace(FIRED, status=Status.PAUSED))


@pytest.mark.parametrize("status", [Status.PAUSED, Status.TRIGGERED])
def test_only_an_active_rule_pauses(status: Status) -> None:
    with pytest.raises(RuleError) as refusal:
        paused(rule(progress=Progress(status)))
    assert str(refusal.value) == f"r is {status}, and only an active rule pauses"


@pytest.mark.parametrize("status", [Status.PAUSED, Status.TRIGGERED])
def test_a_resumed_rule_is_armed_and_keeps_only_its_cooldown(status: Status) -> None:
    stopped = rule(progress=replace(FIRED, status=status))
    assert resumed(stopped) == rule(progress=replace(FIRED, disarmed=None, trail=Trail()))


def test_an_active_rule_does_not_resume() -> None:
    with pytest.raises(RuleError, match="r is active already"):
        resumed(rule())
