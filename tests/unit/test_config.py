from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from price_alerts.config import ENVIRONMENT_VARIABLES, Config, ConfigError
from price_alerts.domain.shapes import SHAPES, Shape

# Lambda sets it itself; the stack does not.
MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
REQUIRED = {"TABLE_NAME": "alerts", "TOPIC_ARN": "arn:topic"}
COMPLETE = {
    **REQUIRED,
    "HIGH_PRICE_THRESHOLD": "150.5",
    "HISTORY_DAYS": "30",
    "LATE_TICKS": "7",
    "PEOPLE_TOPIC_ARN": "arn:people",
    "QUEUE_URL": "https://sqs/prices",
    "METRICS_NAMESPACE": "Prices",
    "SERVICE_NAME": "handler",
    "SHAPES": '{"mine": {"when": {"kind": "px"}, "symbol": "sym", "price": "last"}}',
}
MINE = Shape("mine", {"kind": ["px"]}, symbol="sym", prices=["last"])


def test_every_variable_is_read() -> None:
    assert Config.from_environment({**COMPLETE, MEMORY: "512"}) == Config(
        table_name="alerts",
        topic_arn="arn:topic",
        people_topic_arn="arn:people",
        high_price_threshold=Decimal("150.5"),
        history_days=30,
        late_ticks=7,
        shapes=(MINE, *SHAPES),
        memory_mebibytes=512,
        queue_url="https://sqs/prices",
        metrics_namespace="Prices",
        service_name="handler",
    )


def test_the_list_of_variables_is_the_one_that_is_read() -> None:
    class Recorder(dict[str, str]):
        asked: set[str] = set()  # noqa: RUF012  # one recorder, one set

        def get(self, name: str, default: Any = "") -> Any:
            self.asked.add(name)
            return super().get(name, default)

        def __getitem__(self, name: str) -> str:
            self.asked.add(name)
            return super().__getitem__(name)

    recorder = Recorder(COMPLETE)
    Config.from_environment(recorder)
    assert recorder.asked - {MEMORY} == ENVIRONMENT_VARIABLES


def test_table_and_topic_are_enough() -> None:
    assert Config.from_environment(REQUIRED) == Config(
        table_name="alerts",
        topic_arn="arn:topic",
        people_topic_arn="",
        high_price_threshold=None,
        history_days=None,
        late_ticks=16,
        shapes=SHAPES,
        memory_mebibytes=256,
        queue_url="",
        metrics_namespace="PriceAlerts",
        service_name="price-alerts",
    )


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ever"])
def test_a_history_of_no_days_is_rejected(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.from_environment({**REQUIRED, "HISTORY_DAYS": text})
    assert str(error.value) == "HISTORY_DAYS must be a whole number of days, from 1 on"


@pytest.mark.parametrize("text", ["mine", "[]", '{"mine": {}}', '{"mine": 1}'])
def test_shapes_that_are_none_are_rejected(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.from_environment({**REQUIRED, "SHAPES": text})
    assert str(error.value) == "SHAPES must be JSON as in cdktf.json"


@pytest.mark.parametrize("text", ["101", "-1", "1.5", "many", "\u0661"])
def test_a_number_of_late_ticks_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.from_environment({**REQUIRED, "LATE_TICKS": text})
    assert str(error.value) == "LATE_TICKS must be a whole number from 0 to 100"


@pytest.mark.parametrize("text", ["0", "100"])
def test_a_number_of_late_ticks_is_taken(text: str) -> None:
    assert Config.from_environment({**REQUIRED, "LATE_TICKS": text}).late_ticks == int(text)


def test_an_empty_threshold_switches_the_rule_off() -> None:
    config = Config.from_environment({**REQUIRED, "HIGH_PRICE_THRESHOLD": ""})
    assert config.high_price_threshold is None


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "set TABLE_NAME and TOPIC_ARN in the function's environment"),
        ({"TABLE_NAME": "alerts"}, "set TOPIC_ARN in the function's environment"),
        ({**REQUIRED, "TABLE_NAME": ""}, "set TABLE_NAME in the function's environment"),
    ],
)
def test_a_missing_variable_is_named(environment: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.from_environment(environment)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    "text", ["NaN", "sNaN", "Infinity", "high", "1,5", "1_0", "1e31", "-9e-31"]
)
def test_a_threshold_that_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HIGH_PRICE_THRESHOLD: price must "):
        Config.from_environment({**REQUIRED, "HIGH_PRICE_THRESHOLD": text})
