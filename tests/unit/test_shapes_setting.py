"""The setting ``shapes``: what it rejects, and that the function understands what it accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config.settings import Settings
from lib.config.settings_rules import SettingsError
from price_alerts.config import Config

WHEN = {"when": {"kind": "px"}}
PRICES = {"symbol": "s", "price": "p"}
REQUIRED = {"TABLE_NAME": "alerts", "TOPIC_ARN": "arn:topic"}


def settings_with(shapes: Any) -> Settings:
    return Settings(environment="dev", region="eu-west-1", shapes=shapes)


@pytest.mark.parametrize(
    ("shapes", "complaint"),
    [
        (None, "shapes must be an object"),
        ({"x": []}, "shapes must be an object with an object for each shape"),
        ({"x": {**WHEN, **PRICES, "nope": 1}}, "shapes.x.nope is not known: it takes when, items"),
        ({"x": PRICES}, "shapes.x.when must be an object of fields"),
        ({"x": {**PRICES, "when": {}}}, "shapes.x.when must be an object of fields"),
        ({"x": {**PRICES, "when": {"kind": 1}}}, "shapes.x.when must be an object of fields"),
        ({"x": {**PRICES, "when": {"kind": []}}}, "shapes.x.when must be an object of fields"),
        ({"x": {**PRICES, "when": {"k": "${x}"}}}, "shapes.x.when must be an object of fields"),
        ({"x": {**PRICES, "when": {"${x}": "k"}}}, "shapes.x.when must be an object of fields"),
        ({"x": {**WHEN, "symbol": "s", "price": "a..b"}}, "shapes.x.price must be the name"),
        ({"x": {**WHEN, "symbol": "", "price": "p"}}, "shapes.x.symbol must be the name"),
        ({"x": {**WHEN, "symbol": "s", "price": "${p}"}}, "shapes.x.price must be the name"),
        ({"x": {**WHEN, "symbol": "s", "bar": ["o"]}}, "shapes.x.bar must be a list of four"),
        ({"x": {**WHEN, "symbol": "s", "bar": "ohlc"}}, "shapes.x.bar must be a list of four"),
        ({"x": {**WHEN, "skip": False}}, "shapes.x.skip must be true"),
        ({"x": {**WHEN, "skip": True, **PRICES}}, "shapes.x must have symbol and either price"),
        ({"x": {**WHEN, "symbol": "s"}}, "shapes.x must have symbol and either price or bar"),
        ({"x": {**WHEN, **PRICES, "bar": list("ohlc")}}, "shapes.x must have symbol and either"),
        ({"x": WHEN}, "shapes.x must have symbol and either price or bar"),
        ({"x" * 2_000: {**WHEN, **PRICES}}, "shapes must not be longer than 2,000 bytes"),
    ],
)
def test_what_is_no_shape_is_rejected(shapes: Any, complaint: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings_with(shapes)
    assert complaint in str(error.value)


_paths = st.sampled_from(["a", "a.b", "symbol", "\u00fc.$x"])
_values = st.text(alphabet="ab", max_size=2) | st.booleans()
_whens = st.dictionaries(_paths, st.none() | _values | st.lists(_values, min_size=1), min_size=1)
_items = st.fixed_dictionaries({}, optional={"items": _paths})
_prices = st.fixed_dictionaries(
    {"symbol": _paths, "price": _paths}, optional={"timestamp": _paths, "sequence": _paths}
)
_bars = st.fixed_dictionaries(
    {"symbol": _paths, "bar": st.lists(_paths, min_size=4, max_size=4)},
    optional={"timestamp": _paths},
)
_others = st.just({"skip": True}) | st.fixed_dictionaries({"items": _paths})


@given(
    st.builds(dict.__or__, _whens.map(lambda when: {"when": when}), _prices | _bars | _others),
    _items,
)
def test_the_function_understands_each_shape_that_can_be_set(
    shape: dict[str, Any], items: dict[str, str]
) -> None:
    shapes = {"x": shape if "skip" in shape else items | shape}
    settings = settings_with(shapes)
    config = Config.from_environment({**REQUIRED, "SHAPES": json.dumps(settings.shapes)})
    own = config.shapes[0]
    assert own.name == "x"
    assert own.when.keys() == shape["when"].keys()
    assert own.symbol == shape.get("symbol", "")
    assert own.is_skipped == shape.get("skip", False)
    assert len(own.prices) == (4 if "bar" in shape else 1)
