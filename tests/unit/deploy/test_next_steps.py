"""What ``make deploy`` ends with."""

from __future__ import annotations

import runpy
import sys

import pytest

from lib.cli.app import main as alerts
from lib.config.settings import Settings
from lib.deploy import next_steps


def test_it_says_what_to_try_where_to_look_and_how_to_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = next_steps.next_steps(Settings(environment="blue", region="eu-west-1"))
    assert lines == [
        "tap-blue is deployed. What to try:",
        "  ./alerts add AAPL above 200 --environment blue",
        "  ./alerts publish AAPL=199 AAPL=201 --environment blue",
        "  ./alerts history AAPL --environment blue",
        "  ./alerts status --environment blue",
        'To get alerts by e-mail, add {"protocol": "email", "endpoint": "you@example.com"} to the '
        "subscriptions of blue in cdktf.json, make deploy ENV=blue, and confirm the "
        "e-mail from AWS.",
        "Dashboard: https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#dashboards/dashboard/tap-blue",
        "To destroy it all again: make destroy ENV=blue",
    ]
    for line in lines[1:5]:
        assert alerts(line.split()[1:]) == 2  # typed well, but there is no such environment
        assert "there is no environment 'blue'" in capsys.readouterr().err


@pytest.mark.parametrize(("environment", "count"), [("dev", 8), ("state", 0)])
def test_of_a_stack_without_settings_there_is_nothing_to_try(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: str,
    count: int,
) -> None:
    monkeypatch.setattr(sys, "argv", ["next_steps", environment])
    monkeypatch.delitem(sys.modules, next_steps.__name__)
    runpy.run_module(next_steps.__name__, run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) == count
