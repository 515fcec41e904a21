"""cdktf.json → Settings: what is taken, and what every refusal says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config.document import ConfigurationError
from lib.config.settings import Settings, Subscription, load_settings
from lib.config.settings_rules import SettingsError
from price_alerts.domain.ticks import is_number

CDKTF_JSON = Path(__file__).parents[2] / "cdktf.json"
THRESHOLD = (
    '{"context": {"environments": {"dev": {"region": "us-east-1", "high_price_threshold": %s}}}}'
)
MAIL = {"protocol": "email", "endpoint": "a@example.com"}
Load = Callable[..., Settings]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Loads a cdktf.json of that text."""
    path = tmp_path / "cdktf.json"

    def load(text: str, name: str | None = None) -> Settings:
        path.write_text(text, "utf-8")
        return load_settings(path, name)

    return load


@pytest.fixture
def load(load_text: Load) -> Load:
    """Loads a cdktf.json of those common values and environments."""

    def load(
        common: object = None,
        environments: object = None,
        name: str | None = None,
        **context: object,
    ) -> Settings:
        if common is None or isinstance(common, dict):
            common = {"region": "us-east-1", **(common or {})}
        environments = {"dev": {}} if environments is None else environments
        context = {"common": common, "environments": environments, **context}
        return load_text(json.dumps({"context": context}), name)

    return load


def refusal(load: Load, *args: Any, **kwargs: Any) -> str:
    """What the refusal says: always one line that names the file."""
    with pytest.raises(SettingsError) as caught:
        load(*args, **kwargs)
    text = str(caught.value)
    assert text.startswith("cdktf.json: ")
    assert len(text.splitlines()) == 1
    return text


