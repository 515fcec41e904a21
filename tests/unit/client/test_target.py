"""Which stack a command manages, and what its errors mean."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from lib.client.errors import explained
from lib.client.local_stack import LocalStack
from lib.client.target import Target
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.shapes import SHAPES
from tests.unit.client.doubles import refusal


def configuration(folder: Path, region: str) -> Path:
    path = folder / "cdktf.json"
    pulse = {"when": {"kind": "pulse"}, "skip": True}
    common = {"region": region, "shapes": {"mine": pulse}}
    path.write_text(json.dumps({"context": {"common": common, "environments": {"dev": {}}}}))
    return path


@pytest.mark.parametrize(
    ("option", "variable", "environment"),
    [(None, None, "dev"), (None, "", "dev"), (None, "prod", "prod"), ("dev", "prod", "dev")],
)
def test_the_environment_is_the_option_then_the_variable_then_dev(
    monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str | None, environment: str
) -> None:
    monkeypatch.delattr(boto3, "Session")  # nothing is asked of AWS
    if variable is not None:
        monkeypatch.setenv("TAP_ENVIRONMENT", variable)
    target = Target(option)
    assert (target.environment, target.names.table) == (environment, f"tap-{environment}-alerts")


def test_an_unknown_environment_is_rejected(tmp_path: Path) -> None:
    for name in ("nope", ""):
        with pytest.raises(WrongUsage) as error:
            Target(name)
        assert str(error.value) == (
            f"there is no environment {name!r}: name dev or prod (--environment, TAP_ENVIRONMENT)"
        )
    with pytest.raises(CliError, match=r"^cdktf.json: "):
        Target("dev", tmp_path / "cdktf.json")


@pytest.mark.parametrize(
    ("variables", "profile", "settings", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-9"}, "", "x", "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-2", "eu-west-3", "eu-west-1"),
        ({}, "eu-west-2", "eu-west-3", "eu-west-2"),
        ({}, "", "eu-west-3", "eu-west-3"),
        ({}, "", None, "us-east-1"),
        ({}, "", "nowhere", None),
    ],
)
def test_the_region_is_the_variables_then_the_profiles_then_the_settings(  # noqa: PLR0917  # fixtures
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    profile: str,
    settings: str | None,
    region: str | None,
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").write_text(f"[default]\nregion = {profile}\n" if profile else "")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    target = Target("dev", configuration(tmp_path, settings)) if settings else Target()
    if region:
        assert target.region == region
        assert Target(region="eu-north-1").region == "eu-north-1"
    else:
        with pytest.raises(
            CliError, match=r"no AWS region is set \(AWS_REGION\), and cdktf.json: "
        ):
            _ = target.region


def test_shapes_of_the_settings_come_before_the_built_in_ones(tmp_path: Path) -> None:
    own, *others = Target("dev", configuration(tmp_path, "eu-west-3")).shapes
    assert (own.name, tuple(others)) == ("mine", SHAPES)
    assert Target("dev", configuration(tmp_path, "nowhere")).shapes == SHAPES  # it is wrong


@pytest.mark.parametrize("part", ["sqs", "table"])
@pytest.mark.parametrize("endpoint", ["127.0.0.1:4566", "http://127.0.0.1:99999"])
def test_a_wrong_endpoint_is_named(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, part: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(CliError, match=r": AWS_ENDPOINT_URL is written like http://127.0.0.1:4566"):
        getattr(Target(), part)


def test_a_wrong_region_is_not_taken_for_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us east 1")
    with pytest.raises(BotoCoreError, match="us east 1"):
        _ = Target().sqs


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("status", "what"),
    [
        (HTTPStatus.OK, "what answers at {} is not AWS: check AWS_ENDPOINT_URL"),
        (HTTPStatus.SERVICE_UNAVAILABLE, r"AWS is throttling \w+ \(503\): try again in a minute"),
    ],
)
def test_a_page_is_no_answer_of_aws(
    monkeypatch: pytest.MonkeyPatch, status: HTTPStatus, what: str
) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>Welcome!</html>")

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        target = Target()
        asked: list[Callable[[], object]] = [target.table.scan, lambda: target.queue_url]
        for ask in asked:
            with pytest.raises((CliError, ClientError)) as raised:
                ask()
            error = raised.value
            said = str(target.explained(error) if isinstance(error, ClientError) else error)
            assert re.match(what.format(url), said)
        server.shutdown()


@pytest.mark.parametrize("end", ["", ".fifo"])
def test_the_parts_of_a_stack_are_found_in_its_region(target: Target, end: str) -> None:
    with pytest.raises(ClientError) as error:
        _ = target.queue_url
    assert str(target.explained(error.value)).startswith("there is no stack tap-test in us-east-1")
    attributes: Any = {"FifoQueue": "true"} if end else {}
    urls = tuple(
        target.sqs.create_queue(QueueName=f"tap-test-{name}{end}", Attributes=attributes)[
            "QueueUrl"
        ]
        for name in ("prices", "prices-dlq")
    )
    assert (target.queue_url, target.dead_letter_queue_url) == urls
    assert target.table.name == "tap-test-alerts"
    clients: list[Any] = [target.table.meta.client, target.sqs, target.functions, target.topics]
    assert {client.meta.region_name for client in clients} == {"us-east-1"}
    assert target.functions is target.functions


def test_a_missing_profile_is_named_before_a_region_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    target = Target()
    with pytest.raises(ProfileNotFound) as error:
        _ = target.sqs
    assert "no-such-profile" in str(target.explained(error.value))


def test_a_stack_that_is_missing_where_another_region_is_named_is_said_to_be_elsewhere(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(ClientError) as error:
        _ = target.queue_url
    assert str(target.explained(error.value)) == (
        "there is no stack tap-test in eu-west-1, which AWS_REGION or the profile names; test is "
        "in us-east-1: add --region us-east-1"
    )


@pytest.mark.parametrize(
    ("more", "local", "levels"),
    [
        ({}, None, (Decimal(150),)),
        ({"no_such": 1}, None, None),
        ({}, LocalStack("", "", "test", "", "", 1), None),  # it is deployed without
    ],
)
def test_the_stacks_own_rule_is_that_of_the_settings(
    tmp_path: Path, more: dict[str, int], local: LocalStack | None, levels: object
) -> None:
    settings = {"region": "us-east-1", "high_price_threshold": 150, **more}
    file = tmp_path / "cdktf.json"
    file.write_text(json.dumps({"context": {"environments": {"test": settings}}}))
    target = Target("test", file)
    target.local = local
    rule = target.high_price_rule
    assert (rule and rule.terms.levels) == levels


# --- what errors mean --------------------------------------------------------------------

NO_STACK = "there is no stack tap-dev in us-east-1: make deploy ENV=dev, or name another with --env"
EXPIRED = "the AWS credentials have expired: log in again (aws sso login), or set new keys"
UNKNOWN = "AWS does not know these credentials: check AWS_PROFILE, or the keys"
DENIED = "the AWS credentials do not allow {}: use others, or ask for the permission"
BUSY = "AWS is throttling Scan ({}): try again in a minute"


@pytest.mark.parametrize(
    ("codes", "message", "line"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist", "", NO_STACK),
        ("ResourceNotFoundException TableNotFoundException 404 NotFound", "", NO_STACK),
        ("ExpiredToken ExpiredTokenException RequestExpired", "", EXPIRED),
        ("InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException", "", UNKNOWN),
        ("InvalidAccessKeyId MissingAuthenticationToken", "", UNKNOWN),
        (
            "AccessDenied",
            "User: a is not authorized to perform: sqs:x on r",
            DENIED.format("sqs:x"),
        ),
        ("AccessDeniedException UnauthorizedOperation 403", "Access denied", DENIED.format("Scan")),
        ("ThrottlingException", "", BUSY.format("ThrottlingException")),
        ("RequestLimitExceeded", "", BUSY.format("RequestLimitExceeded")),
        ("TooLong", "Too\nlong", "AWS rejected Scan: Too long"),
        ("TooLong", "", "AWS rejected Scan: TooLong"),
    ],
)
def test_an_error_of_aws_says_what_to_do(codes: str, message: str, line: str) -> None:
    for code in codes.split():
        error = ClientError(refusal(code, message), "Scan")  # type: ignore[arg-type]  # a part
        said = str(explained(error, "dev", "us-east-1"))
        assert said.startswith(line)
        assert line in {said, NO_STACK}


def test_a_failure_inside_aws_is_to_be_tried_again() -> None:
    error = ClientError(refusal("InternalFailure", status=500), "Scan")  # type: ignore[arg-type]  # a part
    assert str(explained(error, "dev", "us-east-1")) == BUSY.format("InternalFailure")


ADDRESS = {"endpoint_url": "http://127.0.0.1:1/"}
NONE, AGAIN = "no AWS credentials: set AWS_PROFILE, log in", "the AWS credentials are not availa"
UNREACHABLE = "AWS cannot be reached: check the network and AWS_ENDPOINT_URL"


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (NoCredentialsError(), NONE),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), NONE),
        (CredentialRetrievalError(provider="custom-process", error_msg="exit 1"), AGAIN),
        (SSOTokenLoadError(error_msg="x"), AGAIN),
        (UnauthorizedSSOTokenError(), AGAIN),
        (TokenRetrievalError(provider="sso", error_msg="x"), AGAIN),
        (
            ProfileNotFound(profile="p"),
            "The config profile (p) could not be found: set AWS_PROFILE",
        ),
        (EndpointConnectionError(**ADDRESS), UNREACHABLE),
        (ConnectTimeoutError(**ADDRESS), UNREACHABLE),
        (ReadTimeoutError(**ADDRESS), UNREACHABLE),
        (ResponseParserError("no XML"), "what answers is not AWS: check AWS_ENDPOINT_URL"),
        (ParamValidationError(report="a\nb"), "Parameter validation failed: a b"),
    ],
)
def test_a_failure_to_ask_aws_says_what_to_do(
    error: BotoCoreError | ResponseParserError, beginning: str
) -> None:
    said = str(explained(error, "dev", ""))
    assert said.startswith(beginning)
    assert "\n" not in said
