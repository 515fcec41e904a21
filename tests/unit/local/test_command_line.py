from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from lib.local import command_line
from lib.local.command_line import CommandLine
from lib.local.emulator import Emulator

EMULATOR = Emulator("http://127.0.0.1:4566", "eu-west-1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose command line prints its words and its environment."""
    (tmp_path / "lib" / "cli").mkdir(parents=True)
    (tmp_path / "lib" / "cli" / "__main__.py").write_text(
        "import json, os, sys\n"
        "if sys.argv[1] == 'fail': sys.exit('no such rule\\n')\n"
        "print(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
    )
    monkeypatch.setattr(command_line, "_PROJECT", tmp_path)
    monkeypatch.setattr(command_line, "_MODULES", str(tmp_path))
    return tmp_path


def test_it_speaks_to_the_embedded_aws_and_to_no_other(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("TAP_ENVIRONMENT", "prod")
    words, environment = json.loads(CommandLine(EMULATOR).run("add", "AAPL"))
    assert words == ["add", "AAPL"]
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert environment["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert environment["TAP_ENVIRONMENT"] == "dev"
    assert "AWS_PROFILE" not in environment


def test_what_fails_is_told_in_its_own_words(project: Path) -> None:
    with pytest.raises(LocalError, match=r"\./alerts fail now: no such rule"):
        CommandLine(EMULATOR).run("fail", "now")


def test_the_real_one_finds_the_domain() -> None:
    assert (Path(command_line._MODULES.split(":")[1]) / "price_alerts").is_dir()