def refused(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings(**{"environment": "dev", "region": "us-east-1", **values})
    return str(caught.value)


# --- which environment -------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", "dev"])
def test_the_environment_is_dev_unless_another_is_named(name: str | None) -> None:
    assert load_settings(CDKTF_JSON, name).environment == "dev"


@pytest.mark.parametrize("name", json.loads(CDKTF_JSON.read_text())["context"]["environments"])
def test_the_project_s_own_environments_can_be_deployed(name: str) -> None:
    assert load_settings(CDKTF_JSON, name).prefix == f"tap-{name}"


def test_prod_lies_over_what_is_common_in_the_project_s_own_file() -> None:
    prod = load_settings(CDKTF_JSON, "prod")
    assert (prod.batch_size, prod.function_timeout_seconds) == (100, 10)


def test_an_environment_s_value_goes_before_the_common_one(load: Load) -> None:
    common = {"memory_mebibytes": 256, "max_receive_count": 3}
    settings = load(common, {"qa": {"memory_mebibytes": 512}}, "qa")
    assert (settings.memory_mebibytes, settings.max_receive_count) == (512, 3)


def test_an_environment_may_give_the_region_alone(load_text: Load) -> None:
    text = '{"context": {"environments": {"dev": {"region": "eu-west-1"}}}}'
    assert load_text(text).region == "eu-west-1"


def test_an_unknown_environment_is_told_those_that_exist(load: Load) -> None:
    text = refusal(load, {}, {"qa": {}, "dev": {}}, "nope")
    assert "no 'nope': set TAP_ENVIRONMENT to dev or qa" in text


def test_a_line_end_in_a_name_does_not_break_the_line(load: Load) -> None:
    assert refusal(load, name="a\nb").endswith("(environment a b)")


@pytest.mark.parametrize("name", ["a", "a" * 16, "eu-west1"])
def test_an_environment_s_name_may_be(load: Load, name: str) -> None:
    assert load(environments={name: {}}, name=name).prefix == f"tap-{name}"


@pytest.mark.parametrize("name", ["a" * 17, "Dev", "1a", "-a", "a_b", "a.b", "dev\n"])
def test_an_environment_s_name_may_not_be(load: Load, name: str) -> None:
    assert "a name is a letter and up to 15 more" in refusal(load, {}, {name: {}}, name)


@pytest.mark.parametrize("name", ["dev", "qa", "state"])
def test_the_state_s_stack_has_its_name_for_itself(load: Load, name: str) -> None:
    assert refusal(load, {}, {"dev": {}, "qa": {}, "state": {}}, name) == (
        "cdktf.json: context.environments.state: the name is taken, "
        f"for the stack that keeps the state (environment {name})"
    )


def test_ci_s_stack_has_its_name_for_itself(load: Load) -> None:
    assert refusal(load, {}, {"dev": {}, "ci": {}}, "dev") == (
        "cdktf.json: context.environments.ci: the name is taken, "
        "for the stack that lets CI deploy (environment dev)"
    )


@pytest.mark.parametrize("name", ["states", "state-2", "estate"])
def test_a_name_that_only_looks_like_the_state_s_is_free(load: Load, name: str) -> None:
    assert load(environments={name: {}}, name=name).prefix == f"tap-{name}"


# --- the file ----------------------------------------------------------------------------


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    text = refusal(load_settings, tmp_path / "cdktf.json")
    assert "cannot be read: No such file or directory" in text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON"),
        ('{"context": {},}', "is not JSON"),
        ('{"context": 1e9999999999999999999}', "holds a number that is beyond all bounds"),
        ("[]", "the document must be a JSON object"),
        ("{}", "context must be a JSON object"),
        ('{"context": []}', "context must be a JSON object"),
        ('{"context": {}}', "context.environments must be a JSON object"),
        ('{"context": {"environments": {"dev": {}}}}', "context.common.region is missing"),
    ],
)
def test_a_file_without_what_it_must_hold_is_refused(
    load_text: Load, text: str, complaint: str
) -> None:
    assert f"cdktf.json: {complaint}" in refusal(load_text, text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cdktf.json"
    path.write_bytes(b'{"context": "\xff"}')
    assert "is not JSON" in refusal(load_settings, path)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"common": {"nope": 1}}, "context.common.nope is not known: it takes age_alarm_seconds, "),
        ({"common": {"environment": "x"}}, "context.common.environment is not known"),
        ({"environments": {"dev": {"nope": 1}}}, "context.environments.dev.nope is not known"),
        ({"commons": {}}, "context.commons is not known: it takes allowSepChars"),
        ({"common": []}, "context.common must be a JSON object"),
        ({"environments": []}, "context.environments must be a JSON object"),
        ({"environments": {"dev": None}}, "context.environments.dev must be a JSON object"),
    ],
)
def test_what_is_in_the_wrong_place_is_named(
    load: Load, arguments: dict[str, Any], complaint: str
) -> None:
    assert complaint in refusal(load, **arguments)


@pytest.mark.parametrize("flag", ["allowSepCharsInLogicalIds", "excludeStackIdFromLogicalIds"])
def test_a_flag_of_cdktf_itself_may_stand_in_the_context(load: Load, flag: str) -> None:
    assert load(**{flag: "true"}).environment == "dev"


def test_a_backend_beside_the_context_is_none_of_the_settings(load_text: Load) -> None:
    context = '{"environments": {"dev": {"region": "eu-west-1"}}}'
    text = f'{{"terraform": {{"backend": {{"s3": {{}}}}}}, "context": {context}}}'
    assert load_text(text).region == "eu-west-1"


def test_whoever_catches_a_bad_configuration_catches_bad_settings_too() -> None:
    assert issubclass(SettingsError, ConfigurationError)


# --- single values -----------------------------------------------------------------------

# Each with its bounds, and null where it stands for "none".
WHOLE_NUMBERS = [
    ("batch_size", 1, 10_000, ""),
    ("batch_window_seconds", 0, 300, ""),
    ("maximum_concurrency", 2, 1_000, " or null"),
    ("reserved_concurrency", 1, 100_000, " or null"),
    ("function_timeout_seconds", 1, 900, ""),
    ("memory_mebibytes", 128, 10_240, ""),
    ("visibility_timeout_seconds", 0, 43_200, ""),
    ("max_receive_count", 1, 1_000, ""),
    ("queue_retention_seconds", 60, 1_209_600, ""),
    ("dlq_retention_seconds", 60, 1_209_600, ""),
    ("lag_alarm_seconds", 1, 86_400, ""),
    ("age_alarm_seconds", 1, 86_400, ""),
]
ALARM_SECONDS = ("lag_alarm_seconds", "age_alarm_seconds")
NO_WHOLE_NUMBERS: list[object] = [True, Decimal("10.0"), 10.0, "10", [10], {}]


