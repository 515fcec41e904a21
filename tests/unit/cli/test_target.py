from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound

from lib.client.target import Target
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.shapes import SHAPES

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def _no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def configuration(folder: Path, region: str) -> Path:
    path = folder / "cdktf.json"
    context = {"common": {"region": region}, "environments": {"dev": {}}}
    path.write_text(json.dumps({"context": context}))
    return path


@pytest.mark.parametrize(
    ("option", "variable", "environment"),
    [
        (None, None, "dev"),
        (None, "", "dev"),
        (None, "prod", "prod"),
        ("dev", "prod", "dev"),
    ],
)
def test_the_environment_is_the_options_then_the_variables_then_dev(
    monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str | None, environment: str
) -> None:
    if variable is not None:
        monkeypatch.setenv("TAP_ENVIRONMENT", variable)
    target = Target(option)
    assert (target.environment, target.names.stack) == (environment, f"tap-{environment}")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.usefixtures("_no_region")
def test_the_region_is_that_of_the_environment_variables(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "eu-west-1")
    assert Target().region == "eu-west-1"


@pytest.mark.usefixtures("_no_region")
def test_the_region_is_that_of_the_profile_if_no_variable_names_one(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-west-2\n")
    assert Target("dev", configuration(tmp_path, "eu-west-3")).region == "eu-west-2"


@pytest.mark.usefixtures("_no_region")
def test_the_region_is_that_of_the_settings_if_nothing_else_names_one(tmp_path: Path) -> None:
    assert Target("dev", configuration(tmp_path, "eu-west-3")).region == "eu-west-3"


def test_the_region_may_be_chosen_whatever_the_variables_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Target(region="eu-west-2").region == "eu-west-2"


@pytest.mark.usefixtures("_no_region")
def test_the_settings_are_those_of_the_project() -> None:
    assert Target().region == "us-east-1"


@pytest.mark.usefixtures("_no_region")
def test_without_any_region_an_error_says_where_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(
        CliError, match=r"no AWS region is set \(AWS_REGION\), and cdktf.json: .*region"
    ):
        _ = Target("dev", configuration(tmp_path, "nowhere")).region


@pytest.mark.parametrize("name", ["nope", ""])
def test_only_the_environments_of_the_project_are_known(name: str) -> None:
    with pytest.raises(WrongUsage) as refusal:
        Target(name)
    assert str(refusal.value) == (
        f"there is no environment {name!r}: name dev or prod (--environment, TAP_ENVIRONMENT)"
    )


def test_without_a_configuration_an_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"^cdktf.json: "):
        Target("dev", tmp_path / "cdktf.json")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4566", "http://127.0.0.1:99999"])
@pytest.mark.parametrize("part", ["sqs", "functions", "table"])
def test_an_endpoint_that_is_none_is_told_of(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, part: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(CliError, match=r": AWS_ENDPOINT_URL is written like http://127.0.0.1:4566"):
        getattr(Target(), part)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.usefixtures("_no_region")
def test_a_region_that_is_none_is_not_taken_for_an_endpoint(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "us east 1")
    with pytest.raises(BotoCoreError, match="us east 1"):
        _ = Target().sqs


class _Stranger(BaseHTTPRequestHandler):
    """Answers everything with a page."""

    status = HTTPStatus.OK

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html>Welcome!</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.loopback
def test_a_gateway_in_trouble_is_not_taken_for_a_stranger(
    monkeypatch: pytest.MonkeyPatch, stranger: str
) -> None:
    monkeypatch.setattr(_Stranger, "status", HTTPStatus.SERVICE_UNAVAILABLE)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", stranger)
    target = Target()
    with pytest.raises(ClientError) as error:
        _ = target.queue_url
    assert str(target.explained(error.value)).endswith("(503): try again in a minute")


@pytest.mark.loopback
def test_an_answer_that_is_not_of_aws_is_told_of(
    monkeypatch: pytest.MonkeyPatch, stranger: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stranger)
    target = Target()
    asked: list[Callable[[], object]] = [target.table.scan, lambda: target.queue_url]
    for ask in asked:
        with pytest.raises(CliError, match=rf"^what answers at {stranger} is not AWS: check"):
            ask()


def test_the_table_and_the_queues_are_those_of_the_environment(
    target: Target, queue_url: str, dlq_url: str
) -> None:
    assert target.table.name == "tap-test-alerts"
    assert (target.queue_url, target.dead_letter_queue_url) == (queue_url, dlq_url)


def test_every_client_is_of_the_targets_region_and_made_once(target: Target) -> None:
    clients: list[Any] = [target.table.meta.client, target.sqs, target.functions]
    assert {client.meta.region_name for client in clients} == {"us-east-1"}
    assert target.functions is target.functions


def test_the_endpoint_is_that_of_the_environment_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert Target().sqs.meta.endpoint_url == "http://127.0.0.1:4566"


def test_making_a_target_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(boto3, "Session")
    assert Target("dev").names.table == "tap-dev-alerts"


def test_a_stack_that_is_not_there_is_missed_by_its_name(target: Target) -> None:
    with pytest.raises(ClientError) as error:
        _ = target.queue_url
    assert str(target.explained(error.value)).startswith("there is no stack tap-test in us-east-1")


def test_a_profile_that_is_not_there_is_missed_before_a_region_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    target = Target()
    with pytest.raises(ProfileNotFound) as error:
        _ = target.sqs
    assert "no-such-profile" in str(target.explained(error.value))


def test_shapes_of_the_settings_come_before_those_that_are_built_in(tmp_path: Path) -> None:
    path = configuration(tmp_path, "eu-west-3")
    document = json.loads(path.read_text())
    pulse = {"when": {"kind": "pulse"}, "skip": True}
    document["context"].setdefault("common", {})["shapes"] = {"mine": pulse}
    path.write_text(json.dumps(document))
    own, *others = Target("dev", path).shapes
    assert (own.name, tuple(others)) == ("mine", SHAPES)


def test_with_settings_that_are_wrong_the_shapes_are_those_that_are_built_in(
    tmp_path: Path,
) -> None:
    assert Target("dev", configuration(tmp_path, "nowhere")).shapes == SHAPES


def test_queues_that_keep_an_order_are_found_as_well(target: Target) -> None:
    urls = tuple(
        target.sqs.create_queue(
            QueueName=f"tap-test-{name}.fifo", Attributes={"FifoQueue": "true"}
        )["QueueUrl"]
        for name in ("prices", "prices-dlq")
    )
    assert (target.queue_url, target.dead_letter_queue_url) == urls
