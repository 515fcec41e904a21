"""cdktf.json → Settings: where a value comes from, what is accepted, and what an error says."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.config.document import SettingsError
from lib.config.entries import Subscription
from lib.config.kinds import settings_of
from lib.config.names import Account, Names
from lib.config.settings import Settings, load_settings
from lib.stacks.policies import queue_policy
from price_alerts.config import Config
from price_alerts.domain.ticks import is_number

CDKTF_JSON = Path(__file__).parents[3] / "cdktf.json"
SETTINGS = {setting.name: setting for setting in settings_of(Settings)}
WHOLE = [
    name for name, each in SETTINGS.items() if "minimum" in each.schema and "price" not in name
]
ROLE = "arn:aws:iam::123456789012:role/feed"
SIGNING = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-1"
MAIL = {"protocol": "email", "endpoint": "a@example.com"}
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a cdktf.json with that context."""

    def load(name: str | None = None, text: str = "", **context: Any) -> Settings:
        usual = {"common": {"region": "us-east-1"}, "environments": {"dev": {}, name or "dev": {}}}
        path = tmp_path / "cdktf.json"
        path.write_text(text or json.dumps({"context": usual | context}), "utf-8")
        return load_settings(path, name)

    return load


def settings(**values: Any) -> Settings:
    return Settings(**{"environment": "dev", "region": "us-east-1", **values})


