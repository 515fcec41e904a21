"""The smoke test: what it sends, which alert it accepts, and what it leaves behind."""

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

    def rules(self) -> list[dict[str, Any]]:
        return [item for item in self.table.scan()["Items"] if item["sk"].startswith("RULE#")]

    def publish(self, *rule_ids: str, timestamp: str = "2026-11-26T12:00:00+00:00") -> None:
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

    def works(self, since: int = 1) -> None:
        """Publish an alert for each price of a rule's symbol, as the function does."""

        def react(ticks: list[dict[str, Any]]) -> None:
            if len(self.sent) >= since:
                ids = [rule["rule_id"] for rule in self.rules()]
                self.publish(*ids, timestamp=ticks[-1]["timestamp"])

        self.on_price(react)

    def leftovers(self) -> dict[str, Any]:
        """What there is besides the stack itself."""
        found = {
            "queues": set(self.target.sqs.list_queues()["QueueUrls"]) - {self.queue_url},
            "subscriptions": self.target.topics.list_subscriptions()["Subscriptions"],
            "items": self.table.scan()["Items"],
        }
        return {name: left for name, left in found.items() if left}


@pytest.fixture
def stack(aws: None) -> Stack:
    target = Target("test", CONFIGURATION)
    target.sqs.meta.events.register(  # nobody else sends any
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **_: params | {"WaitTimeSeconds": 0},
    )
    return Stack(target)


def deny(client: Any, operation: str) -> None:
    """Have AWS deny an operation."""

    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    client.meta.events.register(f"before-call.*.{operation}", denied)


# --- the alert ---------------------------------------------------------------------------


def test_the_alert_of_its_own_rule_is_a_success_that_leaves_nothing_behind(stack: Stack) -> None:
    rules: list[dict[str, Any]] = []
    stack.on_price(lambda _: rules.extend(stack.rules()))
    stack.on_price(lambda _: stack.publish(*(f"other-{n}" for n in range(12))))
    stack.works()
    assert 0 <= smoke(stack.target, PATIENCE_SECONDS) < PATIENCE_SECONDS
    ((below, above), *_) = stack.sent  # in one message
    assert (below["price"], above["price"]) == (1, 3)
    assert below["timestamp"] < above["timestamp"]
    assert below["symbol"] == above["symbol"] == rules[0]["symbol"]
    assert (rules[0]["owner"], rules[0]["trigger"], rules[0]["condition"], rules[0]["levels"]) == (
        *("smoke", "every", "crosses_up", [2]),
    )
    assert rules[0]["expires_at_microseconds"] > 0
    assert stack.leftovers() == {}


def test_without_the_alert_it_fails_and_leaves_nothing_behind(stack: Stack) -> None:
    stack.on_price(lambda _: stack.publish("somebody-s"))
    symbols = set()
    for patience_seconds in (AT_ONCE, 0.1):
        with pytest.raises(LocalError) as failure:
            smoke(stack.target, patience_seconds)
        words = str(failure.value).split()
        assert words[:5] == ["tap-test", "published", "no", "alert", "for"]
        symbols.add(words[5])
    assert len(symbols) == 2  # two at once are not in each other's way
    assert all(symbol.startswith("SMOKE.") for symbol in symbols)
    assert stack.leftovers() == {}


def test_a_subscriber_that_sns_does_not_know_yet_gets_the_next_price(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NEXT_PRICE_SECONDS", 0.01)
    stack.works(since=3)
    smoke(stack.target, PATIENCE_SECONDS)
    assert len(stack.sent) == 3


def test_a_queue_that_accepts_no_prices_is_a_failure(stack: Stack) -> None:
    failed = {"SenderFault": True, "Code": "TooLong", "Message": "too long"}
    answer_with(
        stack.target.sqs,
        "SendMessageBatch",
        lambda asked: {"Failed": [{"Id": entry["Id"], **failed} for entry in asked["Entries"]]},
    )
    with pytest.raises(CliError, match=r"^the queue of tap-test accepts no prices: too long$"):
        smoke(stack.target, PATIENCE_SECONDS)


# --- what is left behind -----------------------------------------------------------------


def test_an_interruption_leaves_nothing_behind(stack: Stack) -> None:
    def interrupt(_ticks: object) -> None:
        raise KeyboardInterrupt

    stack.on_price(interrupt)
    with pytest.raises(KeyboardInterrupt):
        smoke(stack.target, PATIENCE_SECONDS)
    assert stack.leftovers() == {}


def test_a_topic_that_lets_nobody_subscribe_leaves_nothing_behind(stack: Stack) -> None:
    deny(stack.target.topics, "Subscribe")
    with pytest.raises(ClientError):
        smoke(stack.target, PATIENCE_SECONDS)
    assert stack.leftovers() == {}


@pytest.mark.parametrize(
    ("operation", "what", "left"),
    [
        ("Unsubscribe", "the subscription", "subscriptions"),
        ("DeleteQueue", "the queue", "queues"),
        ("DeleteItem", "the rule", "items"),  # its symbol's state stays
    ],
)
def test_what_cannot_be_cleaned_up_is_reported_and_the_rest_is_cleaned_up(
    stack: Stack, capsys: pytest.CaptureFixture[str], operation: str, what: str, left: str
) -> None:
    stack.works()
    for client in (stack.target.topics, stack.target.sqs, stack.table.meta.client):
        deny(client, operation)
    smoke(stack.target, PATIENCE_SECONDS)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {what} ")
    assert " is left behind: " in line
    assert [*stack.leftovers()] == [left]


# --- the command -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The signals' handlers are the test run's again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "Subscribe")


@pytest.mark.parametrize(
    ("result", "code", "printed"),
    [
        (0.2345, 0, "tap-prod published an alert 234 ms after its price was sent\n"),
        (LocalError("nothing came"), 1, "error: nothing came\n"),
        (CliError("no queue"), 1, "error: no queue\n"),
        (
            DENIED,
            1,
            "error: the AWS credentials do not allow Subscribe: use others, or ask for the "
            "permission\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted: what the smoke test made is removed\n"),
    ],
)
def test_the_outcome_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    result: float | BaseException,
    code: int,
    printed: str,
) -> None:
    patience: list[float] = []

    def smoke(_target: Target, patience_seconds: float) -> float:
        patience.append(patience_seconds)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(module, "smoke", smoke)
    monkeypatch.setenv("TAP_ENVIRONMENT", "prod")
    assert main([]) == main(["--patience-seconds", "1.5"]) == code
    assert capsys.readouterr() == (("", printed * 2) if code else (printed * 2, ""))
    assert patience == [120.0, 1.5]
    # A runner that ends it interrupts it.
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_as_a_script_it_ends_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "nope")
    monkeypatch.setattr("sys.argv", ["smoke"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(module.__file__, run_name="__main__")
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("error: there is no environment 'nope'")
