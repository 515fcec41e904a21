"""cdktf.json → Settings: where a value comes from, what is accepted, and what an error says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.config.document import ConfigurationError, SettingsError
from lib.config.entries import Subscription
from lib.config.kinds import settings_of
from lib.config.names import Account, Names
from lib.config.settings import Settings, load_settings
from lib.stacks.policies import queue_policy
from price_alerts.domain.ticks import is_number

CDKTF_JSON = Path(__file__).parents[2] / "cdktf.json"
SETTINGS = {setting.name: setting for setting in settings_of(Settings)}
WHOLE = [
    name for name, each in SETTINGS.items() if "minimum" in each.schema and "price" not in name
]
SWITCHES = ["customer_managed_key", "deletion_protection", "point_in_time_recovery"]
ROLE = "arn:aws:iam::123456789012:role/feed"
SIGNING = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-1"
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
    """What the error says after the file's name: always one line."""
    with pytest.raises(SettingsError) as caught:
        load(*args, **kwargs)
    text = str(caught.value)
    assert text.startswith("cdktf.json: ")
    assert len(text.splitlines()) == 1
    return text.removeprefix("cdktf.json: ")


def settings(**values: Any) -> Settings:
    return Settings(**{"environment": "dev", "region": "us-east-1", **values})


def refused(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    return str(caught.value)


# --- which environment -------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", "dev"])
def test_the_environment_is_dev_unless_another_is_named(name: str | None) -> None:
    assert load_settings(CDKTF_JSON, name).environment == "dev"


@pytest.mark.parametrize("name", json.loads(CDKTF_JSON.read_text())["context"]["environments"])
def test_the_project_s_own_environments_can_be_deployed(name: str) -> None:
    assert load_settings(CDKTF_JSON, name).prefix == f"tap-{name}"


def test_an_environment_s_value_goes_before_the_common_one(load: Load) -> None:
    common = {"memory_mebibytes": 256, "max_receive_count": 3, "high_price_threshold": 1}
    own = {"memory_mebibytes": 512, "high_price_threshold": None}
    loaded = load(common, {"qa": own}, "qa")
    assert (loaded.memory_mebibytes, loaded.max_receive_count) == (512, 3)
    assert loaded.high_price_threshold is None


def test_an_environment_may_give_the_region_alone(load_text: Load) -> None:
    text = '{"context": {"environments": {"dev": {"region": "eu-west-1"}}}}'
    assert load_text(text).region == "eu-west-1"


@pytest.mark.parametrize("name", ["a", "a" * 16, "eu-west1", "states"])
def test_an_environment_s_name_may_be(load: Load, name: str) -> None:
    assert load(environments={name: {}}, name=name).prefix == f"tap-{name}"


@pytest.mark.parametrize("name", ["a" * 17, "Dev", "1a", "-a", "a_b", "a.b", "dev\n"])
def test_an_environment_s_name_may_not_be(load: Load, name: str) -> None:
    assert "a name must be a letter and up to 15 more" in refusal(load, {}, {name: {}}, name)


@pytest.mark.parametrize(
    ("taken", "stack"), [("state", "keeps the state"), ("ci", "lets CI deploy")]
)
@pytest.mark.parametrize("is_own", [False, True])
def test_a_stack_of_our_own_has_its_name_for_itself(
    load: Load, taken: str, stack: str, is_own: bool
) -> None:
    name = taken if is_own else "dev"
    assert refusal(load, {}, {"dev": {}, taken: {}}, name) == (
        f"context.environments.{taken}: the name is taken, for the stack that {stack} "
        f"(environment {name})"
    )


# --- the file ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON: "),
        ('{"context": 1e9999999999999999999}', "holds a number that is beyond all bounds "),
        ("[]", "the document must be a JSON object "),
        ("{}", "context must be a JSON object "),
        ('{"context": {}}', "context.environments must be a JSON object "),
        ('{"context": {"environments": {"dev": {}}}}', "context.common.region is missing "),
    ],
)
def test_a_file_without_what_it_must_hold_is_refused(
    load_text: Load, text: str, complaint: str
) -> None:
    assert refusal(load_text, text).startswith(complaint)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"common": {"zzz": 1}}, "context.common.zzz is not known: it takes age_alarm_seconds, "),
        (
            {"environments": {"dev": {"batchSize": 1}}},
            "context.environments.dev.batchSize is not known: did you mean batch_size? it takes ",
        ),
        ({"common": {"environment": "x"}}, "context.common.environment is not known: "),
        ({"commons": {}}, "context.commons is not known: did you mean common? it takes allow"),
        ({"common": []}, "context.common must be a JSON object "),
        ({"environments": []}, "context.environments must be a JSON object "),
        ({"environments": {"dev": None}}, "context.environments.dev must be a JSON object "),
        (
            {"environments": {"qa": {}, "dev": {}}, "name": "a\nb"},
            "context.environments has no 'a\\nb': set TAP_ENVIRONMENT to dev or qa (",
        ),
    ],
)
def test_what_is_in_the_wrong_place_is_named(
    load: Load, arguments: dict[str, Any], complaint: str
) -> None:
    assert refusal(load, **arguments).startswith(complaint)


