"""The arguments of an S3 backend together: what is at odds, unlocked or secret."""

from __future__ import annotations

import pytest

from lib.backend.init_arguments import Argument
from lib.backend.s3 import LOCKFILE_SINCE
from lib.backend.terraform import Terraform
from tests.unit.s3_block import (
    CUSTOMER_KEY,
    KMS_KEY,
    LOCKED,
    OLD,
    ROLE,
    TEMPLATE,
    TERRAFORM,
    TOFU,
    WEB_IDENTITY,
    errors,
    on_the_command_line,
    said,
)

SECRET = (
    "is a secret that everybody can read who has the file; leave it out, and let the environment "
    "or a profile provide it"
)


def beside(place: str, other: str) -> str:
    return f"{place}: cannot stand beside {other}; leave one of them out"


# --- what does not go together -----------------------------------------------------------


@pytest.mark.parametrize("terraform", [TERRAFORM, TOFU, None])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("kms_key_id", KMS_KEY), ("sse_customer_key", CUSTOMER_KEY)),
        (("allowed_account_ids", ["1" * 12]), ("forbidden_account_ids", ["2" * 12])),
    ],
)
def test_two_arguments_that_exclude_each_other_are_refused(
    one: tuple[str, object], other: tuple[str, object], terraform: Terraform | None
) -> None:
    assert errors(dict([one, other]), terraform) == [beside(f"s3.{one[0]}", other[0])]


def test_two_nested_arguments_that_exclude_each_other_are_refused() -> None:
    given = Argument(
        "cli",
        WEB_IDENTITY,
        {"role_arn": ROLE, "web_identity_token": "a", "web_identity_token_file": "b"},
    )
    assert said({}, TERRAFORM, given) == [
        beside("cli.web_identity_token", f"{WEB_IDENTITY}.web_identity_token_file")
    ]


@pytest.mark.parametrize(
    ("deprecated", "successor", "called"),
    [
        (("endpoint", "a"), ("endpoints", {"s3": "a"}), "endpoints.s3"),
        (("sts_endpoint", "a"), ("endpoints", {"sts": "a"}), "endpoints.sts"),
        (("force_path_style", True), ("use_path_style", True), "use_path_style"),
        (("role_arn", ROLE), ("assume_role", {"role_arn": ROLE}), "assume_role"),
        (("external_id", "a"), ("assume_role", {"role_arn": ROLE}), "assume_role"),
        (
            ("shared_credentials_file", "a"),
            ("shared_credentials_files", ["a"]),
            "shared_credentials_files",
        ),
    ],
)
def test_a_deprecated_argument_is_refused_beside_its_successor(
    deprecated: tuple[str, object], successor: tuple[str, object], called: str
) -> None:
    values = {**LOCKED, **dict([deprecated, successor])}
    assert errors(values, OLD) == [beside(f"s3.{deprecated[0]}", called)]


@pytest.mark.parametrize("terraform", [Terraform("Terraform", "1.10.5"), TOFU])
def test_both_ways_of_locking_may_be_used_together(terraform: Terraform) -> None:
    assert said({"dynamodb_table": "locks"}, terraform) == []


@pytest.mark.parametrize(
    "values",
    [
        {"endpoint": "a", "endpoints": {"sts": "a"}},
        {"kms_key_id": KMS_KEY, "sse_customer_key": None},
        {"allowed_account_ids": ["1" * 12], "forbidden_account_ids": None},
    ],
)
def test_an_argument_may_stand_beside_others(values: dict[str, object]) -> None:
    assert errors(values) == []


def test_a_removed_argument_is_not_refused_once_more_for_its_successor() -> None:
    values = {"role_arn": ROLE, "assume_role": {"role_arn": ROLE}}
    assert said(values, TERRAFORM) == [
        "s3.role_arn: Terraform 1.11.4 does not take it, it was removed in Terraform 1.10; "
        "write assume_role.role_arn"
    ]


def test_a_key_is_refused_beside_one_in_the_environment() -> None:
    assert said({"kms_key_id": KMS_KEY}, environment={"AWS_SSE_CUSTOMER_KEY": CUSTOMER_KEY}) == [
        beside("s3.kms_key_id", "AWS_SSE_CUSTOMER_KEY in the environment")
    ]