def refused(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    return str(caught.value)


# --- the file ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", json.loads(CDKTF_JSON.read_text())["context"]["environments"])
def test_the_project_s_own_environments_can_be_deployed(name: str) -> None:
    assert load_settings(CDKTF_JSON, name).prefix == f"tap-{name}"


def test_an_environment_s_value_goes_before_the_common_one(load: Load) -> None:
    common = {"region": "eu-west-1", "memory_mebibytes": 256, "history_days": 1}
    own = {"memory_mebibytes": 512, "history_days": None}
    loaded = load("qa", common=common, environments={"qa": own})
    assert (loaded.region, loaded.memory_mebibytes, loaded.history_days) == ("eu-west-1", 512, None)


@pytest.mark.parametrize("name", [None, "", "a", "a" * 16, "eu-west1", "states"])
def test_an_environment_s_name_may_be(load: Load, name: str | None) -> None:
    loaded = load(name, allowSepCharsInLogicalIds="true", excludeStackIdFromLogicalIds="true")
    assert loaded.prefix == f"tap-{name or 'dev'}"


@pytest.mark.parametrize("name", ["a" * 17, "Dev", "1a", "-a", "a_b", "a.b", "dev\n"])
def test_an_environment_s_name_may_not_be(load: Load, name: str) -> None:
    with pytest.raises(SettingsError, match="a name must be a letter and up to 15 more of a-z 0-9"):
        load(name)


ANOTHER = "the name is taken, for the stack that"


@pytest.mark.parametrize(
    ("context", "complaint"),
    [
        ({"text": "x"}, "is not JSON: "),
        ({"text": "{}"}, "context must be a JSON object "),
        ({"text": '{"context": {}}'}, "context.environments must be a JSON object "),
        ({"common": {}}, "context.common.region is missing "),
        ({"common": []}, "context.common must be a JSON object "),
        ({"common": {"zzz": 1}}, "context.common.zzz is not known: it takes age_alarm_seconds, "),
        ({"common": {"environment": "x"}}, "context.common.environment is not known: "),
        ({"commons": {}}, "context.commons is not known: did you mean common? it takes allow"),
        ({"environments": {"dev": None}}, "context.environments.dev must be a JSON object "),
        (
            {"environments": {"dev": {"batchSize": 1}}},
            "context.environments.dev.batchSize is not known: did you mean batch_size? it takes ",
        ),
        (
            {"environments": {"qa": {}, "dev": {}}, "name": "a\nb"},
            "context.environments has no 'a\\nb': set TAP_ENVIRONMENT to dev or qa (environment a ",
        ),
        ({"name": "state"}, f"context.environments.state: {ANOTHER} keeps the state (environment"),
        (
            {"environments": {"dev": {}, "ci": {}}},
            f"context.environments.ci: {ANOTHER} lets CI deploy (environment dev)",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_said_in_one_line(
    load: Load, context: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**context)
    assert str(caught.value).startswith(f"cdktf.json: {complaint}")
    assert "\n" not in str(caught.value)


# --- single values -----------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_number_is_accepted_up_to_its_bounds_and_not_beyond(name: str) -> None:
    setting = SETTINGS[name]
    low, high = setting.schema["minimum"], setting.schema["maximum"]
    assert (setting.read(low), setting.read(high)) == (low, high)
    or_null = ", or null" if setting.may_be_null else ""
    numbers = [low - 1, high + 1, True, Decimal(low), float(high), str(low), [low], {}]
    for number in [*numbers, *([] if or_null else [None])]:
        with pytest.raises(SettingsError) as caught:
            setting.read(number)
        text = f"{name} must be a whole number from {low} to {high}{or_null}"
        assert str(caught.value) == text


@given(st.decimals(allow_infinity=True) | st.integers(-(10**40), 10**40))
@example(Decimal("1e30"))
@example(Decimal("-1e-30"))
@example(Decimal("1." + "1" * 33))
@example(Decimal("1." + "1" * 34))
@example(Decimal("sNaN"))
def test_a_threshold_is_what_a_price_can_be(number: Decimal | int) -> None:
    if Decimal(number).is_finite() and is_number(Decimal(number)):
        threshold = settings(high_price_threshold=number).high_price_threshold
        assert repr(threshold) == repr(Decimal(number))
    else:
        assert refused(high_price_threshold=number) == (
            "high_price_threshold must be a number, 0 or between 1e-30 and 1e30 in size, with at "
            "most 34 significant digits, or null"
        )


ACCEPTED: dict[str, list[Any]] = {
    "high_price_threshold": [None],
    "region": ["us-east-1", "ap-southeast-2", "us-gov-west-1", "us-iso-east-1"],
    "code_signing_config_arn": [None, SIGNING],
    "aws_provider": ["~> 5.100", ">= 6.5, < 6.10"],
    "tags": [{}, {"a:b/c=d+e-f@g": "x " * 128, "a": ""}, {"a" * 128: "Größe"}],
    "producers": [(ROLE, "arn:aws-cn:iam::123456789012:user/a/b")],
    "subscriber_protocols": [("sqs", "email"), ()],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, each) for name, many in ACCEPTED.items() for each in many]
)
def test_a_value_is_accepted_as_it_is_written(name: str, value: object) -> None:
    assert getattr(settings(**{name: value}), name) == value


LETTERS = "letters, digits, blanks and _ . : / = + - @"
TAG_NAME = f" must be 1 to 128 {LETTERS}, and not begin with aws:"
MANY = "; give others policies of their own"
# What is said of some values, after the setting's name.
REJECTED: list[tuple[str, str, list[Any]]] = [
    (
        "region",
        " must look like us-east-1",
        [None, 1, "", "us-east", "US-EAST-1", "us-east-1\n", " us-east-1", "us-east-1a"],
    ),
    ("queue_type", " must be standard or fifo", [None, "FIFO", ["fifo"], 1]),
    ("log_level", " must be DEBUG or INFO", [None, "info"]),
    ("deletion_protection", " must be true or false", [None, 0, 1, "true", []]),
    (
        "log_retention_days",
        " must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, "
        "1827, 2192, 2557, 2922, 3288, 3653",
        [None, True, 2, 30.0, Decimal("30.0"), "30"],
    ),
    (
        "code_signing_config_arn",
        " must look like arn:aws:lambda:us-east-1:123456789012:code-signing-config:"
        "csc-0123456789abcdef0, or null",
        ["", "csc-1", 1, SIGNING.replace("lambda", "s3")],
    ),
    (
        "aws_provider",
        " must be a version constraint as Terraform writes it, such as ~> 5.100, or >= 6.5, < 6.10",
        [None, 6, "", "latest", "${x}", "~> ", ">= 6,", ", >= 6", "6.1.0-beta1", "6.1.2.3", "6\n"],
    ),
    (
        "tags",
        f" must be an object of at most 49, and each value must be a text of up to 256 {LETTERS}; "
        "AWS takes 50, and stack is one",
        [[], None, "team", {f"{n}": "" for n in range(50)}],
    ),
    ("tags", f".a must be a text of up to 256 {LETTERS}", [{"a": each} for each in ("x" * 257, 1)]),
    *(
        ("tags", f": the name {name}{TAG_NAME}", [{name: ""}])
        for name in ("", "a" * 129, "a,b", "aws:a", "aWs:")
    ),
    (
        "producers",
        f" must be a list of at most 50, and each entry must look like {ROLE}{MANY}",
        [None, ROLE, {}, [f"{ROLE}{n}" for n in range(51)]],
    ),
    (
        "producers",
        f"[1] must look like {ROLE}",
        [[ROLE, each] for each in ("*", 1, f"{ROLE}/${{x}}", ROLE.replace("role/feed", "root"))],
    ),
    ("producers", "[1] is there twice", [[ROLE, ROLE]]),
    ("subnet_ids", "[0] must look like subnet-0123456789abcdef0", [["subnet"], ["sg-1"]]),
    ("security_group_ids", "[0] must look like sg-0123456789abcdef0", [["subnet-1"], ["sg-1\n"]]),
]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [(name, text, each) for name, text, many in REJECTED for each in many],
)
def test_an_error_says_what_would_be_right(name: str, text: str, value: object) -> None:
    assert refused(**{name: value}) == name + text


def test_defaults_are_safe() -> None:
    defaults = settings()
    assert defaults.customer_managed_key
    assert defaults.point_in_time_recovery
    assert defaults.deletion_protection
    assert defaults.producers == ()
    assert "http" not in defaults.subscriber_protocols


# --- subscriptions -----------------------------------------------------------------------

ENDPOINTS = {
    "email": (["a@example.com"], ["", "a", "a@", "@b", "a@b c", "a@b@c", "a@${b}", "a@b\n"]),
    "email-json": (["a@example.com"], ["a"]),
    "https": (["https://example.com/hook?a=1"], ["http://example.com", "https://", "https://a b"]),
    "lambda": (
        ["arn:aws:lambda:us-east-1:123456789012:function:hear"],
        ["hear", "arn:aws:sqs:us-east-1:123456789012:q"],
    ),
    "sms": (["+4915112345678"], ["4915112345678", "+0915112345678", "+1234", "+1" * 16]),
    "sqs": (
        ["arn:aws-cn:sqs:cn-north-1:123456789012:heard.fifo"],
        ["q", "arn:aws:sqs:us-east-1:12345678901:q", "arn:aws:sqs"],
    ),
}


@pytest.mark.parametrize("protocol", ENDPOINTS)
def test_a_protocol_accepts_its_own_endpoints_alone(protocol: str) -> None:
    accepted, rejected = ENDPOINTS[protocol]
    for endpoint in accepted:
        values = [{"protocol": protocol, "endpoint": endpoint}]
        loaded = settings(subscriptions=values)
        assert loaded.subscriptions == (Subscription(protocol, endpoint),)
        assert settings(subscriptions=loaded.subscriptions) == loaded
        is_for_people = protocol in ("email", "sms")
        assert loaded.people == (loaded.subscriptions if is_for_people else ())
        assert loaded.programs == (() if is_for_people else loaded.subscriptions)
    for endpoint in rejected:
        assert refused(ops_subscriptions=[{"protocol": protocol, "endpoint": endpoint}]) == (
            f"ops_subscriptions[0].endpoint must be one that {protocol} takes"
        )


PROTOCOLS = "one of email, email-json, https, lambda, sms, sqs"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, " must be a list, and each entry must be a JSON object of protocol and endpoint"),
        (["a@b"], "[0] must be a JSON object of protocol and endpoint"),
        ([{}], f"[0].protocol must be {PROTOCOLS}"),
        ([{**MAIL, "protocol": ["email"]}], f"[0].protocol must be {PROTOCOLS}"),
        ([{"protocol": "email"}], "[0].endpoint must be a text"),
        ([MAIL, {**MAIL, "raw": 1}], "[1].raw is not known: it takes endpoint, protocol"),
        ([MAIL, MAIL], "[1] is there twice"),
    ],
)
def test_what_is_no_subscription_is_named(value: object, text: str) -> None:
    assert refused(subscriptions=value) == f"subscriptions{text}"


