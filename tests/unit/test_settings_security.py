"""The settings for encryption, access, network and tags: what is taken, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.config.names import Account, Names
from lib.config.settings import Settings, Subscription, load_settings
from lib.config.settings_rules import SettingsError
from lib.stacks.policies import queue_policy

LISTS = {
    "producers": ["arn:aws:iam::123456789012:role/feed", "arn:aws-cn:iam::123456789012:user/a/b"],
    "subnet_ids": ["subnet-0a1b2c", "subnet-1"],
    "security_group_ids": ["sg-0a1b2c"],
    "subscriber_protocols": ["sqs", "email"],
}
NO_ENTRIES: dict[str, list[object]] = {
    "producers": [
        *("arn:aws:iam::123456789012:root", "arn:aws:iam::1:role/feed", "feed", "*", 1, None),
        "arn:aws:iam::123456789012:role/${x}",
    ],
    "subnet_ids": ["subnet", "sg-1", "subnet-x", 1],
    "security_group_ids": ["sg", "subnet-1", "sg-1\n", None],
    "subscriber_protocols": ["http", "application", "", 1],
}
SIGNING = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-1"
TAGS = "tags must be an object of texts"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdktf.json"


def load(path: Path, **values: Any) -> Settings:
    common = {"region": "us-east-1", **values}
    path.write_text(json.dumps({"context": {"common": common, "environments": {"dev": {}}}}))
    return load_settings(path)


def refusal(path: Path, **values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path, **values)
    return str(caught.value)


def test_what_is_left_out_is_safe() -> None:
    settings = Settings(environment="dev", region="us-east-1")
    assert settings.customer_managed_key
    assert settings.point_in_time_recovery
    assert settings.deletion_protection
    assert settings.producers == ()
    assert "http" not in settings.subscriber_protocols


@pytest.mark.parametrize(
    "key", ["customer_managed_key", "point_in_time_recovery", "deletion_protection"]
)
@pytest.mark.parametrize("value", [None, 0, 1, "true", []])
def test_a_switch_is_true_or_false(path: Path, key: str, value: object) -> None:
    assert f"{key} must be true or false" in refusal(path, **{key: value})
    assert getattr(load(path, **{key: False}), key) is False


@pytest.mark.parametrize("key", LISTS)
def test_a_list_is_taken_as_it_is_written(path: Path, key: str) -> None:
    both = {name: LISTS[name] for name in ("subnet_ids", "security_group_ids") if "_ids" in key}
    assert list(getattr(load(path, **{key: LISTS[key], **both}), key)) == LISTS[key]


@pytest.mark.parametrize(("key", "entry"), [(k, e) for k, many in NO_ENTRIES.items() for e in many])
def test_an_entry_that_is_none_is_refused(path: Path, key: str, entry: object) -> None:
    assert f"{key} must be a list of such as " in refusal(path, **{key: [entry]})


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize("value", [None, "x", {}, 1])
def test_what_is_no_list_is_refused(path: Path, key: str, value: object) -> None:
    assert f"{key} must be a list of such as " in refusal(path, **{key: value})


@pytest.mark.parametrize("key", LISTS)
def test_an_entry_is_named_once(path: Path, key: str) -> None:
    entry = LISTS[key][0]
    assert f"{key} names one twice" in refusal(path, **{key: [entry, entry]})


@pytest.mark.parametrize("key", ["subnet_ids", "security_group_ids"])
def test_subnets_and_security_groups_go_together(path: Path, key: str) -> None:
    assert "go together: both, or neither" in refusal(path, **{key: LISTS[key]})


def test_whoever_is_subscribed_must_be_allowed_to(path: Path) -> None:
    mail = {"protocol": "email", "endpoint": "a@example.com"}
    text = refusal(path, subscriptions=[mail], subscriber_protocols=["sqs"])
    assert "subscriber_protocols must hold email: a subscription uses it" in text


def test_ops_is_subscribed_like_anybody_else(path: Path) -> None:
    mail = {"protocol": "email", "endpoint": "ops@example.com"}
    settings = load(path, ops_subscriptions=[mail])
    assert settings.ops_subscriptions == (Subscription("email", "ops@example.com"),)
    assert "ops_subscriptions[1] is there twice" in refusal(path, ops_subscriptions=[mail, mail])


@pytest.mark.parametrize("value", [None, SIGNING])
def test_a_code_signing_configuration_is_an_arn_or_none(path: Path, value: str | None) -> None:
    assert load(path, code_signing_config_arn=value).code_signing_config_arn == value


@pytest.mark.parametrize("value", ["", "csc-1", 1, SIGNING.replace("lambda", "s3")])
def test_what_is_no_code_signing_configuration_is_refused(path: Path, value: object) -> None:
    assert "code_signing_config_arn must be the ARN" in refusal(path, code_signing_config_arn=value)


@pytest.mark.parametrize("tags", [{}, {"team": "prices"}, {"a:b/c=d+e-f@g": "x " * 128, "a": ""}])
def test_tags_are_taken_as_they_are_written(path: Path, tags: dict[str, str]) -> None:
    assert load(path, tags=tags).tags == tags


@pytest.mark.parametrize(
    "tags",
    [
        *([], None, "team", {"": "x"}, {"a" * 129: "x"}, {"a": "x" * 257}, {"a": 1}),
        *({"aws:team": "x"}, {"AWS:team": "x"}, {"aWs:": "x"}, {"a": "${x}"}, {"a,b": "x"}),
    ],
)
def test_what_are_no_tags_is_refused(path: Path, tags: object) -> None:
    assert TAGS in refusal(path, tags=tags)


@pytest.mark.parametrize("tags", [{"stack": "mine"}, {"Stack": "mine"}, {"STACK": ""}])
def test_the_tag_that_policies_go_by_cannot_be_set(path: Path, tags: dict[str, str]) -> None:
    (name,) = tags
    assert f"tags must not name {name}: stack is taken" in refusal(path, tags=tags)


def test_tags_that_iam_cannot_tell_apart_are_rejected(path: Path) -> None:
    text = refusal(path, tags={"team": "a", "Team": "b"})
    assert "tags must not name Team" in text
    assert len(text.splitlines()) == 1


def test_there_are_as_many_tags_as_aws_takes_beside_the_stack_s_own(path: Path) -> None:
    tags = {f"tag-{number}": "x" for number in range(49)}
    assert load(path, tags=tags).tags == tags
    assert "tags must be at most 49" in refusal(path, tags={**tags, "one-more": "x"})


def feeds(count: int, characters: int) -> list[str]:
    """Name roles whose ARNs are as long as that."""
    arns = [f"arn:aws:iam::123456789012:role/{number:04}" for number in range(count)]
    return [arn.ljust(characters, "x") for arn in arns]


@pytest.mark.parametrize(("count", "characters"), [(50, 120), (10, 600)])
def test_as_many_producers_are_taken_as_fit_into_the_queue_s_policy(
    path: Path, count: int, characters: int
) -> None:
    settings = load(path, producers=feeds(count, characters))
    account = Account("aws-us-gov", "123456789012", "us-gov-west-1", Names("a" * 16, is_fifo=True))
    assert len(queue_policy(account, settings).encode()) <= 8_192


@pytest.mark.parametrize(("count", "characters"), [(51, 40), (50, 121)])
def test_more_producers_are_rejected(path: Path, count: int, characters: int) -> None:
    text = refusal(path, producers=feeds(count, characters))
    assert "producers must be at most 50, with 6,000 characters in all" in text