@pytest.mark.parametrize(
    ("key", "value", "others"),
    [
        ("batch_size", 1, {}),
        ("batch_size", 10_000, {"batch_window_seconds": 1, "visibility_timeout_seconds": 61}),
        ("batch_window_seconds", 0, {}),
        ("batch_window_seconds", 300, {"visibility_timeout_seconds": 360}),
        ("maximum_concurrency", 2, {}),
        ("maximum_concurrency", 1_000, {}),
        ("maximum_concurrency", None, {}),
        ("reserved_concurrency", 1, {}),
        ("reserved_concurrency", 100_000, {}),
        ("reserved_concurrency", None, {"maximum_concurrency": 2}),
        ("function_timeout_seconds", 1, {}),
        ("function_timeout_seconds", 900, {"visibility_timeout_seconds": 5_400}),
        ("memory_mebibytes", 128, {}),
        ("memory_mebibytes", 10_240, {}),
        ("visibility_timeout_seconds", 43_200, {}),
        ("max_receive_count", 1, {}),
        ("max_receive_count", 1_000, {}),
        ("dlq_retention_seconds", 1_209_600, {}),
        *((key, bound, {}) for key in ALARM_SECONDS for bound in (1, 86_400)),
    ],
)
def test_a_whole_number_may_be_as_low_and_as_high_as_aws_allows(
    key: str, value: int | None, others: dict[str, int]
) -> None:
    settings = Settings(environment="dev", region="us-east-1", **{key: value, **others})  # type: ignore[arg-type]  # by name
    assert getattr(settings, key) == value


@pytest.mark.parametrize(("key", "low", "high", "or_null"), WHOLE_NUMBERS)
@pytest.mark.parametrize("beyond", ["low", "high"])
def test_a_whole_number_out_of_bounds_is_told_them(
    key: str, low: int, high: int, or_null: str, beyond: str
) -> None:
    text = refused(**{key: low - 1 if beyond == "low" else high + 1})
    assert text == f"{key} must be a whole number from {low} to {high}{or_null}"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("visibility_timeout_seconds", 0, "visibility_timeout_seconds must be at least 60"),
        ("queue_retention_seconds", 60, "queue_retention_seconds must be over"),
        ("queue_retention_seconds", 1_209_600, "dlq_retention_seconds must be over"),
        ("dlq_retention_seconds", 60, "dlq_retention_seconds must be over"),
    ],
)
def test_a_number_at_its_bound_may_still_not_go_with_the_others(
    key: str, value: int, reason: str
) -> None:
    assert refused(**{key: value}).startswith(reason)


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS)
@pytest.mark.parametrize("key", [key for key, *_ in WHOLE_NUMBERS])
def test_only_a_whole_number_is_one(key: str, value: object) -> None:
    assert refused(**{key: value}).startswith(f"{key} must be a whole number from ")


@pytest.mark.parametrize("key", [key for key, *_, or_null in WHOLE_NUMBERS if not or_null])
def test_null_is_refused_where_a_number_must_stand(key: str) -> None:
    assert refused(**{key: None}).startswith(f"{key} must be a whole number from ")


@pytest.mark.parametrize(
    "value", [None, 1, "", "us-east", "US-EAST-1", "us-east-1\n", " us-east-1", "us-east-1a"]
)
def test_what_is_no_region_is_refused(value: object) -> None:
    assert refused(region=value) == "region must look like us-east-1"


@pytest.mark.parametrize("value", ["us-east-1", "ap-southeast-2", "us-gov-west-1", "us-iso-east-1"])
def test_every_region_of_aws_is_taken(value: str) -> None:
    assert Settings(environment="dev", region=value).region == value


@pytest.mark.parametrize("value", ["DEBUG", "INFO"])
def test_every_log_level_is_taken(value: str) -> None:
    assert Settings(environment="dev", region="us-east-1", log_level=value).log_level == value