@pytest.mark.parametrize("flag", ["allowSepCharsInLogicalIds", "excludeStackIdFromLogicalIds"])
def test_a_flag_of_cdktf_itself_may_stand_in_the_context(load: Load, flag: str) -> None:
    assert load(**{flag: "true"}).environment == "dev"


def test_whoever_catches_a_bad_configuration_catches_bad_settings_too() -> None:
    assert issubclass(SettingsError, ConfigurationError)


# --- single values -----------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_number_is_accepted_up_to_its_bounds_and_not_beyond(name: str) -> None:
    setting = SETTINGS[name]
    low, high = setting.schema["minimum"], setting.schema["maximum"]
    for value in (low, high):
        assert setting.read(value) == value
    or_null = ", or null" if setting.may_be_null else ""
    numbers = [low - 1, high + 1, True, Decimal(low), float(high), str(low), [low], {}]
    for number in [*numbers, *([] if or_null else [None])]:
        with pytest.raises(SettingsError) as caught:
            setting.read(number)
        text = f"{name} must be a whole number from {low} to {high}{or_null}"
        assert str(caught.value) == text


@pytest.mark.parametrize(
    "name",
    ["high_price_threshold", "history_days", "maximum_concurrency", "reserved_concurrency"],
)
def test_null_stands_for_none(name: str) -> None:
    assert getattr(settings(**{name: None}), name) is None


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


@pytest.mark.parametrize("literal", ["150.50", "1e3", "-37.63", "1E-30"])
def test_the_threshold_is_read_exactly(load_text: Load, literal: str) -> None:
    own = f'{{"region": "us-east-1", "high_price_threshold": {literal}}}'
    loaded = load_text(f'{{"context": {{"environments": {{"dev": {own}}}}}}}')
    assert repr(loaded.high_price_threshold) == repr(Decimal(literal))


