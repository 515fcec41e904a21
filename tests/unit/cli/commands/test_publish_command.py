from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib.formats import checked_prices
from tests.unit.cli.doubles import answer_with, refusal

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Run = Callable[..., Any]

ROWS = "symbol,price,timestamp\naapl,201.50,2010-03-01\nIBM,1e2,2010-03-01T12:00:00.5Z\n"
NO_PRICE = "price must be a JSON number, or a string that holds one"
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
    monkeypatch.setattr(checked_prices, "_ROWS_PER_REPORT", 1_000)
    prices.write_text("symbol,price\n" + "AAPL,1\n" * 2_001)
    assert run("publish", "--file", str(prices), "--json").json == {
        "accepted": 2_001,
        "messages": 5,
        "refused": [],
        "skipped": [],
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
    prices.write_text(f"{ROWS}MSFT,a lot,2010-03-02\n\n{ROWS}")
    ended = run("publish", "--file", str(prices))
    assert (ended.exit_code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        f"line 4: {NO_PRICE}",
        "line 6: timestamp must be ISO 8601 with a zone, or an epoch in seconds, milliseconds, "
        "microseconds or nanoseconds",  # the names once more
        f"error: {prices}: 2 of 6 rows are invalid, so nothing was sent: correct them, "
        "or skip them with --skip-invalid",
    ]
    assert sent(sqs, queue_url) == []


def test_a_file_s_other_rows_are_sent_where_that_is_asked_for(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    prices.write_text(f'{ROWS}MSFT,a lot,2010-03-02\nMSFT\n"A\n",1,2010-03-02\nX,3,2010-03-02\n')
    assert run("publish", "--file", str(prices), "--skip-invalid").text.splitlines() == [
        "accepted: 3 prices in 1 message",
        "skipped: 3 rows",
        f"line 4: {NO_PRICE}",
        "line 5: must have 3 fields, one for each column",
        "lines 6 to 7: symbol must be 1 to 64 printable characters, with no blank at either end",
    ]
    assert [tick["symbol"] for tick in sent(sqs, queue_url)] == ["AAPL", "IBM", "X"]


def test_what_was_skipped_is_part_of_the_json(run: Run, queue_url: str, prices: Path) -> None:
    prices.write_text("symbol,price\nA,x\nA,1\n")
    assert run("publish", "--file", str(prices), "--skip-invalid", "--json").json == {
        "accepted": 1,
        "messages": 1,
        "refused": [],
        "skipped": [{"line": 2, "reason": NO_PRICE}],
    }


def test_a_file_without_a_bad_row_has_nothing_to_skip(
    run: Run, queue_url: str, prices: Path
) -> None:
    done = run("publish", "--file", str(prices), "--skip-invalid")
    assert done.text == "accepted: 2 prices in 1 message"


def test_of_very_many_bad_rows_the_first_are_listed_and_all_are_counted(
    run: Run, queue_url: str, prices: Path
) -> None:
    prices.write_text("symbol,price\n" + "A,x\n" * 23 + "A,1\n")
    lines = run("publish", "--file", str(prices)).err.splitlines()
    assert lines[:20] == [f"line {line}: {NO_PRICE}" for line in range(2, 22)]
    assert lines[20] == "and 3 more"
    assert lines[21].startswith(f"error: {prices}: 23 of 24 rows are invalid")
    lines = run("publish", "--file", str(prices), "--skip-invalid").text.splitlines()
    assert (lines[1], lines[-1], len(lines)) == ("skipped: 23 rows", "and 3 more", 23)


def test_a_price_from_the_future_is_refused(run: Run, queue_url: str, prices: Path) -> None:
    prices.write_text("symbol,price,timestamp\nAAPL,1,2026-11-22T15:05:06Z\n")
    bad, _ = run("publish", "--file", str(prices)).err.splitlines()
    assert bad == "line 2: timestamp is more than 60 s in the future"


@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_file_is_sent_in_the_order_of_time(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path, is_pipe: bool
) -> None:
    rows = ["A,3,2010-03-03", "B,2,2010-03-02", "A,1,2010-03-02", "A,0,2010-03-01"]
    content = "\n".join(["symbol,price,timestamp", *rows])  # the newest first
    if is_pipe:
        prices.unlink()
        os.mkfifo(prices)
        threading.Thread(target=prices.write_text, args=(content,)).start()
    else:
        prices.write_text(content)
    run("publish", "--file", str(prices))
    assert [tick["price"] for tick in sent(sqs, queue_url)] == [0, 1, 2, 3]


def test_an_export_is_sent_with_options_that_say_what_it_does_not(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    prices.write_text("when;open;last\n2010-03-01 09:30;1;1,099.5\n")
    words = ["--symbol", "aapl", "--price-column", "last", "--time-column", "when"]
    run("publish", "--file", str(prices), *words, "--time-zone", "America/New_York")
    assert sent(sqs, queue_url) == [
        {"symbol": "AAPL", "price": "1099.5", "timestamp": "2010-03-01T14:30:00.000000Z"}
    ]


@pytest.mark.parametrize("words", [["--skip-invalid"], ["--symbol", "A"], ["--time-zone", "UTC"]])
def test_what_says_how_to_read_a_file_is_wrong_without_one(run: Run, words: list[str]) -> None:
    ended = run("publish", "AAPL=1", *words)
    assert ended.exit_code == 2
    assert ended.error == "options of --file do not apply to typed prices"


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
        "skipped": [],
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
