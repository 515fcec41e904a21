"""The demo: what is seen of it, in which order it ends, and how it fails."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from lib.local import demo
from tests.unit.local.stage import Audience, Play, Stage

pytestmark = pytest.mark.timeout(30)

CREATED = "aws_sqs_queue.dlq (dlq): Creation complete after 25s [id=http://127.0.0.1/dlq]"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    stage.enter(monkeypatch, tmp_path / "prices.csv")
    return stage


@pytest.fixture
def play(stage: Stage) -> Play:
    """The pipeline that is found."""
    play = Play(stage)
    stage.pipelines = [play]
    return play


@pytest.fixture
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PATIENCE_SECONDS", 0.0)


def failure(stage: Stage) -> str:
    with pytest.raises(LocalError) as error:
        stage.run()
    return str(error.value)


def row(screen: str, name: str) -> str:
    """Return what the summary says of something."""
    [value] = re.findall(rf"│ {name} +│ (.*?) +│", screen)
    return str(value)


def test_it_says_what_it_is_doing_from_first_to_last(stage: Stage) -> None:
    stage.run()
    assert [said for said in stage.status.said if not said.startswith("./alerts add ")] == [
        "Starting the embedded AWS",
        "Looking for Terraform and the AWS provider; the first time, Terraform may be installed",
        "Synthesizing",
        "Replaying real prices: 2000-01",
        "Replaying real prices: 2000-02",
        "Replaying real prices: 2010-03",
        "Waiting for the last alerts",
        "Waiting for the deployment: "
        "the AWS provider lets every queue's attributes settle for some 25 s",
        "Waiting for the bad message: it is tried five times, 6 s apart here",
    ]


def test_the_first_time_it_says_that_it_installs_the_embedded_aws(stage: Stage) -> None:
    stage.is_installed = False
    stage.run()
    assert stage.status.said[0] == "Installing the embedded AWS (once)"


def test_every_line_stands_behind_the_seconds_since_the_start(stage: Stage) -> None:
    lines = stage.run().partition("What happened")[0].splitlines()
    assert [line for line in lines if not re.match(r" +\d+\.\d s  \S", line)] == []


def test_it_names_the_embedded_aws_and_the_terraform(stage: Stage) -> None:
    screen = stage.run()
    assert "the embedded AWS (MiniStack) http://127.0.0.1:4566" in screen
    assert "deploying TapStack with cdktf and tofu" in screen


def test_its_settings_let_much_be_seen_soon(stage: Stage) -> None:
    stage.run()
    assert stage.settings == {
        "function_timeout_seconds": 1,
        "visibility_timeout_seconds": 6,
        "region": "us-east-1",
        "high_price_threshold": 500,
        "subscriptions": [{"protocol": "sqs", "endpoint": Audience.arn}],
    }


def test_a_resource_that_is_there_is_shown(stage: Stage) -> None:
    stage.cdktf_lines = [CREATED]
    assert "created dlq aws_sqs_queue, 25s\n" in stage.run()


def test_what_is_waited_for_longest_is_explained(stage: Stage) -> None:
    stage.cdktf_lines = ["aws_sqs_queue.dlq (dlq): Still creating... [10s elapsed]"]
    stage.run()
    assert stage.status.said[3].startswith("Creating dlq, 10s: the AWS provider lets every queue")


def test_terraforms_start_is_said(stage: Stage) -> None:
    stage.cdktf_lines = ["Initializing provider plugins..."]
    stage.run()
    assert stage.status.said[3] == "Initializing Terraform and the AWS provider"


def test_what_else_cdktf_prints_is_not_shown(stage: Stage) -> None:
    stage.cdktf_lines = ["Deploying Stack: tap-dev"]
    assert "Deploying Stack" not in stage.run() + str(stage.status.said)


def test_a_created_resource_is_reason_to_look_for_the_pipeline_again(stage: Stage) -> None:
    stage.cdktf_lines = [CREATED]
    stage.pipelines = [None, Play(stage)]
    assert "What happened" in stage.run()


def test_rules_are_added_by_the_command_line_and_shown(stage: Stage) -> None:
    screen = stage.run()
    assert len(stage.commands) == 5
    assert ("add", "MSFT", "below", "20", "--id", "msft-low") in stage.commands
    assert "added ./alerts add MSFT below 20 --id msft-low\n" in screen


def test_a_message_that_cannot_be_understood_is_sent_and_shown(stage: Stage, play: Play) -> None:
    screen = stage.run()
    [message] = play.sent
    assert f"sent a message that cannot be understood: {message}" in screen


def test_every_alert_is_shown_with_its_latency(stage: Stage) -> None:
    screen = stage.run()
    alerts = re.findall(r"alert +\d+ ms  (\w+ is [0-9.]+)", screen)
    assert alerts == ["AAPL is 128.66", "IBM is 125.55"]


def test_it_says_what_was_replayed(stage: Stage) -> None:
    assert "replaying 4 real prices, 2000-01 to 2010-03; " in stage.run()


def test_the_deployments_end_is_waited_for_and_shown(stage: Stage) -> None:
    assert "deployed, every resource settled" in stage.run()
    assert stage.events.index("cdktf is waited for") < stage.events.index("cdktf ends")


def test_the_bad_messages_end_is_shown_with_its_reason(stage: Stage) -> None:
    screen = stage.run()
    assert "rejected 5 times, now in the dead-letter queue: price is no number\n" in screen


def test_another_dead_letter_is_not_taken_for_the_bad_message(stage: Stage, play: Play) -> None:
    play.dead_letters = [["of somebody else"], ["m-1"]]
    stage.run()
    assert play.dead_letters == []


def test_the_summary_counts_what_happened(stage: Stage) -> None:
    screen = stage.run()
    assert row(screen, "prices replayed") == "4"
    assert row(screen, "alerts recorded") == "2"
    assert row(screen, "alerts received") == "2"
    assert row(screen, "in the dead-letter queue") == "1 message: price is no number"


def test_the_summary_tells_the_median_and_the_longest_latency(stage: Stage, play: Play) -> None:
    # Prices that were sent some weeks ago.
    play.ages = {"2000-02-01T00:00:00Z": 1e6, "2010-03-01T00:00:00Z": 3e6}
    latency = row(stage.run(), "from price to alert")
    assert re.fullmatch(r"median 2\d{9} ms, longest 3\d{9} ms", latency)


def test_everything_ends_in_the_opposite_order(stage: Stage) -> None:
    stage.run()
    assert stage.events == [
        "/emulator/bin/ministack starts in us-east-1",
        "cdktf is waited for",
        "cdktf ends",
        "the emulator ends",
    ]


def test_an_interrupt_ends_everything(
    stage: Stage, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(threading.enumerate())
    monkeypatch.setattr(play, "replay", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stage.run()
    assert stage.events[1:] == ["cdktf ends", "the emulator ends"]
    assert not stage.folder.exists()
    assert set(threading.enumerate()) <= before


def interrupt(_prices: object) -> None:
    raise KeyboardInterrupt


def test_a_deployment_that_fails_early_is_reported_in_its_own_words(stage: Stage) -> None:
    stage.pipelines = [None]
    stage.exit_code = 1
    stage.cdktf_lines = ["Error: no credentials"]
    assert failure(stage).endswith("its last lines were:\nError: no credentials")


def test_a_deployment_that_fails_late_is_reported_in_its_own_words(stage: Stage) -> None:
    stage.exit_code = 1
    stage.cdktf_lines = ["Error: no topic"]
    assert failure(stage).endswith("its last lines were:\nError: no topic")


def test_a_deployment_without_a_pipeline_is_a_failure(stage: Stage) -> None:
    stage.pipelines = [None]
    assert failure(stage) == "cdktf deployed no event source mapping"


@pytest.mark.usefixtures("_no_patience")
def test_an_alert_that_does_not_arrive_is_a_failure(stage: Stage, play: Play) -> None:
    play.lost = {"IBM 2010-03-01T00:00:00Z"}
    assert failure(stage) == "firings were recorded that did not arrive within 0 s"


@pytest.mark.usefixtures("_no_patience")
def test_a_bad_message_that_does_not_die_is_a_failure(stage: Stage, play: Play) -> None:
    play.threshold = 1_000.0
    play.dead_letters = []
    assert failure(stage) == "the bad message did not reach the dead-letter queue within 0 s"


def test_a_bad_message_without_a_reason_is_a_failure(stage: Stage, play: Play) -> None:
    play.reasons = []
    assert failure(stage) == "the function's log does not say why the invalid message was rejected"


def test_a_replay_that_fires_nothing_is_a_failure(stage: Stage, play: Play) -> None:
    play.threshold = 1_000.0
    assert failure(stage) == "the replayed prices fired no alert"
