"""The smoke test: what it sends, what it takes for an announcement, and what it leaves behind."""

from __future__ import annotations

import json
import runpy
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lib.client.target import Target
from lib.deploy import smoke as module
from lib.deploy.smoke import main, smoke
from lib.formats.errors import CliError, LocalError
from tests.unit.client.doubles import CONFIGURATION, answer_with
from tests.unit.doubles import create_table

PATIENCE_SECONDS = 60.0
AT_ONCE = 0.0  # gives up after the first look


class Stack:
    """The stack tap-test without its function, which a test stands in for."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.sent: list[list[dict[str, Any]]] = []
        create_table(target.names.table)
        self.table: Any = target.table
        self.queue_url = target.sqs.create_queue(QueueName=target.names.queue)["QueueUrl"]
        self.topic_arn = target.topics.create_topic(Name=target.names.topic)["TopicArn"]

    def rule_ids(self) -> list[str]:
        items = self.table.scan()["Items"]
        return [item["rule_id"] for item in items if item["sk"].startswith("RULE#")]

    def announce(self, *rule_ids: str, timestamp: str = "2026-11-26T12:00:00+00:00") -> None:
        for rule_id in rule_ids:
            firing = json.dumps({"rule_id": rule_id, "timestamp": timestamp})
            self.target.topics.publish(TopicArn=self.topic_arn, Message=firing)

    def on_price(self, react: Callable[[list[dict[str, Any]]], None]) -> None:
        """Have something happen when prices are sent."""

        def on_request(params: dict[str, Any], **_: object) -> None:
            for entry in params["Entries"]:
                self.sent.append(json.loads(entry["MessageBody"]))
                react(self.sent[-1])

        events = self.target.sqs.meta.events
        events.register("provide-client-params.sqs.SendMessageBatch", on_request)

    def works(self) -> None:
        """Announce each price of a rule's symbol, as the function does."""
        self.on_price(
            lambda ticks: self.announce(*self.rule_ids(), timestamp=ticks[-1]["timestamp"])
        )

    def leftovers(self) -> dict[str, Any]:
        """What there is besides the stack itself."""
        queues = set(self.target.sqs.list_queues()["QueueUrls"]) - {self.queue_url}
        return {
            "queues": queues,
            "subscriptions": self.target.topics.list_subscriptions()["Subscriptions"],
            "items": self.table.scan()["Items"],
        }


NOTHING = {"queues": set[str](), "subscriptions": [], "items": []}


@pytest.fixture
def stack(aws: None) -> Stack:
    target = Target("test", CONFIGURATION)
    target.sqs.meta.events.register(  # nobody else sends any
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **_: params | {"WaitTimeSeconds": 0},
    )
    return Stack(target)


