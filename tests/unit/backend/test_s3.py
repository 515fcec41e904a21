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
from tests.unit.backend.loader import BAD_STACK, TEMPLATE

TERRAFORM = Terraform("Terraform", "1.11.4")
OLD = Terraform("Terraform", "1.9.8")
OLDEST = Terraform("Terraform", "1.5.7")
NEWER = Terraform("Terraform", "1.99.0")
TOFU = Terraform("OpenTofu", "1.11.0")
PRODUCTS = (TERRAFORM, TOFU, None)
SOUND = {"bucket": "states", "key": "k", "region": "us-east-1", "use_lockfile": True}
ROLE = "arn:aws:iam::123456789012:role/deploy"
WEB_IDENTITY = "assume_role_with_web_identity"
LEAVE = "takes it; leave it out"
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


def cli(name: str, text: str) -> Argument:
    return Argument("cli", name, text, is_text=True)


def said(
    values: Mapping[str, Any],
    terraform: Terraform | None = TERRAFORM,
    *given: Argument,
    **environment: str,
) -> list[str]:
    """What is said of a sound block that those values lie over; `None` takes what is there away."""
    own = [
        Argument(f"s3.{name}", name, value, is_ours=True)
        for name, value in {**SOUND, **values}.items()
        if value is not None or name not in SOUND
    ]
    faults = check_s3("s3", [*own, *given], terraform, environment)
    return [f"{'warning: ' if fault.is_warning else ''}{fault}" for fault in faults]


# --- one thing that is wrong -------------------------------------------------------------

BUKET = "no Terraform up to 1.15 takes it; did you mean bucket?"


@pytest.mark.parametrize(
    ("values", "terraform", "text"),
    [
        *(({"buket": value}, TERRAFORM, f"s3.buket: {BUKET}") for value in ("x", None, "${a}")),
        (
            {"assume_role": {"role_arn": ROLE, "tagz": {"a": "b"}}},
            TERRAFORM,
            "s3.assume_role.tagz: no Terraform up to 1.15 takes it; did you mean assume_role.tags?",
        ),
        # Of what is in a parent that is rejected, nothing more is said.
        (
            {"use_lockfile": None, "dynamodb_table": "locks", "endpoints": {"sso": "${a}"}},
            OLDEST,
            "s3.endpoints: Terraform 1.5.7 does not take it, Terraform does since 1.6; write "
            "dynamodb_endpoint or endpoint or iam_endpoint or sts_endpoint, or use Terraform 1.6 "
            "or newer",
        ),
        # A newer Terraform may have it.
        ({"new": {"a": 1}}, NEWER, f"warning: s3.new: no Terraform up to 1.15 {LEAVE}"),
        (
            {"endpoints": {"new": "a"}},
            NEWER,
            f"warning: s3.endpoints.new: no Terraform up to 1.15 {LEAVE}",
        ),
        (
            {"lock_tags": {"a": "b"}},
            NEWER,
            "warning: s3.lock_tags: no Terraform takes it, OpenTofu does since 1.11; leave it out",
        ),
        (
            {"role_arn": ROLE},
            NEWER,
            "s3.role_arn: Terraform 1.99.0 does not take it, it was removed in Terraform 1.10; "
            "write assume_role.role_arn",
        ),
        ({"encrypt": "true"}, NEWER, "s3.encrypt: must be true or false, without quotes"),
        (
            {"force_path_style": True},
            TERRAFORM,
            "warning: s3.force_path_style: is deprecated since Terraform 1.6; write use_path_style",
        ),
        (
            {"endpoints": {"dynamodb": "a"}},
            TERRAFORM,
            "warning: s3.endpoints.dynamodb: is deprecated since Terraform 1.11; leave it out",
        ),
        *(
            ({name: None}, terraform, f"s3: {name} is missing; add it")
            for name in ("bucket", "key")
            for terraform in PRODUCTS
        ),
        *(
            (
                {"assume_role": nested},
                terraform,
                "s3.assume_role: assume_role.role_arn is missing; add it",
            )
            for nested in ({}, {"role_arn": None}, {"session_name": "ab"})
            for terraform in PRODUCTS
        ),
        (
            {WEB_IDENTITY: {}},
            TERRAFORM,
            f"s3.{WEB_IDENTITY}: {WEB_IDENTITY}.role_arn is missing; add it",
        ),
        *(
            ({"region": region}, TERRAFORM, "s3: region is missing; add it, or set AWS_REGION")
            for region in (None, "")
        ),
        *(
            ({"region": region}, TERRAFORM, "s3.region: must look like us-east-1")
            for region in ("us-east", "us-east-1a", "US-EAST-1", "us-east-1 ")
        ),
        ({"region": 5}, TERRAFORM, "s3.region: must be a string"),
        ({"assume_role": [{"role_arn": ROLE}]}, TERRAFORM, "s3.assume_role: must be an object"),
        ({"endpoints": {"s3": 5}}, None, "s3.endpoints.s3: must be a string"),
        *(
            ({"key": key}, TERRAFORM, "s3.key: must have no braces: only {stack} is replaced")
            for key in ("tap/{environment}", "a{b", "a}b", "{Stack}")
        ),
        ({"token": "a"}, TERRAFORM, f"warning: s3.token: {SECRET}"),
        ({"sse_customer_key": "a"}, TERRAFORM, f"warning: s3.sse_customer_key: {SECRET}"),
        (
            {WEB_IDENTITY: {"role_arn": ROLE, "web_identity_token": "a"}},
            TERRAFORM,
            f"warning: s3.{WEB_IDENTITY}.web_identity_token: {SECRET}",
        ),
    ],
)
def test_a_fault_is_reported_where_it_is(
    values: dict[str, Any], terraform: Terraform | None, text: str
) -> None:
    assert said(values, terraform) == [text]