@pytest.mark.parametrize("value", [None, 10, "", "info", "TRACE", ["INFO"]])
def test_what_is_no_log_level_is_refused(value: object) -> None:
    assert refused(log_level=value).startswith("log_level must be one of DEBUG, INFO")


@pytest.mark.parametrize("value", [None, True, 0, 2, 31, 3654, 30.0, Decimal("30.0"), "30"])
def test_a_log_retention_that_cloudwatch_does_not_know_is_refused(value: object) -> None:
    assert refused(log_retention_days=value).startswith("log_retention_days must be one of 1 3 5 ")


@pytest.mark.parametrize("value", [1, 30, 365, 3653])
def test_a_log_retention_that_cloudwatch_knows_is_taken(value: int) -> None:
    settings = Settings(environment="dev", region="us-east-1", log_retention_days=value)
    assert settings.log_retention_days == value


@pytest.mark.parametrize(
    "literal",
    [
        "150",
        "0.1",
        "150.50",
        "1e3",
        "9" * 18,
        "1e17",
        "0",
        "-37.63",
        "1E-30",
        "9" * 17 + "." + "9" * 17,
    ],
)
def test_the_threshold_is_read_exactly(load_text: Load, literal: str) -> None:
    assert repr(load_text(THRESHOLD % literal).high_price_threshold) == repr(Decimal(literal))


@pytest.mark.parametrize(
    "literal",
    [
        *('"150"', "true", "[]", "{}", "NaN", "Infinity", "-Infinity"),
        *("1.1e30", "-1e31", "0." + "0" * 30 + "1", "9e-31", "1e999999", "1." + "1" * 34),
    ],
)
def test_what_is_no_price_is_no_threshold(load_text: Load, literal: str) -> None:
    assert "high_price_threshold must be a number, 0 or between" in refusal(
        load_text, THRESHOLD % literal
    )


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_threshold_is_what_a_price_can_be(number: Decimal) -> None:
    def settings() -> Settings:
        return Settings(environment="dev", region="us-east-1", high_price_threshold=number)

    if is_number(number):
        assert settings().high_price_threshold == number
    else:
        with pytest.raises(SettingsError, match="high_price_threshold must be a number"):
            settings()


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity"])
def test_a_decimal_that_is_no_number_is_no_threshold(value: str) -> None:
    text = refused(high_price_threshold=Decimal(value))
    assert text.startswith("high_price_threshold must be a number")


def test_a_threshold_of_null_switches_it_off(load: Load) -> None:
    settings = load({"high_price_threshold": 150}, {"dev": {"high_price_threshold": None}})
    assert settings.high_price_threshold is None


# --- combinations ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"batch_size": 11}, "batch_size over 10 needs a batch_window_seconds of at least 1"),
        (
            {"visibility_timeout_seconds": 59},
            "visibility_timeout_seconds must be at least 60: six times function_timeout_seconds",
        ),
        (
            {"batch_window_seconds": 5, "visibility_timeout_seconds": 64},
            "visibility_timeout_seconds must be at least 65: six times function_timeout_seconds",
        ),
        (
            {"maximum_concurrency": 6, "reserved_concurrency": 5},
            "maximum_concurrency must not be above reserved_concurrency (5)",
        ),
        (
            {"queue_retention_seconds": 300},
            "queue_retention_seconds must be over visibility_timeout_seconds times",
        ),
        (
            {"dlq_retention_seconds": 345_600},
            "dlq_retention_seconds must be over queue_retention_seconds",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: dict[str, int], complaint: str) -> None:
    assert refused(**values).startswith(complaint)


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 10, "batch_window_seconds": 0},
        {"batch_size": 11, "batch_window_seconds": 1, "visibility_timeout_seconds": 61},
        {"function_timeout_seconds": 10, "visibility_timeout_seconds": 60},
        {"batch_window_seconds": 5, "visibility_timeout_seconds": 65},
        {"maximum_concurrency": 5, "reserved_concurrency": 5},
        {"queue_retention_seconds": 301},
        {"dlq_retention_seconds": 345_601},
    ],
)
def test_values_that_just_go_together_are_taken(load: Load, values: dict[str, int]) -> None:
    settings = load(values)
    assert {key: getattr(settings, key) for key in values} == values


