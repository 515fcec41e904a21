"""What is said of an S3 backend's arguments: one by one, together, and from the command line."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backend.s3 import check_s3, values_of
from lib.backend.terraform import Argument, Terraform
from tests.unit.backend_loader import BAD_STACK, TEMPLATE

TERRAFORM = Terraform("Terraform", "1.11.4")
OLD = Terraform("Terraform", "1.9.8")
OLDEST = Terraform("Terraform", "1.5.7")
NEWER = Terraform("Terraform", "1.99.0")
TOFU = Terraform("OpenTofu", "1.11.0")
PRODUCTS = (TERRAFORM, TOFU, None)
SOUND = {"bucket": "states", "key": "k", "region": "us-east-1", "use_lockfile": True}
LOCKED = {"use_lockfile": None, "dynamodb_table": "locks"}
ROLE = "arn:aws:iam::123456789012:role/deploy"
WEB_IDENTITY = "assume_role_with_web_identity"
UNLOCKED = "warning: s3: nothing locks the state, so two deployments at once can destroy it; "
NEW_LOCK = 'add "use_lockfile": true, or "dynamodb_table" for Terraform before 1.10'
SECRET = (
    "is a secret that everybody can read who has the file; leave it out, and let the environment "
    "or a profile provide it"
)
# One argument of each type, and what is said of a value of another.
OF_TYPE = {
    "string": ("profile", "must be a string"),
    "bool": ("encrypt", "must be true or false, without quotes"),
    "number": ("max_retries", "must be a whole number, without quotes"),
    "set(string)": ("shared_config_files", "must be a list of strings"),
    "map(string)": ("state_tags", "must be an object of strings"),
    "object": ("endpoints", "must be an object"),
}


def given_text(name: str, text: str) -> Argument:
    return Argument("cli", name, text, is_text=True)


def said(
    values: Mapping[str, Any] | None = None,
    terraform: Terraform | None = TERRAFORM,
    *given: Argument,
    **environment: str,
) -> list[str]:
    """What is said of a sound block that those values lie over; `None` takes what is there away."""
    block = {**SOUND, **(values or {})}
    own = [
        Argument(f"s3.{name}", name, value, is_ours=True)
        for name, value in block.items()
        if value is not None or name not in SOUND
    ]
    faults = check_s3("s3", [*own, *given], terraform, environment)
    return [f"{'warning: ' if fault.is_warning else ''}{fault}" for fault in faults]


# --- what the version does not take ------------------------------------------------------


def test_nothing_is_said_of_a_sound_block_nor_of_a_comment() -> None:
    values = {"//": {"a.b": "a comment, ${whatever} is in it"}}
    assert [said(values, terraform) for terraform in PRODUCTS] == [[]] * 3


@pytest.mark.parametrize("value", ["x", None, 5, "${a}"])
def test_an_unknown_argument_is_refused_whatever_its_value(value: object) -> None:
    text = "no Terraform up to 1.15 takes it; did you mean bucket?"
    assert said({"buket": value}) == [f"s3.buket: {text}"]


def test_an_unknown_nested_argument_is_refused_in_its_place() -> None:
    assert said({"assume_role": {"role_arn": ROLE, "tagz": {"a": "b"}}}) == [
        "s3.assume_role.tagz: no Terraform up to 1.15 takes it; did you mean assume_role.tags?"
    ]


def test_an_unknown_argument_of_the_command_line_is_refused_once_and_in_its_place() -> None:
    given = [given_text("buket", "a"), Argument("file", "buket", "b")]
    assert said({"buket": "c"}, None, *given) == [
        "file: no Terraform up to 1.15 takes it; did you mean bucket?"
    ]


@pytest.mark.parametrize("values", [{}, {"s3": "${a}", "nonsense": 5}])
@pytest.mark.parametrize("parent", ["endpoints", "assume_role"])
def test_of_a_parent_that_is_refused_nothing_more_is_said(
    parent: str, values: dict[str, object]
) -> None:
    [fault] = said({**LOCKED, parent: values}, OLDEST)
    assert fault.startswith(f"s3.{parent}: Terraform 1.5.7 does not take it, Terraform does since ")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"new": {"a": 1}}, "new: no Terraform up to 1.15 takes it; leave it out"),
        (
            {"endpoints": {"new": "a"}},
            "endpoints.new: no Terraform up to 1.15 takes it; leave it out",
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


def test_what_was_removed_and_what_is_wrong_is_refused_for_a_newer_terraform_too() -> None:
    assert said({"role_arn": ROLE, "encrypt": "true"}, NEWER) == [
        "s3.role_arn: Terraform 1.99.0 does not take it, it was removed in Terraform 1.10; "
        "write assume_role.role_arn",
        "s3.encrypt: must be true or false, without quotes",
    ]


def test_deprecated_arguments_are_warned_of() -> None:
    assert said({"force_path_style": True, "endpoints": {"dynamodb": "a"}}) == [
        "warning: s3.force_path_style: is deprecated since Terraform 1.6; write use_path_style",
        "warning: s3.endpoints.dynamodb: is deprecated since Terraform 1.11; leave it out",
    ]


# --- what is missing ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_argument_that_must_be_there_is_missed(name: str) -> None:
    missing = [f"s3: {name} is missing; add it"]
    assert [said({name: None}, terraform) for terraform in PRODUCTS] == [missing] * 3


def test_a_later_null_takes_an_argument_away_that_must_be_there() -> None:
    assert said({}, TERRAFORM, Argument("cli", "key", None)) == ["s3: key is missing; add it"]


def test_the_command_line_may_give_all_that_must_be_there() -> None:
    given = [given_text(name, str(value).lower()) for name, value in SOUND.items()]
    assert said(dict.fromkeys(SOUND), TERRAFORM, *given) == []


@pytest.mark.parametrize("value", [None, ""])
def test_a_region_is_missed_if_the_environment_has_none(value: str | None) -> None:
    missing = ["s3: region is missing; add it, or set AWS_REGION"]
    assert said({"region": value}, AWS_REGION="") == missing
    assert said({"region": value}, AWS_REGION="us-east-1") == []
    assert said({"region": value}, AWS_DEFAULT_REGION="us-east-1") == []


@pytest.mark.parametrize("nested", [{}, {"role_arn": None}, {"session_name": "ab"}])
def test_a_role_is_missed(nested: dict[str, str | None]) -> None:
    missing = ["s3.assume_role: assume_role.role_arn is missing; add it"]
    assert [said({"assume_role": nested}, terraform) for terraform in PRODUCTS] == [missing] * 3


@pytest.mark.parametrize(("terraform", "count"), [(TERRAFORM, 1), (TOFU, 0), (None, 0)])
def test_a_role_with_a_web_identity_is_missed_by_terraform_alone(
    terraform: Terraform | None, count: int
) -> None:
    missing = f"cli: {WEB_IDENTITY}.role_arn is missing; add it"
    given = Argument("cli", WEB_IDENTITY, {"web_identity_token": "a"})
    assert said({}, terraform, given) == [missing] * count


def test_no_role_is_missed_where_none_is_to_be_assumed() -> None:
    assert said({"assume_role": None}) == []


def test_what_is_no_object_is_not_said_to_lack_a_role_as_well() -> None:
    assert said({"assume_role": [{"role_arn": ROLE}]}) == ["s3.assume_role: must be an object"]


@pytest.mark.parametrize(
    ("one", "other"), [("access_key", "secret_key"), ("secret_key", "access_key")]
)
def test_half_a_pair_of_keys_is_refused(one: str, other: str) -> None:
    half, rest = given_text(one, "a"), given_text(other, "a")
    assert said({other: None}, TERRAFORM, half) == [
        f"cli: needs {other} beside it; add that, or leave it out"
    ]
    assert said({}, TERRAFORM, half, rest) == []


# --- values ------------------------------------------------------------------------------

WORDS = st.text(st.sampled_from(string.ascii_letters + string.digits + "$%{} .-/"), max_size=9)
TEXTS = WORDS.filter(lambda text: not any(sign in text for sign in ("${", "%{", "{stack}")))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "bool": st.booleans(),
    "number": st.integers(min_value=0),
    "set(string)": st.lists(TEXTS),
    "map(string)": st.dictionaries(TEXTS, TEXTS),
    "object": st.dictionaries(st.sampled_from(["s3", "sts"]), TEXTS),
}
TYPES = st.sampled_from(sorted(VALUES))


@given(st.data(), TYPES, TYPES)
def test_a_value_is_taken_if_it_is_of_the_argument_s_type(
    data: st.DataObject, wanted: str, type_: str
) -> None:
    name, text = OF_TYPE[wanted]
    value = data.draw(VALUES[type_])
    if wanted == "object" and type_ == "map(string)":
        type_, value = "object", {}  # its names are judged, and not by their values' type
    is_right = type_ == wanted or (wanted, type_) == ("map(string)", "object")
    assert said({name: value}, TOFU) == ([] if is_right else [f"s3.{name}: {text}"])


def test_a_value_that_is_nearly_of_the_type_is_refused() -> None:
    nearly = [
        *(("string", ["${a}"]), ("bool", 1), ("bool", "true"), ("number", -1), ("number", 5.0)),
        *(("number", True), ("set(string)", ["a", None]), ("map(string)", {"a": "b", "c": 1})),
    ]
    for type_, value in nearly:
        name, text = OF_TYPE[type_]
        assert said({name: value}, TOFU) == [f"s3.{name}: {text}"]


def test_a_nested_value_is_refused_in_its_place_and_without_a_terraform_too() -> None:
    assert said({"endpoints": {"s3": 5}}, None) == ["s3.endpoints.s3: must be a string"]


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("bucket", {"bucket": "?"}),
        ("key", {"key": "a/?"}),
        ("region", {"region": "?"}),
        ("allowed_account_ids", {"allowed_account_ids": ["123456789012", "?"]}),
        ("state_tags", {"state_tags": {"a": "?"}}),
        ("state_tags", {"state_tags": {"?": "a"}}),
        ("endpoints.s3", {"endpoints": {"s3": "?"}}),
        ("assume_role.tags", {"assume_role": {"role_arn": ROLE, "tags": {"?": "a"}}}),
    ],
)
def test_what_is_not_literal_is_refused_wherever_it_is(place: str, values: object) -> None:
    for sign, text in {"${a}": TEMPLATE, "%{ if": TEMPLATE, "{stack}": BAD_STACK}.items():
        filled = json.loads(json.dumps(values).replace("?", sign))
        assert said(filled, TOFU) == [f"s3.{place}: {text}"]


def test_braces_in_a_key_are_refused_for_nothing_replaces_them() -> None:
    for key in ("tap/{environment}", "a{b", "a}b", "{Stack}"):
        assert said({"key": key}) == ["s3.key: must have no braces: only {stack} is replaced"]


def test_a_region_looks_like_one_unless_that_is_to_be_skipped() -> None:
    for region in ("us-gov-west-1", "ap-southeast-7"):
        assert said({"region": region}) == []
    for region in ("us-east", "us-east-1a", "US-EAST-1", "us-east-1 "):
        judged = {"region": region, "skip_region_validation": False}
        assert said(judged) == ["s3.region: must look like us-east-1"]
        assert said({"region": region, "skip_region_validation": True}) == []


def test_of_a_region_that_is_no_text_one_fault_is_enough() -> None:
    assert said({"region": 5}) == ["s3.region: must be a string"]


# --- names with a dot, and names that are there more than once ---------------------------


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("assume_role.role_arn", '{"assume_role": {"role_arn": "…"}}'),
        ("größe.b", '{"größe": {"b": "…"}}'),
        ("a.b.c", '{"a": {"b.c": "…"}}'),
    ],
)
def test_a_dot_is_no_part_of_a_name(name: str, instead: str) -> None:
    text = f"a dot is no part of a name; write {instead}"
    for terraform in PRODUCTS:
        found = said({name: "${a}"}, terraform, given_text(name, "a"))
        assert found == [f"s3.{name}: {text}", f"cli: {text}"]


def test_a_name_with_a_dot_gives_nothing_that_is_missing() -> None:
    assert said({"assume_role": {}, "assume_role.role_arn": ROLE})[1:] == [
        "s3.assume_role: assume_role.role_arn is missing; add it"
    ]


def test_a_tag_s_key_may_have_a_dot() -> None:
    assert said({"assume_role": {"role_arn": ROLE, "tags": {"a.b": "c"}}}) == []


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"bucket": 5}, given_text("bucket", "abc")),
        ({"token": "a"}, given_text("token", "a")),
        ({"encrypt": "yes"}, Argument("cli", "encrypt", None)),
        ({"endpoints": {"s3": 5, "nonsense": "a"}}, given_text("endpoints", "{}")),
    ],
)
def test_nothing_is_said_of_an_argument_that_a_later_one_lies_over(
    earlier: dict[str, object], later: Argument
) -> None:
    assert said(earlier, TERRAFORM, later) == []


def test_what_is_nested_in_an_argument_does_not_count_beside_a_later_one() -> None:
    given = given_text("assume_role", '{session_name = "ab"}')
    assert said({"assume_role": {"role_arn": ROLE}}, TERRAFORM, given) == [
        "cli: assume_role.role_arn is missing; add it"
    ]


# --- locks and secrets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terraform", "cure"),
    [
        (Terraform("Terraform", "1.10.0"), NEW_LOCK),
        (None, NEW_LOCK),
        *(
            (
                Terraform(product, "1.9.8"),
                f'add "dynamodb_table", or "use_lockfile": true with {product} 1.10 or newer '
                f"({product} 1.9.8 does not know it)",
            )
            for product in ("Terraform", "OpenTofu")
        ),
    ],
    ids=str,
)
def test_a_state_without_a_lock_is_warned_of(terraform: Terraform | None, cure: str) -> None:
    assert said({"use_lockfile": None}, terraform) == [UNLOCKED + cure]
    nothing = {"dynamodb_table": "", "use_lockfile": False}
    assert said(nothing, terraform)[-1] == UNLOCKED + cure


@pytest.mark.parametrize(
    "later", [Argument("cli", "use_lockfile", None), given_text("use_lockfile", "false")]
)
def test_a_later_argument_takes_the_lock_away(later: Argument) -> None:
    assert said({}, TERRAFORM, later) == [UNLOCKED + NEW_LOCK]


@pytest.mark.parametrize("terraform", [OLD, TOFU, None], ids=str)
def test_a_state_with_a_lock_table_is_locked(terraform: Terraform | None) -> None:
    assert said(LOCKED, terraform) == []


def test_both_ways_of_locking_may_be_used_together() -> None:
    assert said({"dynamodb_table": "locks"}, TOFU) == []


@pytest.mark.parametrize(
    ("place", "values"),
    [
        *(("token", {"token": "a"}), ("sse_customer_key", {"sse_customer_key": "a"})),
        *((name, {"access_key": "a", "secret_key": "a"}) for name in ("access_key", "secret_key")),
        (
            f"{WEB_IDENTITY}.web_identity_token",
            {WEB_IDENTITY: {"role_arn": ROLE, "web_identity_token": "a"}},
        ),
    ],
)
def test_a_secret_is_warned_of_in_cdktf_json_alone(place: str, values: dict[str, Any]) -> None:
    assert f"warning: s3.{place}: {SECRET}" in said(values)
    elsewhere = [Argument("cli", name, value) for name, value in values.items()]
    assert said({}, TERRAFORM, *elsewhere) == []


def test_every_fault_is_reported_at_once() -> None:
    values = {"bucket": None, "key": "{a}", "encrypt": "yes", "profile": "${a}", "token": "a"}
    assert said({**values, "use_lockfile": False, "buket": "a"}) == [
        "s3.key: must have no braces: only {stack} is replaced",
        "s3.encrypt: must be true or false, without quotes",
        f"s3.profile: {TEMPLATE}",
        f"warning: s3.token: {SECRET}",
        "s3.buket: no Terraform up to 1.15 takes it; did you mean bucket?",
        "s3: bucket is missing; add it",
        UNLOCKED + NEW_LOCK,
    ]


# --- what counts -------------------------------------------------------------------------


def counted(*arguments: Argument) -> Mapping[str, Any]:
    return values_of(arguments)


def test_text_becomes_what_terraform_makes_of_it() -> None:
    converted: list[tuple[str, str, object]] = [
        *(("profile", "true", "true"), ("unheard_of", "5", "5"), ("encrypt", "yes", "yes")),
        *(("encrypt", "true", True), ("encrypt", "1", True)),
        *(("encrypt", "false", False), ("encrypt", "0", False)),
        *(("shared_config_files", '["a", "b"]', ["a", "b"]), ("shared_config_files", "[a", "[a")),
        ("state_tags", '{a = "b", "c" = "d"}', {"a": "b", "c": "d"}),
        *(("endpoints", "{}", {}), ("endpoints", "", "")),
    ]
    # Not by ==, for which 1 would do for True.
    for name, text, value in converted:
        assert repr(counted(given_text(name, text))) == repr({name: value})


# The last three are digits elsewhere: five in Arabic and Devanagari, and a squared two.
@given(st.integers().map(str) | st.text(st.sampled_from("0123456789 +-_.ex\n\u0665\u096b\u00b2")))
def test_text_becomes_a_number_if_it_is_one_to_nine_ascii_digits(text: str) -> None:
    is_number = 1 <= len(text) <= 9 and set(text) <= set(string.digits)
    assert counted(given_text("max_retries", text)) == {
        "max_retries": int(text) if is_number else text
    }


def test_what_is_no_text_stays_as_it_is() -> None:
    assert counted(Argument("here", "encrypt", "true")) == {"encrypt": "true"}


def test_null_and_what_is_no_argument_counts_for_nothing() -> None:
    arguments = [
        given_text("shared_config_files", "null"),
        Argument("here", "key", None),
        given_text("endpoints.s3", "a"),
        Argument("here", "a.b.c", "a"),
        Argument("here", "//", "a comment"),
    ]
    assert counted(*arguments) == {}


def test_the_last_value_counts_with_all_that_is_nested_in_it() -> None:
    arguments = [
        Argument("here", "endpoints", {"s3": "a", "sts": "b"}),
        given_text("endpoints", '{s3 = "c"}'),
        Argument("there", "endpoints.s3", "d"),
        Argument("here", "state_tags", {"a": "b"}),
    ]
    assert counted(*arguments) == {
        "endpoints": {"s3": "c"},
        "endpoints.s3": "c",
        "state_tags": {"a": "b"},
    }