@pytest.mark.parametrize(
    ("values", "terraform"),
    [
        *(({"//": {"a.b": "a comment, ${whatever} is in it"}}, each) for each in PRODUCTS),
        *(({WEB_IDENTITY: {}}, terraform) for terraform in (TOFU, None)),
        ({"assume_role": None}, TERRAFORM),
        ({"assume_role": {"role_arn": ROLE, "tags": {"a.b": "c"}}}, TERRAFORM),
        ({"region": "us-gov-west-1"}, TERRAFORM),
        ({"region": "us-east", "skip_region_validation": True}, TERRAFORM),
        *(({"use_lockfile": None, "dynamodb_table": "l"}, each) for each in (OLD, TOFU, None)),
        ({"dynamodb_table": "locks"}, TOFU),  # both ways of locking
    ],
)
def test_nothing_is_said_of_what_is_right(
    values: dict[str, Any], terraform: Terraform | None
) -> None:
    assert said(values, terraform) == []


def test_every_fault_is_reported_at_once() -> None:
    values = {"bucket": None, "key": "{a}", "encrypt": "yes", "profile": "${a}", "token": "a"}
    assert said({**values, "use_lockfile": False, "buket": "a"}) == [
        "s3.key: must have no braces: only {stack} is replaced",
        "s3.encrypt: must be true or false, without quotes",
        f"s3.profile: {TEMPLATE}",
        f"warning: s3.token: {SECRET}",
        f"s3.buket: {BUKET}",
        "s3: bucket is missing; add it",
        UNLOCKED + NEW_LOCK,
    ]


def test_the_environment_may_give_the_region() -> None:
    assert said({"region": None}, AWS_REGION="us-east-1") == []
    assert said({"region": ""}, AWS_DEFAULT_REGION="us-east-1") == []


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
def test_a_value_is_accepted_if_it_is_of_the_argument_s_type(
    data: st.DataObject, wanted: str, type_: str
) -> None:
    name, text = OF_TYPE[wanted]
    value = data.draw(VALUES[type_])
    if wanted == "object" and type_ == "map(string)":
        type_, value = "object", {}  # its names are judged, and not by their values' type
    is_right = type_ == wanted or (wanted, type_) == ("map(string)", "object")
    assert said({name: value}, TOFU) == ([] if is_right else [f"s3.{name}: {text}"])


def test_a_value_that_is_nearly_of_the_type_is_rejected() -> None:
    nearly = [
        *(("string", ["${a}"]), ("bool", 1), ("bool", "true"), ("number", -1), ("number", 5.0)),
        *(("number", True), ("set(string)", ["a", None]), ("map(string)", {"a": "b", "c": 1})),
    ]
    for type_, value in nearly:
        name, text = OF_TYPE[type_]
        assert said({name: value}, TOFU) == [f"s3.{name}: {text}"]