# --- subscriptions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        ("email", "a@example.com"),
        ("email-json", "a@example.com"),
        ("https", "https://example.com/hook?a=1"),
        ("lambda", "arn:aws:lambda:us-east-1:123456789012:function:hear"),
        ("sms", "+4915112345678"),
        ("sqs", "arn:aws-cn:sqs:cn-north-1:123456789012:heard.fifo"),
    ],
)
def test_every_protocol_takes_its_endpoint(load: Load, protocol: str, endpoint: str) -> None:
    settings = load({"subscriptions": [{"protocol": protocol, "endpoint": endpoint}]})
    assert settings.subscriptions == (Subscription(protocol, endpoint),)


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        *(
            ("email", wrong)
            for wrong in ("", "a", "a@", "@b", "a@b c", "a@b@c", "a@${b}", None, 1, ["a@b"])
        ),
        *(("email-json", wrong) for wrong in ("a", "a@b\n")),
        *(("https", wrong) for wrong in ("http://example.com", "https://", "https://a b", "x")),
        *(("lambda", wrong) for wrong in ("hear", "arn:aws:sqs:us-east-1:123456789012:q")),
        *(("sms", wrong) for wrong in ("4915112345678", "+0915112345678", "+1234", "+1" * 16)),
        *(("sqs", wrong) for wrong in ("q", "arn:aws:sqs:us-east-1:12345678901:q", "arn:aws:sqs")),
    ],
)
def test_an_endpoint_that_its_protocol_does_not_take_is_refused(
    load: Load, protocol: str, endpoint: object
) -> None:
    text = refusal(load, {"subscriptions": [{"protocol": protocol, "endpoint": endpoint}]})
    assert f"subscriptions[0].endpoint is none that {protocol} takes" in text


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({}, "subscriptions must be a list of {protocol, endpoint}"),
        (None, "subscriptions must be a list of {protocol, endpoint}"),
        (["a@b"], "subscriptions[0] must be a JSON object"),
        ([{}], "subscriptions[0].protocol must be one of email, email-json, "),
        ([{**MAIL, "protocol": "smoke"}], "subscriptions[0].protocol must be one of "),
        ([{**MAIL, "protocol": ["email"]}], "subscriptions[0].protocol must be one of "),
        ([{"protocol": "email"}], "subscriptions[0].endpoint is none that email takes"),
        ([MAIL, {**MAIL, "raw": True}], "subscriptions[1].raw is not known: it takes endpoint, "),
        ([MAIL, MAIL], "subscriptions[1] is there twice"),
    ],
)
def test_what_is_no_subscription_is_named(load: Load, value: object, complaint: str) -> None:
    assert f"cdktf.json: {complaint}" in refusal(load, {"subscriptions": value})


# --- the object --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [Settings(environment="dev", region="us-east-1"), Subscription("email", "a@example.com")],
)
def test_settings_cannot_be_changed(value: Settings | Subscription) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, "changed")


# --- queues that keep an order ------------------------------------------------------------


@pytest.mark.parametrize("queue_type", ["FIFO", "", None, 1])
def test_a_queue_is_of_a_type_that_there_is(queue_type: object) -> None:
    assert refused(queue_type=queue_type) == "queue_type must be one of standard, fifo"


@pytest.mark.parametrize("more", [{"batch_size": 11}, {"batch_window_seconds": 1}])
def test_a_fifo_queue_takes_small_batches_and_no_window(more: dict[str, int]) -> None:
    values = {"visibility_timeout_seconds": 90, **more}
    assert refused(queue_type="fifo", **values) == (
        "queue_type fifo needs a batch_size of at most 10 and a batch_window_seconds of 0"
    )


@pytest.mark.parametrize(("queue_type", "is_fifo"), [("standard", False), ("fifo", True)])
def test_a_fifo_queue_is_one(queue_type: str, is_fifo: bool) -> None:
    assert Settings(environment="dev", region="us-east-1", queue_type=queue_type).is_fifo is is_fifo
