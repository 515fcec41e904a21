from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib.formats import checked_prices
from tests.unit.client.doubles import answer_with, refusal

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Run = Callable[..., Any]
Replay = Callable[[str], None]

ROWS = "symbol,price,timestamp\naapl,201.50,2010-03-01\nIBM,1e2,2010-03-01T12:00:00.5Z\n"
SENT = [
    {"symbol": "AAPL", "price": "201.5", "timestamp": "2010-03-01T00:00:00.000000Z"},
    {"symbol": "IBM", "price": 100, "timestamp": "2010-03-01T12:00:00.500000Z"},
]
NO_PRICE = "price must be a JSON number, or a string that holds one"
REJECTED = {"Id": "0", "SenderFault": True, "Code": "InvalidMessageContents"}


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(ROWS)
    return path


def sent(sqs: SQSClient, queue_url: str) -> list[Any]:
    """Take what was sent off the queue."""
    messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return [tick for message in messages for tick in json.loads(message["Body"], parse_float=str)]


def test_typed_prices_are_sent(replay: Replay, sqs: SQSClient, queue_url: str) -> None:
    replay("""
        $ publish AAPL=201.50 EURUSD=X=1.07
        accepted: 2 prices in 1 message
        """)
    typed = [{"symbol": "AAPL", "price": "201.5"}, {"symbol": "EURUSD=X", "price": "1.07"}]
    assert sent(sqs, queue_url) == typed


def test_a_file_is_sent_with_its_timestamps(
    run: Run, replay: Replay, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    replay("""
        $ publish --file prices.csv --skip-invalid
        accepted: 2 prices in 1 message
        """)
    assert sent(sqs, queue_url) == SENT
    counts = {"accepted": 2, "messages": 1, "refused": [], "skipped": []}
    assert run("publish", "--file", prices, "--json").json == counts


@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_file_is_sent_in_the_order_of_time(  # noqa: PLR0917  # fixtures
    run: Run,
    sqs: SQSClient,
    queue_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_pipe: bool,
) -> None:
    monkeypatch.setattr(checked_prices, "_ROWS_PER_REPORT", 2)
    rows = ["A,3,2010-03-03", "B,2,2010-03-02", "A,1,2010-03-02", "A,0,2010-03-01"]
    content = "\n".join(["symbol,price,timestamp", *rows])  # the newest first
    path = tmp_path / "newest-first"
    if is_pipe:
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=(content,)).start()
    else:
        path.write_text(content)
    assert run("publish", "--file", path).out == "accepted: 4 prices in 1 message\n"
    assert [tick["price"] for tick in sent(sqs, queue_url)] == [0, 1, 2, 3]