GOOD: dict[str, list[Any]] = {
    "region": ["us-east-1", "ap-southeast-2", "us-gov-west-1", "us-iso-east-1"],
    "queue_type": ["standard", "fifo"],
    "log_level": ["DEBUG", "INFO"],
    "log_retention_days": [1, 30, 365, 3653],
    "code_signing_config_arn": [None, SIGNING],
    "aws_provider": ["~> 5.100", ">= 6.5, < 6.10"],
    "tags": [{}, {"team": "prices"}, {"a:b/c=d+e-f@g": "x " * 128, "a": ""}, {"a" * 128: "Größe"}],
    "producers": [(ROLE, "arn:aws-cn:iam::123456789012:user/a/b")],
    "subscriber_protocols": [("sqs", "email"), ()],
    "subscriptions": [(Subscription("email", "a@example.com"),)],
    **{switch: [True, False] for switch in SWITCHES},
}
BAD: dict[str, list[Any]] = {
    "region": [None, 1, "", "us-east", "US-EAST-1", "us-east-1\n", " us-east-1", "us-east-1a"],
    "queue_type": [None, "FIFO", "", ["fifo"]],
    "log_level": [None, 10, "info", "TRACE"],
    "log_retention_days": [None, True, 2, 30.0, Decimal("30.0"), "30"],
    "high_price_threshold": ["150", True, [], {}, 1.5],
    "code_signing_config_arn": ["", "csc-1", 1, SIGNING.replace("lambda", "s3")],
    "aws_provider": [
        *(None, 6, "", "latest", "${x}", "~> ", ">= 6,", ", >= 6", "6.1.0-beta1", "^6", "v6"),
        *("6.1.2.3", "6\n"),
    ],
    "tags": [
        *([], None, "team", {"": "x"}, {"a" * 129: "x"}, {"a": "x" * 257}, {"a": 1}, {"a,b": "x"}),
        *({"aws:team": "x"}, {"aWs:": "x"}, {"a": "${x}"}, {f"{n}": "" for n in range(50)}),
    ],
    "producers": [
        *(None, "x", {}, [f"{ROLE}/${{x}}"], ["arn:aws:iam::123456789012:root"], ["*"], [1]),
        *(["arn:aws:iam::1:role/feed"], [ROLE, ROLE], [f"{ROLE}{n}" for n in range(51)]),
    ],
    "subnet_ids": [None, ["subnet"], ["sg-1"], ["subnet-x"]],
    "security_group_ids": [None, ["sg"], ["subnet-1"], ["sg-1\n"]],
    "subscriber_protocols": [None, ["http"], ["application"], ["sqs", "sqs"]],
    **{switch: [None, 0, 1, "true", []] for switch in SWITCHES},
}


def test_there_is_an_example_of_every_setting_that_is_no_whole_number() -> None:
    subscriptions = {"subscriptions", "ops_subscriptions"}  # below
    assert {*BAD, *WHOLE} == SETTINGS.keys() - subscriptions - {"shapes"}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, many in GOOD.items() for v in many])
def test_a_value_is_accepted_as_it_is_written(name: str, value: object) -> None:
    assert getattr(settings(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, many in BAD.items() for v in many])
def test_a_value_that_does_not_fit_is_rejected_by_its_name(name: str, value: object) -> None:
    assert refused(**{name: value}).startswith(name)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"region": "moon"}, "region must look like us-east-1"),
        ({"queue_type": 1}, "queue_type must be standard or fifo"),
        ({"deletion_protection": 1}, "deletion_protection must be true or false"),
        (
            {"log_retention_days": 2},
            "log_retention_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, "
            "400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653",
        ),
        (
            {"code_signing_config_arn": "csc-1"},
            "code_signing_config_arn must look like arn:aws:lambda:us-east-1:123456789012:"
            "code-signing-config:csc-0123456789abcdef0, or null",
        ),
        (
            {"aws_provider": "latest"},
            "aws_provider must be a version constraint as Terraform writes it, such as ~> 5.100, "
            "or >= 6.5, < 6.10",
        ),
        (
            {"producers": ROLE},
            f"producers must be a list of at most 50, and each entry must look like {ROLE}; give "
            "others policies of their own",
        ),
        ({"producers": [ROLE, "feed"]}, f"producers[1] must look like {ROLE}"),
        ({"producers": [ROLE, ROLE]}, "producers[1] is there twice"),
        (
            {"tags": []},
            "tags must be an object of at most 49, and each value must be a text of up to 256 "
            "letters, digits, blanks and _ . : / = + - @; AWS takes 50, and stack is one",
        ),
        (
            {"tags": {"aws:a": ""}},
            "tags: the name aws:a must be 1 to 128 letters, digits, blanks and _ . : / = + - @, "
            "and not begin with aws:",
        ),
        (
            {"tags": {"a": 1}},
            "tags.a must be a text of up to 256 letters, digits, blanks and _ . : / = + - @",
        ),
    ],
)
def test_an_error_says_what_would_be_right(values: dict[str, Any], text: str) -> None:
    assert refused(**values) == text