@pytest.mark.parametrize(
    ("kms_key", "in_environment"), [(KMS_KEY, ""), (None, CUSTOMER_KEY), (None, "")]
)
def test_a_single_key_is_taken(kms_key: str | None, in_environment: str) -> None:
    assert said({"kms_key_id": kms_key}, environment={"AWS_SSE_CUSTOMER_KEY": in_environment}) == []


# --- what is warned of -------------------------------------------------------------------


@pytest.mark.parametrize("lock", [None, False])
@pytest.mark.parametrize("table", [None, ""])
@pytest.mark.parametrize(
    ("terraform", "cure"),
    [
        *(
            (new, 'add "use_lockfile": true, or "dynamodb_table" for Terraform before 1.10')
            for new in (Terraform("Terraform", "1.10.0"), TOFU, None)
        ),
        *(
            (
                Terraform(product, "1.9.8"),
                f'add "dynamodb_table", or "use_lockfile": true with {product} 1.10 or newer '
                f"({product} 1.9.8 does not know it)",
            )
            for product in ("Terraform", "OpenTofu")
        ),
    ],
)
def test_a_state_without_a_lock_is_warned_of(
    terraform: Terraform | None, cure: str, table: str | None, lock: bool | None
) -> None:
    values = {"dynamodb_table": table, "use_lockfile": lock}
    assert said(values, terraform)[-1] == (
        "warning: s3: nothing locks the state, so two deployments at once can destroy it; " + cure
    )


@pytest.mark.parametrize("terraform", [OLD, TOFU, None])
def test_a_state_with_a_lock_table_is_locked(terraform: Terraform | None) -> None:
    assert said(LOCKED, terraform) == []


@pytest.mark.parametrize(("name", "text"), [("use_lockfile", "true"), ("dynamodb_table", "locks")])
def test_the_command_line_may_give_the_lock(name: str, text: str) -> None:
    given = on_the_command_line(name, text)
    assert said({"use_lockfile": None}, TOFU, given) == []


def test_lock_files_came_with_1_10() -> None:
    assert LOCKFILE_SINCE == "1.10"


@pytest.mark.parametrize(("name", "value"), [("token", "a"), ("sse_customer_key", CUSTOMER_KEY)])
def test_a_secret_in_cdktf_json_is_warned_of(name: str, value: str) -> None:
    assert said({name: value}) == [f"warning: s3.{name}: {SECRET}"]


def test_a_pair_of_secrets_in_cdktf_json_is_warned_of() -> None:
    assert said({"access_key": "a", "secret_key": "a"}) == [
        f"warning: s3.access_key: {SECRET}",
        f"warning: s3.secret_key: {SECRET}",
    ]


def test_a_nested_secret_in_cdktf_json_is_warned_of() -> None:
    values = {"role_arn": ROLE, "web_identity_token": "a"}
    assert said({WEB_IDENTITY: values}) == [
        f"warning: s3.{WEB_IDENTITY}.web_identity_token: {SECRET}"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "a"),
        ("sse_customer_key", CUSTOMER_KEY),
        (WEB_IDENTITY, f'{{role_arn="{ROLE}", web_identity_token="a"}}'),
    ],
)
def test_a_secret_elsewhere_is_not_warned_of(name: str, value: str) -> None:
    assert said({}, TERRAFORM, on_the_command_line(name, value)) == []


# --- all together ------------------------------------------------------------------------


def test_every_fault_is_reported_at_once() -> None:
    values = {"bucket": None, "key": "/a", "encrypt": "yes", "profile": "${a}", "token": "a"}
    assert said({**values, "use_lockfile": False, "buket": "a"}) == [
        "s3.key: must be a path that neither begins nor ends with /, without //, backslashes and "
        "braces; of braces, only {stack} is replaced",
        "s3.encrypt: must be true or false, without quotes",
        f"s3.profile: {TEMPLATE}",
        f"warning: s3.token: {SECRET}",
        "s3.buket: no Terraform up to 1.15 takes it; did you mean bucket?",
        "s3: bucket is missing; add it",
        "warning: s3: nothing locks the state, so two deployments at once can destroy it; "
        'add "use_lockfile": true, or "dynamodb_table" for Terraform before 1.10',
    ]
