"""The embedded AWS: what it is started with, when it is ready, how it is reached."""

from __future__ import annotations

import json
import random
import socket
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
        json.dump([dict(os.environ), os.getcwd()], record)
    server.serve_forever()
"""


def failure(executable: Path) -> str:
    with pytest.raises(LocalError) as error, running_emulator(executable, "us-east-1"):
        pytest.fail("it is said to be healthy")
    return str(error.value)


@pytest.fixture
def _misleading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that reaches nothing, and settings that would lead a client elsewhere."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "unreadable"
    file.write_text("this is no configuration file: whoever reads it, fails")
    for name, value in {
        "CONFIG_FILE": str(file),
        "SHARED_CREDENTIALS_FILE": str(file),
        "PROFILE": "nobody",
        "ACCESS_KEY_ID": "THEIRS",
        "SESSION_TOKEN": "THEIRS",
        "ENDPOINT_URL": "https://theirs.example",
        "ENDPOINT_URL_SQS": "https://theirs.example",
        "DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.mark.usefixtures("_misleading")
def test_it_starts_in_surroundings_of_its_own_until_it_is_healthy_and_ends_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    executable = make_command(tmp_path / "ministack", MINISTACK.format(record=str(record)))
    monkeypatch.setenv("SECRET", "THEIRS")
    monkeypatch.setenv("PATH", "/THEIRS")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    with running_emulator(executable, "eu-central-1") as emulator:
        environment, folder = json.loads(record.read_text())
        with pytest.raises(urllib.error.HTTPError) as answer:
            direct.open(emulator.endpoint)
        answer.value.close()

    assert "THEIRS" not in json.dumps(environment)
    assert {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_REGION": "eu-central-1",
    }.items() <= environment.items()
    assert not any(
        Path(each).exists() for each in (folder, environment["HOME"], environment["TMPDIR"])
    )
    with pytest.raises(urllib.error.URLError, match="refused"):
        direct.open(emulator.endpoint)


def test_it_can_keep_what_is_in_it_and_come_back_at_the_same_port(tmp_path: Path) -> None:
    record, port = tmp_path / "record.json", module.free_port()
    executable = make_command(tmp_path / "ministack", MINISTACK.format(record=str(record)))
    with running_emulator(executable, "us-east-1", port=port, kept_in=tmp_path) as emulator:
        environment, _ = json.loads(record.read_text())
        assert (emulator.endpoint, module.is_free(port)) == (f"http://127.0.0.1:{port}", False)
    assert (environment["PERSIST_STATE"], environment["STATE_DIR"]) == ("1", str(tmp_path))


def test_a_free_port_is_none_that_others_have_or_get_for_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter([taken.getsockname()[1], 20_001, 20_001])
        monkeypatch.setattr(random, "choice", lambda _: next(ports))
        assert module.free_port() == 20_001


class Slow:
    """A command that has ended, and whose output is still being read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def has_ended(self) -> bool:
        return True

    def wait(self) -> None:
        self.lines.append("the port is taken")


def test_one_that_ends_at_once_is_reported_by_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "print('starting', flush=True); raise SystemExit('the port is taken')"
    expected = "the embedded AWS did not start: the port is taken"
    assert failure(make_command(tmp_path / "ministack", code)) == expected
    monkeypatch.setattr(module, "supervised", lambda *_: nullcontext(Slow()))
    assert failure(tmp_path) == expected


def test_one_that_is_not_healthy_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 0)
    executable = make_command(tmp_path / "ministack", "import time; time.sleep(60)")
    assert failure(executable) == "the embedded AWS did not start: it printed nothing"


def test_one_that_enforces_policies_speaks_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def supervised(*given: Any) -> Any:
        started.append(given)
        return nullcontext()

    monkeypatch.setattr(module, "supervised", supervised)
    monkeypatch.setattr(module, "_await_health", lambda *_: None)
    with running_emulator(tmp_path, "us-east-1", enforces_policies=True) as emulator:
        [(_, environment, folder)] = started
        assert (environment["AUTH"], environment["USE_SSL"]) == ("true", "1")
        assert emulator.endpoint.startswith("https://127.0.0.1:")
        assert emulator.certificate == str(folder / "ministack-tls" / "server.crt")
        assert emulator.variables["AWS_CA_BUNDLE"] == emulator.certificate


@pytest.mark.usefixtures("_misleading")
def test_a_client_reads_no_settings_of_the_users_and_asks_no_proxy() -> None:
    with http_server(200, b'{"QueueUrls": []}') as url:
        client = Emulator(url, "us-east-1").client("sqs")
        assert client.list_queues()["QueueUrls"] == []
    assert (client.meta.endpoint_url, client.meta.region_name) == (url, "us-east-1")
    signed = client.generate_presigned_url("list_queues")
    assert "Credential=test%2F" in signed
    assert "THEIRS" not in signed


def test_a_client_may_have_other_credentials() -> None:
    emulator = Emulator("http://127.0.0.1:4566", "us-east-1", access_key_id="210987654321")
    assert emulator.variables["AWS_ACCESS_KEY_ID"] == "210987654321"
    url = emulator.client("sqs").generate_presigned_url("list_queues")
    assert "Credential=210987654321%2F" in url


def test_variables_lead_every_tool_to_it_and_to_no_settings_of_the_users() -> None:
    assert Emulator("http://127.0.0.1:4566", "us-east-1").variables == {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
