"""docs/cdktf.schema.json: an editor says of cdktf.json what the check says."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from contextlib import suppress
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.backend.block import load_backend
from lib.config.ci import load_ci_settings
from lib.config.document import ConfigurationError, SettingsError
from lib.config.kinds import Setting, settings_of
from lib.config.settings import Settings, load_settings
from tools.docs import cdktf_schema
from tools.docs.cdktf_schema import FILE, document_schema, render

PROJECT = Path(__file__).parents[3]
jsonschema = importlib.import_module("jsonschema")  # it has no types
SCHEMA = document_schema()
SETTINGS = settings_of(Settings)
BY_NAME = {setting.name: setting for setting in SETTINGS}


def is_valid(schema: dict[str, Any], value: object) -> bool:
    return bool(jsonschema.Draft7Validator(schema).is_valid(value))


def is_accepted(path: Path, document: dict[str, Any]) -> bool:
    path.write_text(json.dumps(document), "utf-8")
    with suppress(ConfigurationError):
        for name in document["context"]["environments"] or ["dev"]:
            load_settings(path, name)
        load_ci_settings(path)
        load_backend(path, "dev", {"PATH": ""}, path.parent)
        return True
    return False


def accepts(setting: Setting, value: object) -> bool:
    with suppress(SettingsError):
        setting.read(value)
        return True
    return False


# --- single settings ---------------------------------------------------------------------

ARNS = [
    "arn:aws:iam::123456789012:role/feed",
    "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-1",
    "arn:aws:sqs:us-east-1:123456789012:heard",
]
PROTOCOLS = ["email", "email-json", "https", "lambda", "sms", "sqs"]
ENDPOINTS = ["a@example.com", "+4915112345678", "https://a.example", "a@${x}", *ARNS]
WORDS = [
    *("us-east-1", "standard", "fifo", "INFO", "~> 5.100", "latest", "subnet-1", "sg-1", "aws:x"),
    *("", "a.b", "a..b", "symbol", "${x}", *PROTOCOLS, *ENDPOINTS),
]
# A line end at the end is where Python's patterns and JavaScript's differ.
_texts = st.sampled_from(WORDS) | st.text(st.characters(min_codepoint=32, max_codepoint=126))
_bounds = {each.schema.get(word, 0) for each in SETTINGS for word in ("minimum", "maximum")}
_numbers = st.sampled_from(sorted(int(each) for each in _bounds if abs(each) < 1e29)).flatmap(
    lambda bound: st.integers(bound - 1, bound + 1)
)
_scalars = st.none() | st.booleans() | _numbers | _texts
_subscriptions = st.fixed_dictionaries(
    {"protocol": st.sampled_from(PROTOCOLS), "endpoint": st.sampled_from(ENDPOINTS)}
) | st.fixed_dictionaries({}, optional={"protocol": _texts, "endpoint": _texts, "x": st.none()})
_shapes = st.fixed_dictionaries(
    {"symbol": st.just("s"), "price": _texts},
    optional={
        "when": st.dictionaries(_texts, _scalars | st.lists(_scalars, max_size=2), max_size=2),
        "bar": st.lists(st.just("a"), min_size=3, max_size=5),
    },
)
_values = (
    _scalars
    | st.lists(_texts, max_size=3)
    | st.dictionaries(_texts, _texts, max_size=2)
    | st.integers(48, 51).map(lambda count: [f"{ARNS[0]}{number}" for number in range(count)])
    | st.integers(48, 51).map(lambda count: {f"{number}": "" for number in range(count)})
)
# Of these, what is drawn by chance hardly ever fits.
_fitting = {
    "producers": st.lists(st.sampled_from([ARNS[0], f"{ARNS[0]}s", "*"]), max_size=3),
    "subscriber_protocols": st.lists(st.sampled_from([*PROTOCOLS, "http"]), max_size=3),
    "subscriptions": st.lists(_subscriptions, max_size=2),
    "subnet_ids": st.lists(st.sampled_from(["subnet-1", "subnet-2", "sg-1"]), max_size=3),
    "security_group_ids": st.lists(st.sampled_from(["subnet-1", "sg-2", "sg-1"]), max_size=3),
    "shapes": st.dictionaries(_texts, _shapes, max_size=2),
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
@given(data=st.data())
@settings(max_examples=20)
def test_schema_and_check_accept_the_same(setting: Setting, data: st.DataObject) -> None:
    value = data.draw(_fitting.get(setting.name, st.nothing()) | _values)
    assert is_valid(setting.schema, value) is accepts(setting, value)
    if not setting.must_be_set:
        assert is_valid(setting.schema, json.loads(json.dumps(setting.default)))


def test_schema_and_check_accept_the_same_fields_in_a_shape() -> None:
    """All that there can be together."""
    shapes = BY_NAME["shapes"]
    fields: dict[str, object] = {
        **dict.fromkeys(["items", "symbol", "price", "timestamp"], "a.b"),
        "when": {"kind": "px"},
        "bar": list("ohlc"),
        "skip": True,
    }
    values = [
        {"mine": dict(chosen)}
        for count in range(len(fields) + 1)
        for chosen in combinations(fields.items(), count)
    ]
    assert len([value for value in values if accepts(shapes, value)]) == 10
    assert [v for v in values if is_valid(shapes.schema, v) is not accepts(shapes, v)] == []


def test_a_threshold_beyond_all_prices_is_invalid_and_any_alphabet_is_valid_in_tags() -> None:
    for number in (2 * 10**30, -(10**31), Decimal("1e31")):
        assert not is_valid(BY_NAME["high_price_threshold"].schema, number)
    for letters in ("Größe", "価格"):
        assert is_valid(BY_NAME["tags"].schema, {letters: letters})
        assert accepts(BY_NAME["tags"], {letters: letters})


# --- the whole file ----------------------------------------------------------------------

_contexts = st.fixed_dictionaries(
    {
        "environments": st.dictionaries(
            st.sampled_from(["dev", "prod", "Dev", "state", "ci", "a" * 17]),
            st.fixed_dictionaries(
                {}, optional={"region": st.sampled_from(["eu-west-1", ""]), "nope": st.none()}
            ),
            max_size=3,
        )
    },
    optional={
        "common": st.fixed_dictionaries(
            {}, optional={"region": st.just("us-east-1"), "batch_size": st.integers(0, 12)}
        ),
        "ci": st.sampled_from([None, {}, {"repository": "o/n"}, {"repository": "o@1/n"}, "o/n"]),
        "excludeStackIdFromLogicalIds": st.just("true"),
        "nope": st.none(),
    },
)


@given(context=_contexts)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_schema_rejects_the_check_rejects(tmp_path: Path, context: dict[str, Any]) -> None:
    """Not the other way round: which settings go together no schema says."""
    document = {"context": context}
    if not is_valid(SCHEMA, document):
        assert not is_accepted(tmp_path / "cdktf.json", document)


S3 = {"bucket": "states", "key": "{stack}", "region": "eu-west-1"}
ROLE = {"role_arn": "arn:aws:iam::123456789012:role/state"}


@pytest.mark.parametrize(
    ("context", "terraform", "valid"),
    [
        ({}, {}, True),
        ({"common": {"batchsize": 1}}, {}, False),
        ({"common": {}}, {}, False),  # no region
        ({"common": {}, "environments": {"dev": {"region": "eu-west-1"}}}, {}, True),
        ({"environments": {}}, {}, False),
        ({"environments": {"dev": {"batch_size": 0}}}, {}, False),
        ({"ci": {"repository": "o/n"}}, {}, True),
        ({"ci": {"repository": "o@1/n"}}, {}, False),
        ({"ci": None, "allowSepCharsInLogicalIds": "true"}, {}, True),
        ({}, {"backend": None}, True),
        ({}, {"backend": {"local": {"path": "/states/{stack}"}}}, True),
        ({}, {"backend": {"S3": {}}}, False),
        ({}, {"backend": {}}, False),
        ({}, {"backend": {"s3": S3, "local": {}}}, False),
        ({}, {"backend": {"local": []}}, False),
        ({}, {"required_version": "1"}, False),
        ({}, [], False),
        ({}, {"backend": {"s3": {**S3, "use_lockfile": True, "//": "a note"}}}, True),
        ({}, {"backend": {"s3": {**S3, "profile": None, "assume_role": ROLE}}}, True),
        *(
            ({}, {"backend": {"s3": {**S3, **own}}}, False)
            for own in (
                {"use_lockfile": "true"},
                {"bucket": 1},
                {"max_retries": -1},
                {"allowed_account_ids": "123456789012"},
                {"assume_role": {"role_arn": 1}},
            )
        ),
    ],
)
def test_schema_and_check_agree_on_a_file(
    tmp_path: Path, context: dict[str, Any], terraform: object, valid: bool
) -> None:
    common = {"region": "us-east-1", "batch_size": 5, "tags": {"team": "a"}}
    document = {
        "context": {"common": common, "environments": {"dev": {}, "prod": {}}} | context,
        "terraform": terraform,
        "app": "python3 main.py",
    }
    assert is_accepted(tmp_path / "cdktf.json", document) is valid
    assert is_valid(SCHEMA, document) is valid


# --- the file in docs/ -------------------------------------------------------------------


def test_the_file_is_the_schema_and_the_project_s_own_cdktf_json_is_valid() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert FILE.read_text("utf-8") == render()
    document = json.loads((PROJECT / "cdktf.json").read_text("utf-8"))
    assert PROJECT / document["$schema"] == FILE
    assert is_valid(SCHEMA, document)


def test_the_schema_is_written_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "schema.json"
    monkeypatch.setattr(sys, "argv", ["cdktf_schema", str(file)])
    runpy.run_path(cdktf_schema.__file__, run_name="__main__")
    assert file.read_text("utf-8") == render()