def refuse(client: Any, operation: str) -> None:
    """Have AWS deny an operation."""

    def deny(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    client.meta.events.register(f"before-call.*.{operation}", deny)


# --- what it takes for an announcement ---------------------------------------------------


def test_an_announced_price_is_a_success_with_its_latency(stack: Stack) -> None:
    stack.works()
    assert 0 <= smoke(stack.target, PATIENCE_SECONDS) < PATIENCE_SECONDS


def test_a_price_that_is_not_announced_is_a_failure(stack: Stack) -> None:
    with pytest.raises(LocalError, match=r"^tap-test published no alert for SMOKE\.[0-9A-F]{12} "):
        smoke(stack.target, AT_ONCE)


def test_the_announcement_of_another_rule_is_none(stack: Stack) -> None:
    stack.on_price(lambda _ticks: stack.announce("somebody-s"))
    with pytest.raises(LocalError):
        smoke(stack.target, 0.1)


def test_the_announcement_is_found_among_others(stack: Stack) -> None:
    stack.on_price(lambda _ticks: stack.announce(*(f"other-{n}" for n in range(12))))
    stack.works()
    assert smoke(stack.target, PATIENCE_SECONDS) >= 0


def test_a_subscriber_that_sns_does_not_know_yet_gets_the_next_price(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NEXT_PRICE_SECONDS", 0.01)

    def from_the_third_on(ticks: list[dict[str, Any]]) -> None:
        if len(stack.sent) >= 3:
            stack.announce(*stack.rule_ids(), timestamp=ticks[-1]["timestamp"])

    stack.on_price(from_the_third_on)
    smoke(stack.target, PATIENCE_SECONDS)
    assert len(stack.sent) == 3


def test_a_queue_that_takes_no_prices_is_a_failure(stack: Stack) -> None:
    failed = {"SenderFault": True, "Code": "TooLong", "Message": "too long"}
    answer_with(
        stack.target.sqs,
        "SendMessageBatch",
        lambda asked: {"Failed": [{"Id": entry["Id"], **failed} for entry in asked["Entries"]]},
    )
    with pytest.raises(CliError, match=r"^the queue of tap-test accepts no prices: too long$"):
        smoke(stack.target, PATIENCE_SECONDS)


# --- what it sends and adds --------------------------------------------------------------


def test_it_sends_a_price_below_and_one_above_in_one_message(stack: Stack) -> None:
    stack.works()
    smoke(stack.target, PATIENCE_SECONDS)
    ((below, above),) = stack.sent
    assert (below["price"], above["price"]) == (1, 3)
    assert below["timestamp"] < above["timestamp"]
    assert below["symbol"] == above["symbol"]


def test_the_rule_waits_for_that_price_is_marked_and_ends_by_itself(stack: Stack) -> None:
    rules: list[Any] = []

    def look(_ticks: object) -> None:
        items = stack.table.scan()["Items"]
        rules.extend(item for item in items if item["sk"].startswith("RULE#"))

    stack.on_price(look)
    stack.works()
    smoke(stack.target, PATIENCE_SECONDS)
    (rule,) = rules
    assert (rule["owner"], rule["trigger"], rule["condition"]) == ("smoke", "every", "crosses_up")
    assert rule["levels"] == [2]
    assert rule["expires_at_microseconds"] > 0


def test_two_at_once_are_not_in_each_other_s_way(stack: Stack) -> None:
    symbols = set()
    for _ in range(2):
        with pytest.raises(LocalError) as failure:
            smoke(stack.target, AT_ONCE)
        symbols.add(str(failure.value).split()[5])
    assert len(symbols) == 2


# --- what it leaves behind ---------------------------------------------------------------


def test_a_success_leaves_nothing_behind(stack: Stack) -> None:
    stack.works()
    smoke(stack.target, PATIENCE_SECONDS)
    assert stack.leftovers() == NOTHING


def test_a_failure_leaves_nothing_behind(stack: Stack) -> None:
    with pytest.raises(LocalError):
        smoke(stack.target, AT_ONCE)
    assert stack.leftovers() == NOTHING


def test_an_interruption_leaves_nothing_behind(stack: Stack) -> None:
    def interrupt(_ticks: object) -> None:
        raise KeyboardInterrupt

    stack.on_price(interrupt)
    with pytest.raises(KeyboardInterrupt):
        smoke(stack.target, PATIENCE_SECONDS)
    assert stack.leftovers() == NOTHING


def test_a_topic_that_lets_nobody_subscribe_leaves_nothing_behind(stack: Stack) -> None:
    refuse(stack.target.topics, "Subscribe")
    with pytest.raises(ClientError):
        smoke(stack.target, PATIENCE_SECONDS)
    assert stack.leftovers() == NOTHING


@pytest.mark.parametrize(
    ("operation", "what", "left"),
    [
        ("Unsubscribe", "the subscription", "subscriptions"),
        ("DeleteQueue", "the queue", "queues"),
        ("DeleteItem", "the rule", "items"),  # its symbol's state stays
    ],
)
def test_what_cannot_be_cleaned_up_is_told_and_the_rest_is(
    stack: Stack, capsys: pytest.CaptureFixture[str], operation: str, what: str, left: str
) -> None:
    stack.works()
    for client in (stack.target.topics, stack.target.sqs, stack.table.meta.client):
        refuse(client, operation)
    smoke(stack.target, PATIENCE_SECONDS)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {what} ")
    assert " is left behind: " in line
    assert {name for name, found in stack.leftovers().items() if found} == {left}


# --- the command -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The signals' handlers are the test run's again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pretend(monkeypatch: pytest.MonkeyPatch, result: float | BaseException) -> list[float]:
    """Have the smoke test end like that; returns what it was given for patience."""
    given: list[float] = []

    def smoke(_target: Target, patience_seconds: float) -> float:
        given.append(patience_seconds)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(module, "smoke", smoke)
    return given


def test_a_success_is_one_line_with_the_latency(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "prod")
    pretend(monkeypatch, 0.2345)
    assert main([]) == 0
    assert capsys.readouterr() == (
        "tap-prod published an alert 234 ms after its price was sent\n",
        "",
    )


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (LocalError("nothing came"), "error: nothing came\n"),
        (CliError("no queue"), "error: no queue\n"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "Subscribe"),
            "error: the AWS credentials do not allow Subscribe: use others, or ask "
            "for the permission\n",
        ),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: Exception,
    line: str,
) -> None:
    pretend(monkeypatch, reason)
    assert (main([]), capsys.readouterr()) == (1, ("", line))


def test_an_interruption_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, KeyboardInterrupt())
    assert main([]) == 130
    assert capsys.readouterr().err.startswith("interrupted: ")


def test_a_runner_that_ends_it_interrupts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 0.1)
    main([])
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


@pytest.mark.parametrize(
    ("arguments", "patience"), [([], 120.0), (["--patience-seconds", "1.5"], 1.5)]
)
def test_patience_is_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], patience: float
) -> None:
    given = pretend(monkeypatch, 0.1)
    main(arguments)
    assert given == [patience]


def test_an_environment_that_there_is_not_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "nope")
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("error: there is no environment 'nope'")


def test_as_a_script_it_ends_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "nope")
    monkeypatch.setattr("sys.argv", ["smoke"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(module.__file__, run_name="__main__")
    assert end.value.code == 1
