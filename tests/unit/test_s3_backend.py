"""The arguments of an S3 backend that the version does not take, and those that are missing."""

from __future__ import annotations

import pytest

from lib.backend.init_arguments import Argument
from lib.backend.terraform import Terraform
from tests.unit.s3_block import (
    LOCKED,
    NEWER,
    ROLE,
    TERRAFORM,
    TOFU,
    WEB_IDENTITY,
    on_the_command_line,
    said,
)


@pytest.mark.parametrize("terraform", [TERRAFORM, TOFU, None])
def test_nothing_is_said_of_a_sound_block(terraform: Terraform | None) -> None:
    assert said(terraform=terraform) == []


# --- what the version does not take ------------------------------------------------------


def test_an_argument_that_the_version_does_not_take_is_refused() -> None:
    assert said({**LOCKED, "role_arn": ROLE}, Terraform("Terraform", "1.10.5")) == [
        "s3.role_arn: Terraform 1.10.5 does not take it, it was removed in Terraform 1.10; "
        "write assume_role.role_arn"
    ]


@pytest.mark.parametrize("value", ["x", None, 5, "${a}"])
def test_an_unknown_argument_is_refused_whatever_its_value(value: object) -> None:
    assert said({"buket": value}) == [
        "s3.buket: no Terraform up to 1.15 takes it; did you mean bucket?"
    ]


def test_an_unknown_nested_argument_is_refused_in_its_place() -> None:
    assert said({"assume_role": {"role_arn": ROLE, "tagz": {"a": "b"}}}) == [
        "s3.assume_role.tagz: no Terraform up to 1.15 takes it; did you mean assume_role.tags?"
    ]


def test_an_unknown_argument_of_the_command_line_is_refused_in_its_place() -> None:
    given = Argument("TF_CLI_ARGS_init: -backend-config=buket", "buket", "x", is_text=True)
    assert said({}, None, given) == [
        "TF_CLI_ARGS_init: -backend-config=buket: no Terraform up to 1.15 takes it; "
        "did you mean bucket?"
    ]


@pytest.mark.parametrize("values", [{}, {"s3": "a"}, {"s3": "${a}", "nonsense": 5}])
def test_of_a_parent_that_is_refused_nothing_more_is_said(values: dict[str, object]) -> None:
    assert said({**LOCKED, "endpoints": values}, Terraform("Terraform", "1.5.7")) == [
        "s3.endpoints: Terraform 1.5.7 does not take it, Terraform does since 1.6; "
        "write dynamodb_endpoint or endpoint or iam_endpoint or sts_endpoint, "
        "or use Terraform 1.6 or newer"
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"brand_new": True}, "brand_new: no Terraform up to 1.15 takes it; leave it out"),
        ({"brand_new": {"a": 1}}, "brand_new: no Terraform up to 1.15 takes it; leave it out"),
        (
            {"endpoints": {"brand_new": "a"}},
            "endpoints.brand_new: no Terraform up to 1.15 takes it; leave it out",
        ),
        (
            {"lock_tags": {"a": "b"}},
            "lock_tags: no Terraform takes it, OpenTofu does since 1.11; leave it out",
        ),
    ],
)
def test_an_argument_that_a_newer_terraform_may_have_is_warned_of(
    values: dict[str, object], text: str
) -> None:
    assert said(values, NEWER) == [f"warning: s3.{text}"]


@pytest.mark.parametrize("name", ["role_arn", "use_legacy_workflow"])
def test_an_argument_that_was_removed_is_refused_for_a_newer_terraform_too(name: str) -> None:
    [fault] = said({name: "a"}, NEWER)
    assert fault.startswith(f"s3.{name}: Terraform 1.99.0 does not take it, it was removed in ")


def test_a_wrong_value_is_refused_for_a_newer_terraform_too() -> None:
    assert said({"encrypt": "true"}, NEWER) == ["s3.encrypt: must be true or false, without quotes"]


def test_a_deprecated_argument_is_warned_of() -> None:
    assert said({"force_path_style": True}) == [
        "warning: s3.force_path_style: is deprecated since Terraform 1.6; write use_path_style"
    ]


def test_a_deprecated_nested_argument_is_warned_of() -> None:
    assert said({"endpoints": {"dynamodb": "a"}}) == [
        "warning: s3.endpoints.dynamodb: is deprecated since Terraform 1.11; leave it out"
    ]


# --- what is missing ---------------------------------------------------------------------


@pytest.mark.parametrize("terraform", [TERRAFORM, TOFU, None])
@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_argument_that_must_be_there_is_missed(name: str, terraform: Terraform | None) -> None:
    assert said({name: None}, terraform) == [f"s3: {name} is missing; add it"]


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_the_command_line_may_give_what_must_be_there(name: str) -> None:
    assert said({name: None}, TERRAFORM, on_the_command_line(name, "abc")) == []


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    "environment", [{}, {"AWS_REGION": ""}, {"AWS_DEFAULT_REGION": ""}, {"AWS_PROFILE": "a"}]
)
def test_a_region_is_missed(value: str | None, environment: dict[str, str]) -> None:
    assert said({"region": value}, environment=environment) == [
        "s3: region is missing; add it, or set AWS_REGION"
    ]


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_environment_may_give_the_region(value: str | None, variable: str) -> None:
    assert said({"region": value}, environment={variable: "us-east-1"}) == []


