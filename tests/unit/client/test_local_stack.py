"""When a command goes to the stack of ``make local``, and what it says then."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lib.client import session
from lib.client.local_stack import LOCK, LocalStack, stack_for, stack_in

STACK = LocalStack("http://127.0.0.1:4321", "eu-west-3", "dev", "me", "secret", 1, is_ready=True)
NO_CREDENTIALS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"),
    *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing leads to an account."""
    for name in NO_CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    in_folder = partial(stack_for, folder=tmp_path)
    monkeypatch.setattr(session, "stack_for", in_folder)
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[Path]:
    """It runs: its process holds the lock."""
    with (folder / LOCK).open("w") as file:
        file.write(STACK.as_json())
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def test_without_credentials_commands_go_to_the_running_stack_and_say_so(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with session.connected() as target:
        made = target.sqs.meta
    assert (made.endpoint_url, made.region_name) == (STACK.endpoint, STACK.region)
    assert target.table.meta.client.meta.endpoint_url == STACK.endpoint
    printed = capsys.readouterr()
    assert (printed.out, STACK.endpoint in printed.err, printed.err.count("\n")) == ("", True, 1)


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1"},
        {"AWS_PROFILE": "work"},
        {"AWS_ACCESS_KEY_ID": "an id", "AWS_SECRET_ACCESS_KEY": "a key"},
        {"AWS_ACCESS_KEY_ID": "an id without a key"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_whoever_names_an_account_or_an_endpoint_gets_it(
    running: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    assert stack_for("dev", {}, running) == STACK
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert stack_for("dev", variables, running) is None


def test_credentials_in_a_file_count_too(running: Path) -> None:
    (running / "AWS_SHARED_CREDENTIALS_FILE").write_text(
        "[default]\naws_access_key_id = an id\naws_secret_access_key = a key\n"
    )
    assert stack_for("dev", {}, running) is None


def test_another_environment_is_not_there(running: Path) -> None:
    assert stack_for("prod", {}, running) is None


def test_a_stack_that_is_still_deployed_is_not_used_yet(running: Path) -> None:
    (running / LOCK).write_text(replace(STACK, is_ready=False).as_json())
    assert stack_for("dev", {}, running) is None
    (running / LOCK).write_text("")
    assert stack_in(running) is None


def test_one_that_has_ended_is_not_used_whatever_it_left(folder: Path) -> None:
    assert stack_for("dev", {}, folder) is None
    (folder / LOCK).write_text(STACK.as_json())
    assert stack_for("dev", {}, folder) is None
