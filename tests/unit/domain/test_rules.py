from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from price_alerts.domain.conditions import Condition, RuleError, Side, Terms
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.rules import PLACEHOLDERS, Rule, Trigger, high_price_rule, paused, resumed
from price_alerts.domain.ticks import Position
from tests.unit.rule_builders import SECOND, rule, terms

BAD_ID = "an id is 1 to 64 characters of A-Z a-z 0-9 . _ -"
BAD_SYMBOL = "symbol must be 1 to 64 printable characters, with no blank at either end"
ONLY_ONCE = "cooldown and rearm need the trigger every: once fires only once"
LONGEST = {"owner": 64, "note": 256, "message": 512}
BAD_TEMPLATE = (
    "message takes the placeholders "
    "{symbol} {price} {previous_price} {condition} {level} {timestamp} {note}"
)


@pytest.mark.parametrize(
    "options",
    [
        *({"rule_id": each} for each in ("a", "0", "A.b_c-d", "x" * 64, "a.")),
        *({name: "ü" * longest} for name, longest in LONGEST.items()),
        *({"message": each} for each in ("", "{{braces}}", "{symbol}{symbol}")),
        {"message": " ".join(f"{{{each}}}" for each in PLACEHOLDERS)},
    ],
)
def test_what_can_be_kept_and_published_is_accepted(options: dict[str, str]) -> None:
    built = rule(**options)
    assert {name: getattr(built, name) for name in options} == options


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        *(
            ({"rule_id": each}, BAD_ID)
            for each in ("", "x" * 65, ".a", "_a", "-a", "a b", "a#b", "ä", "a\n")
        ),
        ({"symbol": "aapl"}, "symbol must have capital letters"),
        ({"symbol": ""}, BAD_SYMBOL),
        ({"trigger": Trigger.ONCE, "cooldown_seconds": 1}, ONLY_ONCE),
        ({"trigger": Trigger.ONCE, "terms": terms("above 100 rearm 2")}, ONLY_ONCE),
        *(
            ({name: text}, f"{name} takes up to {longest} printable characters on one line")
            for name, longest in LONGEST.items()
            for text in ("x" * (longest + 1), "a\nb", "\u2028")
        ),
        *(
            ({"message": each}, BAD_TEMPLATE)
            for each in (
                *("{", "}", "{}", "{0}", "{owner}", "{symbol", "{price:f}", "{price!r}"),
                *("{price.real}", "{symbol[0]}", "{price:{level}}", "{ symbol}", "{note!}"),
                "{symbol} {owner}",
            )
        ),
    ],
)
def test_what_cannot_be_kept_or_published_is_rejected(
    options: dict[str, object], reason: str
) -> None:
    with pytest.raises(RuleError) as rejection:
        rule(**options)  # type: ignore[arg-type]  # a table's columns
    assert str(rejection.value) == reason


@pytest.mark.parametrize(
    ("cooldown_seconds", "expires_at", "last_fired_at", "may_fire"),
    [
        pytest.param(10, None, None, True, id="neither"),
        pytest.param(10, 100 * SECOND + 1, None, True, id="just not expired"),
        pytest.param(10, 100 * SECOND, None, False, id="just expired"),
        pytest.param(10, None, 90 * SECOND, True, id="cooldown just over"),
        pytest.param(10, None, 90 * SECOND + 1, False, id="cooldown not over"),
        pytest.param(10, 0, 0, False, id="expired and cooled down"),
        pytest.param(0, None, 100 * SECOND, True, id="no cooldown"),
    ],
)
def test_a_rule_may_fire_before_its_expiry_and_after_its_cooldown(
    cooldown_seconds: int, expires_at: int | None, last_fired_at: int | None, may_fire: bool
) -> None:
    watched = rule(
        cooldown_seconds=cooldown_seconds,
        expires_at_microseconds=expires_at,
        progress=Progress(last_fired_at_microseconds=last_fired_at),
    )
    assert watched.may_fire_at(100 * SECOND) is may_fire


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
        cooldown_seconds=0,
        owner="stack",
        revision=0,
    )


AT = Position(5, 0, 0, "m-5", 0)
TRAIL = Trail(((AT, Progress()),), (Announced(AT, AT),))
FIRED = Progress(Status.ACTIVE, Side.HIGH, 5, "f", TRAIL)


def test_a_paused_rule_keeps_all_else() -> None:
    assert paused(rule(progress=FIRED)) == rule(progress=replace(FIRED, status=Status.PAUSED))


@pytest.mark.parametrize("status", [Status.PAUSED, Status.TRIGGERED])
def test_a_resumed_rule_is_armed_and_keeps_only_its_cooldown(status: Status) -> None:
    stopped = rule(progress=replace(FIRED, status=status))
    assert resumed(stopped) == rule(progress=replace(FIRED, disarmed=None, trail=Trail()))


@pytest.mark.parametrize("status", Status)
def test_only_an_active_rule_pauses_and_only_another_resumes(status: Status) -> None:
    change = resumed if status is Status.ACTIVE else paused
    with pytest.raises(RuleError) as rejection:
        change(rule(progress=Progress(status)))
    assert str(rejection.value) == (
        "r is active already"
        if status is Status.ACTIVE
        else f"r is {status}, and only an active rule pauses"
    )
