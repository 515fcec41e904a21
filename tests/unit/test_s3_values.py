"""What the value of one argument of an S3 backend must be like: its type, its form, its braces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.s3_block import BAD_STACK, MUST_BE, OF_TYPE, ROLE, TEMPLATE, TERRAFORM, complaints

KEY_ID = "01234567-89ab-4def-8123-456789abcdef"
NO_VERSION = "01234567-89ab-6def-8123-456789abcdef"
NO_VARIANT = "01234567-89ab-4def-7123-456789abcdef"
BUCKET = "must be a bucket's name, 3 to 63 of a-z 0-9 - . alone, or the ARN of an access point"
PATH = (
    "must be a path that neither begins nor ends with /, without //, backslashes and braces; "
    "of braces, only {stack} is replaced"
)
PREFIX = "must be a path that neither begins nor ends with /"
KMS = "must be a key's id, alias/<name>, or the ARN of one"
ACCOUNTS = "must be account ids of twelve digits"
ROLE_S_ARN = "must be a role's ARN, arn:aws:iam::<account>:role/<name>"


# --- types -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *(("string", ""), ("string", "true"), ("string", "5")),
        *(("bool", True), ("bool", False)),
        *(("number", 0), ("number", 5)),
        *(("set(string)", []), ("set(string)", ["a", "b"])),
        *(("map(string)", {}), ("map(string)", {"a": "b"})),
        *(("object", {}), ("object", {"s3": "https://s3.example.com"})),
    ],
)
def test_a_value_of_the_right_type_is_taken(type_: str, value: object) -> None:
    assert complaints(OF_TYPE[type_], value) == []


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *(("string", True), ("string", 5), ("string", ["${a}"]), ("string", {})),
        *(("bool", wrong) for wrong in ("true", "", 1, 0, [True])),
        *(("number", wrong) for wrong in (True, False, "5", 5.0, -1, [5])),
        *(("set(string)", wrong) for wrong in ("a", {"a": "b"}, [1], ["a", None], [["a"]])),
        *(("map(string)", wrong) for wrong in ("a", ["a"], {"a": 1}, {"a": "b", "c": None})),
        *(("object", wrong) for wrong in ("a", ["a"], [{"s3": "a"}], True)),
    ],
)
def test_a_value_of_another_type_is_refused(type_: str, value: object) -> None:
    assert complaints(OF_TYPE[type_], value) == [f"here: {MUST_BE[type_]}"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("endpoints", {"s3": 5}, "here.s3: must be a string"),
        (
            "assume_role",
            {"role_arn": ROLE, "tags": ["a"]},
            "here.tags: must be an object of strings",
        ),
    ],
)
def test_a_nested_value_of_another_type_is_refused_in_its_place(
    name: str, value: object, text: str
) -> None:
    assert complaints(name, value) == [text]


def test_a_type_is_checked_without_a_terraform_too() -> None:
    assert complaints("encrypt", "true", None) == ["here: must be true or false, without quotes"]


# --- ${…}, %{…} and {stack} --------------------------------------------------------------


@pytest.mark.parametrize("template", ["${var.a}", "a%{ if b }c", "$${a}", "a${"])
@pytest.mark.parametrize(
    ("name", "where", "wrap"),
    [
        ("bucket", "here", lambda text: text),
        ("key", "here", lambda text: f"a/{text}"),
        ("profile", "here", lambda text: text),
        ("allowed_account_ids", "here", lambda text: ["123456789012", text]),
        ("state_tags", "here", lambda text: {"a": text}),
        ("state_tags", "here", lambda text: {text: "a"}),
        ("endpoints", "here.s3", lambda text: {"s3": text}),
        ("assume_role", "here.tags", lambda text: {"role_arn": ROLE, "tags": {text: "a"}}),
        ("assume_role", "here.policy_arns", lambda text: {"role_arn": ROLE, "policy_arns": [text]}),
    ],
)
def test_a_template_is_refused_wherever_it_stands(
    name: str, where: str, wrap: Any, template: str
) -> None:
    assert complaints(name, wrap(template)) == [f"{where}: {TEMPLATE}"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("key", "${a}"), ("shared_config_files", '["${a}"]')],
)
def test_a_template_on_the_command_line_is_refused(name: str, text: str) -> None:
    assert complaints(name, text, is_text=True) == [f"here: {TEMPLATE}"]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("key", "tap/{stack}.tfstate", "here"),
        ("bucket", "{stack}", "here"),
        ("profile", "{stack}", "here"),
        ("state_tags", '{a = "{stack}"}', "here"),
        ("state_tags", '{"{stack}" = "a"}', "here"),
        ("endpoints", '{s3 = "{stack}"}', "here.s3"),
    ],
)
def test_the_stack_s_name_cannot_be_left_to_the_command_line(
    name: str, text: str, where: str
) -> None:
    assert complaints(name, text, is_text=True) == [f"{where}: {BAD_STACK}"]


@pytest.mark.parametrize("value", ["$a", "%a", "{a}", "$ {a}", "a$", "{Stack}"])
def test_other_signs_are_taken_where_any_text_may_stand(value: str) -> None:
    assert complaints("profile", value) == []


# --- forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("bucket", value)
            for value in ("abc", "my-bucket.1", "My_Old", "a" * 255, "arn:aws:s3:::b")
        ),
        *(("key", value) for value in ("k", "tap/tap-dev.tfstate", "a/b/c", "a b", "ä")),
        *(("workspace_key_prefix", value) for value in ("", "env", "a/b", "a//b", "{a}")),
        *(
            ("kms_key_id", value)
            for value in (KEY_ID, "mrk-" + "0a" * 16, "alias/a", "alias/a/b-c_1")
        ),
        ("kms_key_id", f"arn:aws:kms:us-east-1:123456789012:key/{KEY_ID}"),
        ("kms_key_id", f"arn:aws:kms:us-east-1:123456789012:key/mrk-{'0a' * 16}"),
        ("kms_key_id", "arn:aws-cn:kms:cn-north-1:123456789012:alias/a"),
        *(("sse_customer_key", value) for value in ("A" * 43 + "=", "Ab1+/" * 8 + "AAA=")),
        *(("retry_mode", value) for value in ("standard", "adaptive")),
        *(("ec2_metadata_service_endpoint_mode", value) for value in ("IPv4", "IPv6")),
        *(("allowed_account_ids", value) for value in ([], ["123456789012", "000000000000"])),
        ("forbidden_account_ids", ["123456789012"]),
        ("assume_role", {"role_arn": ROLE}),
        ("assume_role", {"role_arn": "arn:aws-us-gov:iam::123456789012:role/path/deploy"}),
        ("assume_role_with_web_identity", {"role_arn": ROLE, "web_identity_token": "a"}),
    ],
)
def test_a_value_of_the_right_form_is_taken(name: str, value: object) -> None:
    assert complaints(name, value) == []


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        *(
            ("bucket", value, BUCKET)
            for value in (
                "",
                "ab",
                "a" * 256,
                "a b c",
                "abc\n",
                "{abc}",
                "abc}",
                "a/b",
                "äbc",
                "arn:",
            )
        ),
        *(("key", value, PATH) for value in ("", "/", "/a", "a/", "a//b", "a\\b", "a{b", "a}b")),
        *(("key", value, PATH) for value in ("a ", "a\n", "a\n//b", "\\", "{environment}")),
        *(("workspace_key_prefix", value, PREFIX) for value in ("/", "/a", "a/", "a\n/")),
        *(("kms_key_id", value, KMS) for value in ("", KEY_ID[1:], KEY_ID.upper(), "alias/", "a")),
        *(("kms_key_id", value, KMS) for value in (NO_VERSION, NO_VARIANT)),
        *(("kms_key_id", value, KMS) for value in ("mrk-", "key/" + KEY_ID, f"{KEY_ID}\n")),
        ("kms_key_id", "arn:aws:kms:us-east-1:12345678901:alias/a", KMS),
        ("kms_key_id", f"arn:aws:kms:us-east-1:123456789012:{KEY_ID}", KMS),
        ("kms_key_id", f"arn:aws:s3:us-east-1:123456789012:key/{KEY_ID}", KMS),
        *(
            ("sse_customer_key", value, "must be 256 bits in base64: 44 characters")
            for value in ("", "A" * 43, "A" * 44, "A" * 42 + "=", "A" * 42 + "-=")
        ),
        *(
            ("retry_mode", value, "must be standard or adaptive")
            for value in ("", "legacy", "Standard", "adaptive ")
        ),
        *(
            ("ec2_metadata_service_endpoint_mode", value, "must be IPv4 or IPv6")
            for value in ("", "ipv4", "IPv5")
        ),
        *(("allowed_account_ids", value, ACCOUNTS) for value in (["12345678901"], ["1" * 13])),
        ("forbidden_account_ids", ["12345678901x"], ACCOUNTS),
    ],
)
def test_a_value_of_another_form_is_refused(name: str, value: object, text: str) -> None:
    assert complaints(name, value) == [f"here: {text}"]


@pytest.mark.parametrize("parent", ["assume_role", "assume_role_with_web_identity"])
@pytest.mark.parametrize(
    "value",
    [
        *("", "deploy", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:user/a"),
        *("arn:aws:iam::12345678901:role/a", "arn:aws:sts::123456789012:role/a"),
    ],
)
def test_a_nested_value_of_another_form_is_refused_in_its_place(parent: str, value: str) -> None:
    assert complaints(parent, {"role_arn": value}) == [f"here.role_arn: {ROLE_S_ARN}"]


def test_a_form_is_checked_for_what_comes_from_the_command_line_too() -> None:
    assert complaints("retry_mode", "legacy", is_text=True) == [
        "here: must be standard or adaptive"
    ]


def test_each_text_of_another_form_is_refused() -> None:
    assert complaints("allowed_account_ids", ["1", "123456789012", "2"]) == [
        f"here: {ACCOUNTS}",
        f"here: {ACCOUNTS}",
    ]


def test_a_list_without_quotes_on_the_command_line_is_none() -> None:
    assert complaints("shared_config_files", "[a.b]", is_text=True) == [
        "here: must be a list of strings"
    ]


# --- of a role, and of the metadata service ----------------------------------------------

Forms = dict[str, tuple[str, list[object], list[object]]]
OF_A_ROLE: Forms = {
    "duration": (
        "must be a duration, as in 1h30m",
        ["15m", "1h30m", "3600s", "1.5h"],
        ["", "1", "3600", "1d", "h", "1h ", "-1h", "1.h", "1h\n", "one hour"],
    ),
    "policy": (
        "must be a policy as JSON",
        ['{"Version": "2012-10-17"}', " {\n} \n", "{}"],
        ["", "a", "[]", "file.json", "{", "}", "{} a"],
    ),
    "policy_arns": (
        "must be the ARNs of policies",
        [
            [],
            ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-cn:iam::123456789012:policy/a/b"],
        ],
        [["a"], [ROLE], ["arn:aws:iam::aws:policy/"], ["arn:aws:iam::12345678901:policy/a"]],
    ),
    "session_name": (
        "must be 2 to 64 letters, digits or +=,.@-",
        ["ab", "a" * 64, "me@example.com", "a+b=c,d.e_f-1"],
        ["", "a", "a" * 65, "a b", "a/b", "ab\n", "a:b", "éé"],
    ),
}
OF_AN_ASSUMED_ROLE: Forms = {
    "external_id": (
        "must be 2 to 1,224 letters, digits or +=,.@:/-",
        ["ab", "a" * 1224, "a:b/c", "a+b=c,d.e@f_g-1"],
        ["", "a", "a" * 1225, "a b", "ab\n", "éé"],
    ),
    "source_identity": OF_A_ROLE["session_name"],
}
PARENTS: dict[str, Forms] = {
    "assume_role": {**OF_A_ROLE, **OF_AN_ASSUMED_ROLE},
    "assume_role_with_web_identity": OF_A_ROLE,
}


def of_a_role(parent: str, name: str, value: object) -> list[str]:
    """What is said of one argument of a role."""
    token = {} if parent == "assume_role" else {"web_identity_token": "a"}
    # Not every OpenTofu takes all of them.
    return complaints(parent, {"role_arn": ROLE, **token, name: value}, TERRAFORM)


@pytest.mark.parametrize(
    ("parent", "name", "value"),
    [
        (parent, name, value)
        for parent, names in PARENTS.items()
        for name, (_, good, _) in names.items()
        for value in good
    ],
)
def test_an_argument_of_a_role_of_the_right_form_is_taken(
    parent: str, name: str, value: object
) -> None:
    assert of_a_role(parent, name, value) == []


@pytest.mark.parametrize(
    ("parent", "name", "value", "text"),
    [
        (parent, name, value, text)
        for parent, names in PARENTS.items()
        for name, (text, _, bad) in names.items()
        for value in bad
    ],
)
def test_an_argument_of_a_role_of_another_form_is_refused(
    parent: str, name: str, value: object, text: str
) -> None:
    assert of_a_role(parent, name, value) == [f"here.{name}: {text}"]


@pytest.mark.parametrize("value", ["http://169.254.169.254", "https://[fd00:ec2::254]/"])
def test_the_metadata_service_is_at_a_url(value: str) -> None:
    assert complaints("ec2_metadata_service_endpoint", value) == []


@pytest.mark.parametrize("value", ["", "169.254.169.254", "http://", "ftp://a", "http://a b"])
def test_the_metadata_service_is_at_nothing_else(value: str) -> None:
    assert complaints("ec2_metadata_service_endpoint", value) == ["here: must be a URL"]
