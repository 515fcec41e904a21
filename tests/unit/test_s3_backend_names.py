"""Names of an S3 backend's arguments: those with a dot, and those that are there more than once."""

from __future__ import annotations

import pytest

from lib.backend.init_arguments import Argument
from lib.backend.terraform import Terraform
from tests.unit.s3_block import (
    CUSTOMER_KEY,
    KMS_KEY,
    NEWER,
    ROLE,
    TERRAFORM,
    TOFU,
    WEB_IDENTITY,
    on_the_command_line,
    said,
)

UNLOCKED = (
    "warning: s3: nothing locks the state, so two deployments at once can destroy it; "
    'add "use_lockfile": true, or "dynamodb_table" for Terraform before 1.10'
)


# --- names with a dot --------------------------------------------------------------------


@pytest.mark.parametrize("terraform", [TERRAFORM, NEWER, TOFU, None])
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("assume_role.role_arn", '{"assume_role": {"role_arn": "…"}}'),
        ("endpoints.s3", '{"endpoints": {"s3": "…"}}'),
        ("bucket.b", '{"bucket": {"b": "…"}}'),
        ("größe.b", '{"größe": {"b": "…"}}'),
        ("a.b.c", '{"a": {"b.c": "…"}}'),
    ],
)
@pytest.mark.parametrize("value", ["a", 5, None, "${a}", {"a": "b"}])
def test_a_dot_is_no_part_of_a_name(
    terraform: Terraform | None, name: str, instead: str, value: object
) -> None:
    assert said({name: value}, terraform) == [
        f"s3.{name}: a dot is no part of a name; write {instead}"
    ]


def test_a_dot_is_no_part_of_a_name_on_the_command_line() -> None:
    given = on_the_command_line("assume_role.role_arn", ROLE)
    assert said({}, TERRAFORM, given) == [
        'cli: a dot is no part of a name; write {"assume_role": {"role_arn": "…"}}'
    ]


def test_each_name_with_a_dot_is_refused_however_often_it_is_there() -> None:
    given = on_the_command_line("endpoints.s3", "a")
    assert [fault.partition(":")[0] for fault in said({"endpoints.s3": "b"}, None, given)] == [
        "s3.endpoints.s3",
        "cli",
    ]


def test_a_role_with_a_dot_in_its_name_is_still_missed() -> None:
    assert said({"assume_role": {}, "assume_role.role_arn": ROLE})[1:] == [
        "s3.assume_role: assume_role.role_arn is missing; add it"
    ]


def test_a_name_with_a_dot_is_at_odds_with_nothing() -> None:
    token = f"{WEB_IDENTITY}.web_identity_token"
    values = {WEB_IDENTITY: {"role_arn": ROLE, "web_identity_token_file": "a"}, token: "b"}
    assert [fault.partition(":")[0] for fault in said(values)] == [f"s3.{token}"]


def test_a_tag_s_key_may_have_a_dot() -> None:
    assert said({"assume_role": {"role_arn": ROLE, "tags": {"a.b": "c"}}}) == []


def test_a_nested_name_with_a_dot_is_unknown() -> None:
    [fault] = said({"assume_role": {"role_arn": ROLE, "tags.a": "b"}})
    assert fault.startswith("s3.assume_role.tags.a: no Terraform up to 1.15 takes it; ")


def test_an_argument_without_a_name_is_one_fault() -> None:
    assert said({"": "a"}) == ["s3.: no Terraform up to 1.15 takes it; leave it out"]


# --- which one counts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"bucket": 5}, on_the_command_line("bucket", "abc")),
        ({"token": "a"}, on_the_command_line("token", "a")),
        ({"encrypt": "yes"}, Argument("cli", "encrypt", None)),
        ({"profile": "${a}"}, Argument("cli", "profile", "a")),
        (
            {"assume_role": {"tagz": 5}},
            on_the_command_line("assume_role", f'{{role_arn = "{ROLE}"}}'),
        ),
        ({"endpoints": {"s3": 5, "nonsense": "a"}}, on_the_command_line("endpoints", "{}")),
        ({"endpoints": "a"}, Argument("cli", "endpoints", None)),
    ],
)
def test_nothing_is_said_of_an_argument_that_a_later_one_lies_over(
    earlier: dict[str, object], later: Argument
) -> None:
    assert said(earlier, TERRAFORM, later) == []


def test_of_several_unknown_arguments_with_one_name_the_last_one_is_refused() -> None:
    given = [on_the_command_line("buket", "a"), Argument("file", "buket", "b")]
    assert said({"buket": "c"}, TERRAFORM, *given) == [
        "file: no Terraform up to 1.15 takes it; did you mean bucket?"
    ]


def test_what_is_nested_in_an_argument_does_not_count_beside_a_later_one() -> None:
    role = {"role_arn": ROLE, "session_name": "ab"}
    given = on_the_command_line("assume_role", '{session_name = "bc"}')
    assert said({"assume_role": role}, TERRAFORM, given) == [
        "cli: assume_role.role_arn is missing; add it"
    ]


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_a_later_null_takes_an_argument_away_that_must_be_there(name: str) -> None:
    assert said({}, TERRAFORM, Argument("cli", name, None)) == [f"s3: {name} is missing; add it"]


def test_a_later_null_takes_the_lock_away() -> None:
    assert said({}, TERRAFORM, Argument("cli", "use_lockfile", None)) == [UNLOCKED]


def test_a_later_argument_takes_the_lock_away() -> None:
    assert said({}, TERRAFORM, on_the_command_line("use_lockfile", "false")) == [UNLOCKED]


def test_a_later_null_settles_what_does_not_go_together() -> None:
    values = {"kms_key_id": KMS_KEY, "sse_customer_key": CUSTOMER_KEY}
    assert said(values, TERRAFORM, Argument("cli", "sse_customer_key", None)) == []