# --- what goes together ------------------------------------------------------------------

FIFO = "queue_type fifo needs a batch_size of at most 10 and a batch_window_seconds of 0"


@pytest.mark.parametrize(
    ("values", "complaint", "cure"),
    [
        (
            {"batch_size": 11, "visibility_timeout_seconds": 61},
            "batch_size over 10 needs a batch_window_seconds of at least 1",
            {"batch_window_seconds": 1},
        ),
        (
            {"visibility_timeout_seconds": 64, "batch_window_seconds": 5},
            "visibility_timeout_seconds must be at least 65: six times function_timeout_seconds",
            {"visibility_timeout_seconds": 65},
        ),
        (
            {"maximum_concurrency": 6, "reserved_concurrency": 5},
            "maximum_concurrency must not be above reserved_concurrency (5)",
            {"maximum_concurrency": 5},
        ),
        (
            {"queue_retention_seconds": 300},
            "queue_retention_seconds must be over visibility_timeout_seconds times",
            {"queue_retention_seconds": 301},
        ),
        (
            {"dlq_retention_seconds": 345_600},
            "dlq_retention_seconds must be over queue_retention_seconds",
            {"dlq_retention_seconds": 345_601},
        ),
        ({"queue_type": "fifo", "batch_size": 11}, FIFO, {"batch_size": 10}),
        (
            {"queue_type": "fifo", "batch_window_seconds": 1, "visibility_timeout_seconds": 90},
            FIFO,
            {"batch_window_seconds": 0},
        ),
        (
            {"subnet_ids": ["subnet-1"]},
            "subnet_ids and security_group_ids go together",
            {"security_group_ids": ["sg-1"]},
        ),
        (
            {"security_group_ids": ["sg-1"]},
            "subnet_ids and security_group_ids go together",
            {"subnet_ids": ["subnet-1"]},
        ),
        (
            {"subscriptions": [MAIL], "subscriber_protocols": ["sqs"]},
            "subscriber_protocols must hold email: a subscription uses it",
            {"subscriber_protocols": ["email"]},
        ),
        ({"tags": {"Stack": ""}}, "tags must not name Stack: stack is taken", {"tags": {"s": ""}}),
        ({"tags": {"A": "", "a": ""}}, "tags must not name a: ", {"tags": {"a": "", "b": ""}}),
        (
            {"aws_provider": "~> 6.0"},
            "aws_provider must not admit 6.17, which plans the table's indexes away and back",
            {"aws_provider": "~> 6.5, < 6.17"},
        ),
    ],
)
def test_values_that_just_do_not_go_together_are_rejected(
    values: dict[str, Any], complaint: str, cure: dict[str, Any]
) -> None:
    assert refused(**values).startswith(complaint)
    assert settings(**{**values, **cure}).is_fifo is (values.get("queue_type") == "fifo")


