from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from lib.deploy.preflight.asking import asking, connect
from lib.deploy.preflight.finding import Finding, error, warning
from lib.formats.errors import CliError
from tests.unit.preflight.account import DENIED, refusal


def test_a_client_gives_up_soon() -> None:
    config = connect("s3", "eu-west-1", s3={"addressing_style": "path"}).meta.config
    assert (config.connect_timeout, config.read_timeout) == (3, 5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert config.s3["addressing_style"] == "path"


def test_an_endpoint_that_is_none_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:4566")
    with pytest.raises(CliError, match="AWS_ENDPOINT_URL is written like http://127"):
        connect("sts", "us-east-1")


def test_what_is_denied_without_being_known_here_is_called_by_its_operation() -> None:
    def look() -> list[Finding]:
        raise ClientError(refusal(DENIED), "ListThings")  # type: ignore[arg-type]  # a part

    assert asking("x", look) == [
        warning("x", "cannot be looked at: have ListThings allowed, or see to it yourself")
    ]


def test_what_fails_here_is_an_error() -> None:
    def look() -> list[Finding]:
        raise CliError("a reason")

    assert asking("x", look) == [error("x", "a reason")]
