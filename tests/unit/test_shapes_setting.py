"""The setting ``shapes``: what it rejects, and that the function understands what it accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config.document import SettingsError
from lib.config.settings import Settings
from price_alerts.config import Config

WHEN = {"when": {"kind": "px"}}
PRICES = {"symbol": "s", "price": "p"}
REQUIRED = {"TABLE_NAME": "alerts", "TOPIC_ARN": "arn:topic"}


def settings_with(shapes: Any) -> Settings:
    return Settings(environment="dev", region="eu-west-1", shapes=shapes)


WANTED = "must be a text, true, false, a list of these, or null for any value"
FIELD = "must be the name of a field, or a path such as a.b"
COMBINED = " must have symbol and either price or bar; or items alone, for an envelope; or skip"


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ([], " must be a JSON object"),
        ({**WHEN, **PRICES, "nope": 1}, ".nope is not known: it takes bar, items, price, "),
        ({**WHEN, **PRICES, "simbol": "s"}, ".simbol is not known: did you mean symbol? "),
        (PRICES, f".when must be an object of at least 1, and each value {WANTED}; the names are"),
        ({**PRICES, "when": {}}, ".when must be an object of at least 1, "),
        ({**PRICES, "when": {"kind": 1}}, f".when.kind {WANTED}"),
        ({**PRICES, "when": {"kind": []}}, f".when.kind {WANTED}"),
        ({**PRICES, "when": {"kind": [None]}}, f".when.kind {WANTED}"),
        ({**PRICES, "when": {"kind": "${x}"}}, f".when.kind {WANTED}"),
        ({**PRICES, "when": {"${x}": "k"}}, f".when: the name ${{x}} {FIELD}"),
        *(
            ({**WHEN, "symbol": "s", "price": wrong}, f".price {FIELD}")
            for wrong in ("", "a..b", "%{p}", None)
        ),
        (
            {**WHEN, "symbol": "s", "bar": ["o"]},
            f".bar must be a list of 4, and each entry {FIELD}: open, high, low, close",
        ),
        ({**WHEN, "symbol": "s", "bar": "ohlc"}, ".bar must be a list of 4"),
        ({**WHEN, "skip": False}, ".skip must be true"),
        ({**WHEN, "skip": True, **PRICES}, COMBINED),
        ({**WHEN, "symbol": "s"}, COMBINED),
        ({**WHEN, **PRICES, "bar": list("ohlc")}, COMBINED),
        ({**WHEN, "items": "i", "timestamp": "t"}, COMBINED),
        (WHEN, COMBINED),
    ],
)
def test_what_is_no_shape_is_rejected(shape: Any, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings_with({"x": shape})
    assert str(error.value).startswith(f"shapes.x{text}")


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (None, "shapes must be an object, and each value must be a JSON object"),
        ({"x" * 2_000: {**WHEN, **PRICES}}, "shapes must not be longer than 2,000 bytes"),
    ],
)
def test_what_are_no_shapes_is_rejected(shapes: Any, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings_with(shapes)
    assert str(error.value) == text


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