@pytest.mark.parametrize(("count", "characters"), [(50, 120), (10, 600)])
def test_as_many_producers_are_accepted_as_fit_into_the_queue_s_policy(
    count: int, characters: int
) -> None:
    roles = [f"arn:aws:iam::123456789012:role/{n:04}".ljust(characters, "x") for n in range(count)]
    account = Account("aws-us-gov", "123456789012", "us-gov-west-1", Names("a" * 16, is_fifo=True))
    assert len(queue_policy(account, settings(producers=roles)).encode()) <= 8_192
    assert refused(producers=[*roles[1:], f"{roles[0]}x"]).startswith(
        "producers must have at most 6,000 characters in all"
    )


# --- shapes ------------------------------------------------------------------------------

WHEN = {"when": {"kind": "px"}}
PRICES = {"symbol": "s", "price": "p"}
WANTED = "must be a text, true, false, a list of these, or null for any value"
FIELD = "must be the name of a field, or a path such as a.b"
COMBINED = " must have symbol and either price or bar; or items alone, for an envelope; or skip"


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ([], " must be a JSON object"),
        ({**WHEN, **PRICES, "simbol": "s"}, ".simbol is not known: did you mean symbol? "),
        (PRICES, f".when must be an object of at least 1, and each value {WANTED}; the names are"),
        ({**PRICES, "when": {}}, ".when must be an object of at least 1, "),
        ({**PRICES, "when": {"${x}": "k"}}, f".when: the name ${{x}} {FIELD}"),
        *(
            ({**PRICES, "when": {"kind": wrong}}, f".when.kind {WANTED}")
            for wrong in (1, [], [None], "${x}")
        ),
        *(
            ({**WHEN, "symbol": "s", "price": wrong}, f".price {FIELD}")
            for wrong in ("", "a..b", "%{p}", None)
        ),
        (
            {**WHEN, "symbol": "s", "bar": ["o"]},
            f".bar must be a list of 4, and each entry {FIELD}: open, high, low, close",
        ),
        ({**WHEN, "skip": False}, ".skip must be true"),
        *(
            ({**WHEN, **fields}, COMBINED)
            for fields in (
                {},
                {"symbol": "s"},
                {**PRICES, "skip": True},
                {**PRICES, "bar": list("ohlc")},
                {"items": "i", "timestamp": "t"},
            )
        ),
    ],
)
def test_what_is_no_shape_is_rejected(shape: Any, text: str) -> None:
    assert refused(shapes={"x": shape}).startswith(f"shapes.x{text}")


