"""The embedded AWS: what it is started with, when it is ready, how it is reached."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from lib.formats.errors import LocalError
from lib.local import emulator as module
from lib.local.emulator import Emulator, running_emulator
from tests.unit.local.doubles import http_server, make_command

pytestmark = [pytest.mark.timeout(30), pytest.mark.loopback]

# Answers as MiniStack does, but for its first two words: nonsense, and that it is not healthy.
MINISTACK = """\
import http.server, json, os, sys
statuses = ["nonsense", 503, 200]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = statuses.pop(0) if self.path == "/_ministack/health" else 404
        if status == "nonsense":
            self.wfile.write(b"nonsense\\r\\n\\r\\n")
        else:
            self.send_response(status)
            self.end_headers()
address = os.environ["BIND_HOST"], int(os.environ["GATEWAY_PORT"])
with http.server.HTTPServer(address, Handler) as server:
    with open({record!r}, "w") as record:
        json.dump({{"environment": dict(os.environ), "folder": os.getcwd()}}, record)
    server.serve_forever()
"""


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The file in which the pretended MiniStack notes what it was started with."""
    return tmp_path / "record.json"


@pytest.fixture
def ministack(tmp_path: Path, record: Path) -> Path:
    return make_command(tmp_path / "ministack", MINISTACK.format(record=str(record)))


@pytest.fixture
def _a_users_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of a user's that would lead a client elsewhere."""
    file = tmp_path / "unreadable"
    file.write_text("this is no configuration file: whoever reads it, fails")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "THEIRS")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://theirs.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "https://theirs.example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def _a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is asked for everything and reaches nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def started_with(ministack: Path, record: Path) -> Any:
    """Start the pretended MiniStack and stop it; returns what it noted."""
    with running_emulator(ministack, "eu-central-1"):
        return json.loads(record.read_text())


def failure(executable: Path) -> str:
    with (
        pytest.raises(LocalError) as error,
        running_emulator(executable, "us-east-1"),
    ):
        pytest.fail("it is said to be healthy")
    return str(error.value)


def test_it_is_there_once_it_is_healthy_and_gone_afterwards(ministack: Path) -> None:
    with running_emulator(ministack, "us-east-1") as emulator:
        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen(emulator.endpoint)
        answer.value.close()
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(emulator.endpoint)


@pytest.mark.usefixtures("_a_proxy")
def test_a_proxy_is_not_asked_for_its_health(ministack: Path) -> None:
    with running_emulator(ministack, "us-east-1") as emulator:
        assert emulator.endpoint.startswith("http://127.0.0.1:")


def test_it_sees_nothing_of_the_callers_environment(
    ministack: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hush-hush")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hush-hush")
    monkeypatch.setenv("PATH", "/hush-hush")
    assert "hush-hush" not in json.dumps(started_with(ministack, record))


def test_it_is_told_its_region_and_credentials_that_are_none(ministack: Path, record: Path) -> None:
    environment = started_with(ministack, record)["environment"]
    assert environment["MINISTACK_REGION"] == "eu-central-1"
    assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) == (
        "test",
        "test",
    )


def test_it_is_bound_to_this_machine_and_opens_no_other_port(ministack: Path, record: Path) -> None:
    environment = started_with(ministack, record)["environment"]
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["IOT_MTLS_ENABLED"] == "0"


def test_its_folders_are_its_own_and_are_gone_afterwards(ministack: Path, record: Path) -> None:
    started = started_with(ministack, record)
    environment = started["environment"]
    folders = [started["folder"], environment["HOME"], environment["TMPDIR"]]
    assert [folder for folder in folders if Path(folder).exists()] == []


def test_one_that_ends_at_once_is_told_by_its_last_line(tmp_path: Path) -> None:
    code = "print('starting', flush=True); raise SystemExit('the port is taken')"
    assert (
        failure(make_command(tmp_path / "ministack", code))
        == "the embedded AWS did not start: the port is taken"
    )


class Slow:
    """A command that has ended, and whose output is still being read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def has_ended(self) -> bool:
        return True

    def wait(self) -> None:
        self.lines.append("the port is taken")


def test_the_last_line_of_one_that_has_ended_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "supervised", lambda *_: nullcontext(Slow()))
    assert failure(tmp_path) == "the embedded AWS did not start: the port is taken"


def test_one_that_is_not_healthy_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 0)
    executable = make_command(tmp_path / "ministack", "import time; time.sleep(60)")
    assert failure(executable) == "the embedded AWS did not start: it printed nothing"


def test_one_that_enforces_policies_speaks_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def supervised(*arguments: Any) -> Any:
        given.extend(arguments)
        return nullcontext()

    monkeypatch.setattr(module, "supervised", supervised)
    monkeypatch.setattr(module, "_await_health", lambda *_: None)
    with running_emulator(tmp_path, "us-east-1", enforces_policies=True) as emulator:
        _, environment, folder = given
        assert (environment["AUTH"], environment["USE_SSL"]) == ("true", "1")
        assert emulator.endpoint.startswith("https://127.0.0.1:")
        assert emulator.certificate == str(folder / "ministack-tls" / "server.crt")
        assert emulator.variables["AWS_CA_BUNDLE"] == emulator.certificate


def test_a_client_may_be_somebody_elses() -> None:
    emulator = Emulator("http://127.0.0.1:4566", "us-east-1", access_key_id="210987654321")
    assert emulator.variables["AWS_ACCESS_KEY_ID"] == "210987654321"
    url = emulator.client("sqs").generate_presigned_url("list_queues")
    assert "Credential=210987654321%2F" in url


@pytest.mark.usefixtures("_a_users_settings")
def test_a_client_looks_at_none_of_the_users_settings() -> None:
    client = Emulator("http://127.0.0.1:4566", "us-east-1").client("sqs")
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert client.meta.region_name == "us-east-1"


@pytest.mark.usefixtures("_a_users_settings")
def test_a_client_signs_with_credentials_that_are_none() -> None:
    client = Emulator("http://127.0.0.1:4566", "us-east-1").client("sqs")
    assert "Credential=test%2F" in client.generate_presigned_url("list_queues")


@pytest.mark.usefixtures("_a_proxy")
def test_a_client_asks_no_proxy() -> None:
    with http_server(200, b'{"QueueUrls": []}') as url:
        assert Emulator(url, "us-east-1").client("sqs").list_queues()["QueueUrls"] == []