@pytest.mark.parametrize(
    ("place", "values"),
    [
        *((name, {name: "?"}) for name in ("bucket", "key", "region")),
        ("allowed_account_ids", {"allowed_account_ids": ["123456789012", "?"]}),
        ("state_tags", {"state_tags": {"a": "?"}}),
        ("endpoints.s3", {"endpoints": {"s3": "?"}}),
        ("assume_role.tags", {"assume_role": {"role_arn": ROLE, "tags": {"?": "a"}}}),
    ],
)
def test_what_is_not_literal_is_rejected_wherever_it_is(place: str, values: object) -> None:
    for sign, text in {"${a}": TEMPLATE, "%{ if": TEMPLATE, "{stack}": BAD_STACK}.items():
        filled = json.loads(json.dumps(values).replace("?", sign))
        assert said(filled, TOFU) == [f"s3.{place}: {text}"]


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
        found = said({name: "${a}"}, terraform, cli(name, "a"))
        assert found == [f"s3.{name}: {text}", f"cli: {text}"]
    assert said({"assume_role": {}, name: ROLE})[1:] == [
        "s3.assume_role: assume_role.role_arn is missing; add it"
    ]


# --- the command line lies over the block ------------------------------------------------


@pytest.mark.parametrize(
    ("values", "given", "faults"),
    [
        ({"bucket": 5}, [cli("bucket", "abc")], []),
        ({"token": "a"}, [cli("token", "a")], []),
        ({"encrypt": "yes"}, [Argument("cli", "encrypt", None)], []),
        ({"endpoints": {"s3": 5, "nonsense": "a"}}, [cli("endpoints", "{}")], []),
        (
            dict.fromkeys(SOUND),
            [cli(name, str(value).lower()) for name, value in SOUND.items()],
            [],
        ),
        ({}, [cli("access_key", "a"), cli("secret_key", "a")], []),
        *(
            ({}, [cli(one, "a")], [f"cli: needs {other} beside it; add that, or leave it out"])
            for one, other in (("access_key", "secret_key"), ("secret_key", "access_key"))
        ),
        ({}, [Argument("cli", "key", None)], ["s3: key is missing; add it"]),
        ({"buket": "c"}, [cli("buket", "a"), Argument("file", "buket", "b")], [f"file: {BUKET}"]),
        (
            {"assume_role": {"role_arn": ROLE}},
            [cli("assume_role", '{session_name = "ab"}')],
            ["cli: assume_role.role_arn is missing; add it"],
        ),
        *(
            ({}, [later], [UNLOCKED + NEW_LOCK])
            for later in (Argument("cli", "use_lockfile", None), cli("use_lockfile", "false"))
        ),
    ],
)
def test_of_two_arguments_with_one_name_the_later_one_counts(
    values: dict[str, Any], given: list[Argument], faults: list[str]
) -> None:
    assert said(values, TERRAFORM, *given) == faults


def test_both_halves_of_a_pair_of_keys_in_the_file_are_secrets() -> None:
    assert said({"access_key": "a", "secret_key": "a"}) == [
        f"warning: s3.access_key: {SECRET}",
        f"warning: s3.secret_key: {SECRET}",
    ]


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
        assert repr(values_of([cli(name, text)])) == repr({name: value})


# The last three are digits elsewhere: five in Arabic and Devanagari, and a squared two.
@given(st.integers().map(str) | st.text(st.sampled_from("0123456789 +-_.ex\n\u0665\u096b\u00b2")))
def test_text_becomes_a_number_if_it_is_one_to_nine_ascii_digits(text: str) -> None:
    is_number = 1 <= len(text) <= 9 and set(text) <= set(string.digits)
    found = values_of([cli("max_retries", text)])
    assert found == {"max_retries": int(text) if is_number else text}


def test_the_last_value_counts_with_all_that_is_nested_in_it() -> None:
    arguments = [
        Argument("here", "endpoints", {"s3": "a", "sts": "b"}),
        cli("endpoints", '{s3 = "c"}'),
        Argument("there", "endpoints.s3", "d"),
        Argument("here", "state_tags", {"a": "b"}),
        Argument("here", "encrypt", "true"),
        cli("shared_config_files", "null"),
        Argument("here", "key", None),
        Argument("here", "//", "a comment"),
    ]
    assert values_of(arguments) == {
        "endpoints": {"s3": "c"},
        "endpoints.s3": "c",
        "state_tags": {"a": "b"},
        "encrypt": "true",
    }