@pytest.mark.parametrize("nested", [{}, {"role_arn": None}, {"session_name": "ab"}])
@pytest.mark.parametrize("terraform", [TERRAFORM, TOFU, None])
def test_a_role_is_missed(terraform: Terraform | None, nested: dict[str, str | None]) -> None:
    assert said({"assume_role": nested}, terraform) == [
        "s3.assume_role: assume_role.role_arn is missing; add it"
    ]


@pytest.mark.parametrize("token", ["web_identity_token", "web_identity_token_file"])
def test_a_role_with_a_web_identity_is_missed_by_terraform(token: str) -> None:
    given = Argument("cli", WEB_IDENTITY, {token: "a"})
    assert said({}, TERRAFORM, given) == [f"cli: {WEB_IDENTITY}.role_arn is missing; add it"]


def test_a_web_identity_is_missed_by_terraform() -> None:
    assert said({WEB_IDENTITY: {"role_arn": ROLE}}) == [
        f"s3.{WEB_IDENTITY}: {WEB_IDENTITY}.web_identity_token_file is missing; add it"
    ]


@pytest.mark.parametrize("token", ["web_identity_token", "web_identity_token_file"])
def test_either_token_gives_the_web_identity(token: str) -> None:
    given = Argument("cli", WEB_IDENTITY, {"role_arn": ROLE, token: "a"})
    assert said({}, TERRAFORM, given) == []


@pytest.mark.parametrize("terraform", [TOFU, None])
def test_neither_role_nor_web_identity_is_missed_by_opentofu(terraform: Terraform | None) -> None:
    assert said({WEB_IDENTITY: {"session_name": "ab"}}, terraform) == []


@pytest.mark.parametrize("value", ["a", ["a"], [{"role_arn": ROLE}], 5, True])
@pytest.mark.parametrize("parent", ["assume_role", WEB_IDENTITY])
def test_what_is_no_object_is_not_said_to_lack_a_role_as_well(parent: str, value: object) -> None:
    assert said({parent: value}) == [f"s3.{parent}: must be an object"]


@pytest.mark.parametrize("parent", ["assume_role", WEB_IDENTITY])
def test_what_is_refused_is_not_said_to_lack_a_role_as_well(parent: str) -> None:
    [fault] = said({**LOCKED, parent: {}}, Terraform("Terraform", "1.5.7"))
    assert fault.startswith(f"s3.{parent}: Terraform 1.5.7 does not take it, ")


def test_no_role_is_missed_where_none_is_to_be_assumed() -> None:
    assert said({"assume_role": None}) == []


def test_a_missing_role_is_told_where_the_command_line_leaves_it_out() -> None:
    given = on_the_command_line("assume_role", '{session_name = "ab"}')
    assert said({}, TERRAFORM, given) == ["cli: assume_role.role_arn is missing; add it"]


@pytest.mark.parametrize("terraform", [TERRAFORM, TOFU, None])
@pytest.mark.parametrize(
    ("one", "other"), [("access_key", "secret_key"), ("secret_key", "access_key")]
)
@pytest.mark.parametrize("nothing", [{}, None])
def test_half_a_pair_of_keys_is_refused(
    terraform: Terraform | None, one: str, other: str, nothing: dict[str, str] | None
) -> None:
    given = on_the_command_line(one, "a")
    values = {} if nothing is None else {other: None}
    assert said(values, terraform, given) == [
        f"cli: needs {other} beside it; add that, or leave it out"
    ]


def test_a_pair_of_keys_is_taken() -> None:
    given = [on_the_command_line("access_key", "a"), on_the_command_line("secret_key", "a")]
    assert said({}, TERRAFORM, *given) == []


# --- the region, and comments ------------------------------------------------------------


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-central-2", "us-gov-west-1", "us-iso-east-1", "ap-southeast-7"]
)
def test_a_region_looks_like_one(region: str) -> None:
    assert said({"region": region}) == []


REGIONS = ["us", "us-east", "us-east-1a", "US-EAST-1", "us_east_1", "us-east-1 ", "Frankfurt"]


@pytest.mark.parametrize("skip", [{}, {"skip_region_validation": False}])
@pytest.mark.parametrize("region", REGIONS)
def test_what_does_not_look_like_a_region_is_refused(region: str, skip: dict[str, bool]) -> None:
    assert said({"region": region, **skip}) == ["s3.region: must look like us-east-1"]


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_need_not_look_like_one_if_that_is_to_be_skipped(region: str) -> None:
    assert said({"region": region, "skip_region_validation": True}) == []


@pytest.mark.parametrize("region", [5, ["us-east-1"], "${var.region}"])
def test_of_a_region_one_fault_is_enough(region: object) -> None:
    [_] = said({"region": region})


def test_a_region_of_the_command_line_is_refused_in_its_place() -> None:
    given = on_the_command_line("region", "Frankfurt")
    assert said({}, TERRAFORM, given) == ["cli: must look like us-east-1"]


@pytest.mark.parametrize("value", ["a note", 5, ["a", "${b}"], {"a.b": "c"}, None])
def test_a_comment_is_ignored(value: object) -> None:
    assert said({"//": value}) == []