def test_shapes_must_fit_into_the_function_s_environment() -> None:
    shape = {"skip": True, **WHEN}
    name = "x" * (2_000 - len(json.dumps({"": shape})))
    assert settings(shapes={name: shape}).shapes == {name: shape}
    assert refused(shapes={f"{name}x": shape}) == "shapes must not be longer than 2,000 bytes"


_paths = st.sampled_from(["a", "a.b", "symbol", "\u00fc.$x"])
_values = st.text(alphabet="ab", max_size=2) | st.booleans()
_whens = st.dictionaries(_paths, st.none() | _values | st.lists(_values, min_size=1), min_size=1)
_times = {"timestamp": _paths, "sequence": _paths, "items": _paths}
_shapes = (
    st.fixed_dictionaries({"symbol": _paths, "price": _paths}, optional=_times)
    | st.fixed_dictionaries(
        {"symbol": _paths, "bar": st.lists(_paths, min_size=4, max_size=4)}, optional=_times
    )
    | st.fixed_dictionaries({"items": _paths})
    | st.just({"skip": True})
)


@given(_whens, _shapes)
@hypothesis.settings(max_examples=25)
def test_the_function_understands_each_shape_that_can_be_set(
    when: dict[str, Any], fields: dict[str, Any]
) -> None:
    shapes = json.dumps(settings(shapes={"x": {**fields, "when": when}}).shapes)
    required = {"TABLE_NAME": "alerts", "TOPIC_ARN": "arn:topic"}
    own, *_ = Config.from_environment({**required, "SHAPES": shapes}).shapes
    assert (own.name, own.when.keys()) == ("x", when.keys())
    assert (own.symbol, own.is_skipped) == (fields.get("symbol", ""), fields.get("skip", False))
    assert len(own.prices) == (4 if "bar" in fields else 1)
