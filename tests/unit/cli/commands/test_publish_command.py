from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib.cli import publish_command
from tests.unit.cli.doubles import answer_with, refusal

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Run = Callable[..., Any]

ROWS = "symbol,price,timestamp\naapl,201.50,2010-03-01\nIBM,1e2,2010-03-01T12:00:00.5Z\n"
FAILURE = {"Id": "0", "SenderFault": True, "Code": "InvalidMessageContents"}


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(ROWS)
    return path


def sent(sqs: SQSClient, queue_url: str) -> list[Any]:
    messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    return [tick for message in messages for tick in json.loads(message["Body"], parse_float=str)]


def test_prices_are_sent_as_they_are_typed(run: Run, sqs: SQSClient, queue_url: str) -> None:
    assert run("publish", "AAPL=201.50", "EURUSD=X=1.07").text == "accepted: 2 prices in 1 message"
    assert sent(sqs, queue_url) == [
        {"symbol": "AAPL", "price": "201.5"},
        {"symbol": "EURUSD=X", "price": "1.07"},
    ]


def test_one_price_is_told_of_as_one(run: Run, queue_url: str) -> None:
    assert run("publish", "AAPL=1").text == "accepted: 1 price in 1 message"


def test_a_file_is_sent_with_its_timestamps(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    assert run("publish", "--file", str(prices)).text == "accepted: 2 prices in 1 message"
    assert sent(sqs, queue_url) == [
        {"symbol": "AAPL", "price": "201.5", "timestamp": "2010-03-01T00:00:00.000000Z"},
        {"symbol": "IBM", "price": 100, "timestamp": "2010-03-01T12:00:00.500000Z"},
    ]


def test_a_long_file_is_sent_in_batches(
    run: Run, queue_url: str, prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_command, "_ROWS_PER_REPORT", 1_000)
    prices.write_text("symbol,price\n" + "AAPL,1\n" * 2_001)
    assert run("publish", "--file", str(prices), "--json").json == {
        "accepted": 2_001,
        "messages": 5,
        "refused": [],
    }


def test_a_pipe_is_sent_too(run: Run, sqs: SQSClient, queue_url: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(ROWS,))
    writer.start()
    assert run("publish", "--file", str(pipe)).text == "accepted: 2 prices in 1 message"
    writer.join()
    assert len(sent(sqs, queue_url)) == 2


def test_a_file_with_a_fault_sends_nothing(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    prices.write_text(f"{ROWS}MSFT,a lot,2010-03-02\n")
    ended = run("publish", "--file", str(prices))
    assert ended.exit_code == 1
    assert ended.error.startswith(f"{prices} line 4: price must be a JSON number")
    assert sent(sqs, queue_url) == []


def test_a_price_from_the_future_is_refused(run: Run, queue_url: str, prices: Path) -> None:
    prices.write_text("symbol,price,timestamp\nAAPL,1,2026-11-22T15:05:06Z\n")
    assert run("publish", "--file", str(prices)).error.endswith("more than 60 s in the future")


def test_a_file_that_is_not_there_is_missed(run: Run, prices: Path) -> None:
    ended = run("publish", "--file", f"{prices}.gz")
    assert (ended.exit_code, ended.error) == (1, f"{prices}.gz: No such file or directory")


@pytest.mark.parametrize("words", [[], ["AAPL=1", "--file", "prices.csv"]])
def test_either_prices_or_a_file_must_be_given(run: Run, words: list[str]) -> None:
    ended = run("publish", *words)
    assert ended.exit_code == 2
    assert ended.error == "write either prices, say AAPL=201.5, or --file prices.csv"


def test_a_wrong_price_is_refused_before_anything_is_sent(
    run: Run, sqs: SQSClient, queue_url: str
) -> None:
    ended = run("publish", "AAPL=1", "IBM=1e31")
    assert ended.exit_code == 2
    assert ended.error == (
        "IBM=1e31: price must be 0 or between 1e-30 and 1e30 in size, with at most 34 significant "
        "digits; write SYMBOL=PRICE, say AAPL=201.5"
    )
    assert sent(sqs, queue_url) == []


def test_prices_that_are_not_accepted_are_listed(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    answer_with(sqs, "SendMessageBatch", lambda _: {"Failed": [FAILURE]})
    ended = run("publish", "--file", str(prices))
    assert ended.exit_code == 1
    assert ended.err == "error: 2 of 2 prices were not accepted: publish them again\n"
    assert [" ".join(line.split()) for line in ended.out.splitlines() if "\u2500" not in line] == [
        "accepted: 0 prices in 0 messages",
        "not accepted:",
        "symbol price timestamp reason",
        "AAPL 201.5 2010-03-01T00:00:00Z InvalidMessageContents",
        "IBM 100 2010-03-01T12:00:00.500000Z InvalidMessageContents",
    ]


def test_prices_that_are_not_accepted_are_listed_as_json(
    run: Run, sqs: SQSClient, queue_url: str
) -> None:
    answer_with(sqs, "SendMessageBatch", lambda _: {"Failed": [FAILURE]})
    ended = run("publish", "AAPL=1.10", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.out) == {
        "accepted": 0,
        "messages": 0,
        "refused": [
            {
                "symbol": "AAPL",
                "price": "1.1",
                "timestamp": None,
                "reason": "InvalidMessageContents",
            }
        ],
    }


def test_a_failure_on_the_way_says_how_many_were_accepted(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    answers = iter([None, refusal("ExpiredToken")])
    answer_with(sqs, "SendMessageBatch", lambda _: next(answers))
    prices.write_text("symbol,price\n" + "AAPL,1\n" * 1_500)
    ended = run("publish", "--file", str(prices))
    assert ended.exit_code == 1
    assert ended.error == (
        "the AWS credentials have expired: log in again (aws sso login), or set new keys "
        "(500 of 1500 prices were accepted)"
    )


def test_an_environment_that_is_not_there_is_wrong_usage(run: Run) -> None:
    ended = run("publish", "AAPL=1", "--environment", "nope")
    assert ended.exit_code == 2
    assert ended.error.startswith("there is no environment 'nope': name dev or prod")


def test_without_a_stack_an_error_says_what_to_do(run: Run) -> None:
    ended = run("publish", "AAPL=1")
    assert ended.exit_code == 1
    assert ended.error == (
        "there is no stack tap-test in us-east-1: make deploy ENV=test, or name another with "
        "--environment (0 of 1 prices were accepted)"
    )