def test_what_is_left_out_is_safe() -> None:
    defaults = settings()
    assert defaults.customer_managed_key
    assert defaults.point_in_time_recovery
    assert defaults.deletion_protection
    assert defaults.producers == ()
    assert "http" not in defaults.subscriber_protocols


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
@pytest.mark.parametrize("key", ["subscriptions", "ops_subscriptions"])
def test_every_protocol_takes_its_endpoint(
    load: Load, key: str, protocol: str, endpoint: str
) -> None:
    loaded = load({key: [{"protocol": protocol, "endpoint": endpoint}]})
    assert getattr(loaded, key) == (Subscription(protocol, endpoint),)


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        *(("email", wrong) for wrong in ("", "a", "a@", "@b", "a@b c", "a@b@c", "a@${b}")),
        *(("email-json", wrong) for wrong in ("a", "a@b\n")),
        *(("https", wrong) for wrong in ("http://example.com", "https://", "https://a b", "x")),
        *(("lambda", wrong) for wrong in ("hear", "arn:aws:sqs:us-east-1:123456789012:q")),
        *(("sms", wrong) for wrong in ("4915112345678", "+0915112345678", "+1234", "+1" * 16)),
        *(("sqs", wrong) for wrong in ("q", "arn:aws:sqs:us-east-1:12345678901:q", "arn:aws:sqs")),
    ],
)
def test_an_endpoint_that_its_protocol_does_not_take_is_rejected(
    protocol: str, endpoint: str
) -> None:
    text = refused(subscriptions=[{"protocol": protocol, "endpoint": endpoint}])
    assert text == f"subscriptions[0].endpoint must be one that {protocol} takes"


PROTOCOLS = "one of email, email-json, https, lambda, sms, sqs"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {},
            " must be a list, and each entry must be a JSON object of protocol and endpoint",
        ),
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

IDS = {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}


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
        (
            {"queue_type": "fifo", "batch_size": 11},
            "queue_type fifo needs a batch_size of at most 10 and a batch_window_seconds of 0",
            {"batch_size": 10},
        ),
        (
            {"queue_type": "fifo", "batch_window_seconds": 1, "visibility_timeout_seconds": 90},
            "queue_type fifo needs a batch_size of at most 10 and a batch_window_seconds of 0",
            {"batch_window_seconds": 0},
        ),
        *(
            ({one: IDS[one]}, "subnet_ids and security_group_ids go together", {other: IDS[other]})
            for one, other in [[*IDS], [*IDS][::-1]]
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
    assert settings(**{**values, **cure}).environment == "dev"


def feeds(count: int, characters: int) -> list[str]:
    """Name roles whose ARNs are as long as that."""
    arns = [f"arn:aws:iam::123456789012:role/{number:04}" for number in range(count)]
    return [arn.ljust(characters, "x") for arn in arns]


@pytest.mark.parametrize(("count", "characters"), [(50, 120), (10, 600)])
def test_as_many_producers_are_accepted_as_fit_into_the_queue_s_policy(
    count: int, characters: int
) -> None:
    account = Account("aws-us-gov", "123456789012", "us-gov-west-1", Names("a" * 16, is_fifo=True))
    policy = queue_policy(account, settings(producers=feeds(count, characters)))
    assert len(policy.encode()) <= 8_192


def test_producers_with_longer_names_are_rejected() -> None:
    text = refused(producers=feeds(50, 121))
    assert text.startswith("producers must have at most 6,000 characters in all")


# --- the object --------------------------------------------------------------------------


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(settings(), "region", "eu-west-1")  # noqa: B010  # mypy forbids it too


@pytest.mark.parametrize(("queue_type", "is_fifo"), [("standard", False), ("fifo", True)])
def test_a_fifo_queue_is_one(queue_type: str, is_fifo: bool) -> None:
    assert settings(queue_type=queue_type).is_fifo is is_fifo