def test_a_file_with_bad_rows_is_sent_only_if_they_may_be_skipped(
    run: Run, replay: Replay, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    prices.write_text(f'{ROWS}B,a lot,2010-03-02\nB\n"A\n",1,2010-03-02\nX,3,2999-03-02\n')
    replay(f"""
        $ publish --file prices.csv
        line 4: {NO_PRICE}
        line 5: must have 3 fields, one for each column
        lines 6 to 7: symbol must be 1 to 64 printable characters, with no blank at either end
        line 8: timestamp is more than 60 s in the future
        error: prices.csv: 4 of 6 rows are invalid, so nothing was sent: correct them, or skip …
        ? 1
        """)
    assert sent(sqs, queue_url) == []
    replay(f"""
        $ publish --file prices.csv --skip-invalid
        accepted: 2 prices in 1 message
        skipped: 4 rows
        line 4: {NO_PRICE}
        line 5: must have 3 fields, one for each column
        lines 6 to 7: symbol must be 1 to 64 printable characters, with no blank at either end
        line 8: timestamp is more than 60 s in the future
        """)
    assert sent(sqs, queue_url) == SENT
    prices.write_text("symbol,price\nA,x\nA,1\n")
    done = run("publish", "--file", prices, "--skip-invalid")
    assert done.out.splitlines()[:2] == ["accepted: 1 price in 1 message", "skipped: 1 row"]
    assert run("publish", "--file", prices, "--skip-invalid", "--json").json == {
        "accepted": 1,
        "messages": 1,
        "refused": [],
        "skipped": [{"line": 2, "reason": NO_PRICE}],
    }


def test_of_very_many_bad_rows_the_first_are_listed_and_all_are_counted(
    run: Run, queue_url: str, prices: Path
) -> None:
    prices.write_text("symbol,price\n" + "A,x\n" * 23 + "A,1\n")
    lines = run("publish", "--file", prices).err.splitlines()
    assert lines[:20] == [f"line {line}: {NO_PRICE}" for line in range(2, 22)]
    assert lines[20] == "and 3 more"
    assert lines[21].startswith(f"error: {prices}: 23 of 24 rows are invalid")


def test_an_export_is_sent_with_options_for_what_it_does_not_say(
    run: Run, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    prices.write_text("when;open;last\n2010-03-01 09:30;1;1,099.5\n")
    words = ["--symbol", "aapl", "--price-column", "last", "--time-column", "when"]
    run("publish", "--file", prices, *words, "--time-zone", "America/New_York")
    time = "2010-03-01T14:30:00.000000Z"
    assert sent(sqs, queue_url) == [{"symbol": "AAPL", "price": "1099.5", "timestamp": time}]


ZONE = "--time-zone: there is no zone {}: write, say, UTC or America/New_York"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("", "write either prices, say AAPL=201.5, or --file prices.csv"),
        ("AAPL=1 --file prices.csv", "write either prices, say AAPL=201.5, or --file prices.csv"),
        ("AAPL=1 --skip-invalid", "options of --file do not apply to typed prices"),
        ("AAPL=1 --time-zone UTC", "options of --file do not apply to typed prices"),
        ("AAPL=1 --symbol A", "options of --file do not apply to typed prices"),
        ("AAPL=1 --environment nope", "there is no environment 'nope': name dev or prod "),
        (
            "AAPL=1 IBM=1e31",
            "IBM=1e31: '1e31' is not a number (0 or between 1e-30 and 1e30 in size",
        ),
        *[
            (f"--file x --time-zone {zone}", ZONE.format(zone))
            for zone in ("Mars", "America", "/etc")
        ],
        ("--file x --symbol \u200b", "--symbol: symbol must be 1 to 64 printable characters"),
    ],
)
def test_wrong_usage_sends_nothing(
    run: Run, sqs: SQSClient, queue_url: str, words: str, what: str
) -> None:
    ended = run("publish", *words.split(" ") if words else [])
    assert ended.exit_code == 2
    assert ended.error.startswith(what)
    assert sent(sqs, queue_url) == []


def test_prices_that_are_not_accepted_are_listed(
    run: Run, replay: Replay, sqs: SQSClient, queue_url: str, prices: Path
) -> None:
    answer_with(sqs, "SendMessageBatch", lambda _: {"Failed": [REJECTED]})
    replay("""
        $ publish --file prices.csv
        accepted: 0 prices in 0 messages
        not accepted:
        symbol price timestamp reason
        AAPL 201.5 2010-03-01T00:00:00Z InvalidMessageContents
        IBM 100 2010-03-01T12:00:00.500000Z InvalidMessageContents
        error: 2 of 2 prices were not accepted: publish them again
        ? 1
        $ publish AAPL=1.10
        accepted: 0 prices in 0 messages
        not accepted:
        symbol price timestamp reason
        AAPL 1.1 now InvalidMessageContents
        error: 1 of 1 prices were not accepted: publish them again
        ? 1
        """)
    refused = {"symbol": "AAPL", "price": "1.1", "reason": "InvalidMessageContents"}
    assert json.loads(run("publish", "AAPL=1.10", "--json").out) == {
        "accepted": 0,
        "messages": 0,
        "refused": [refused | {"timestamp": None}],
        "skipped": [],
    }


def test_a_failure_says_how_many_prices_were_accepted(
    run: Run, replay: Replay, sqs: SQSClient, prices: Path
) -> None:
    replay("""
        $ publish --file none.gz
        error: none.gz: No such file or directory
        ? 1
        $ publish AAPL=1
        error: there is no stack tap-test in us-east-1: make deploy ENV=test, or name another …
        ? 1
        """)
    sqs.create_queue(QueueName="tap-test-prices")
    answers = iter([None, refusal("ExpiredToken")])
    answer_with(sqs, "SendMessageBatch", lambda _: next(answers))
    prices.write_text("symbol,price\n" + "AAPL,1\n" * 600)
    assert run("publish", "--file", prices).error.endswith("(500 of 600 prices were accepted)")
