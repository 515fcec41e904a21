from __future__ import annotations

from decimal import Decimal

import pytest

from price_alerts.rules import Condition, high_price_rule

HIGH = high_price_rule(Decimal(150))


def test_the_stacks_own_rule_is_above_the_threshold() -> None:
    assert (HIGH.rule_id, HIGH.condition, HIGH.levels, HIGH.owner, HIGH.note) == (
        "high-price-threshold",
        Condition.ABOVE,
        (Decimal(150),),
        "stack",
        "",
    )


@pytest.mark.parametrize(
    ("previous", "price", "fires"),
    [
        pytest.param("149", "151", True, id="over the level"),
        pytest.param("150", "150.000000000000000001", True, id="from the level up"),
        pytest.param("149", "150", False, id="an exact touch is not above"),
        pytest.param("151", "152", False, id="above before already"),
        pytest.param("151", "151", False, id="equal prices above"),
        pytest.param("149", "149", False, id="equal prices below"),
        pytest.param("151", "149", False, id="going down"),
        pytest.param(None, "151", True, id="unknown before, above now"),
        pytest.param(None, "150", False, id="unknown before, on the level now"),
    ],
)
def test_a_rule_fires_when_it_was_not_so_before(
    previous: str | None, price: str, fires: bool
) -> None:
    assert HIGH.fires(None if previous is None else Decimal(previous), Decimal(price)) is fires
