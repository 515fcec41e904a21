"""Nothing that a message held stands in any line of the log."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from price_alerts.adapters.items import rule_key
from tests.unit.doubles import add_rules, rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

# As a symbol it is taken, and its price fires.
MARKER = "XSECRETX"
PRICE = "987.654321"


@pytest.fixture
def index(table: Table, _fresh_handler: None) -> ModuleType:
    boto3.client("sns").create_topic(Name="tap-test-alerts")
    return importlib.import_module("index")


_texts = st.text() | st.sampled_from([MARKER, f"{MARKER}\ud800", f'{MARKER}"', f"x{MARKER}\n"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(float(PRICE)) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_ticks = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from([MARKER, f"{MARKER}1", f"{MARKER} "]) | _values,
        "price": st.sampled_from([PRICE, float(PRICE), MARKER]) | _values,
    },
    optional={"timestamp": st.integers(1, 10**9) | _values, MARKER: _values},
)
_bodies = (
    (_ticks | st.lists(_ticks, max_size=3) | _values).map(json.dumps)
    | _texts
    | st.just(f'{{"{MARKER}": 1, "{MARKER}": 2}}')
)


def lines_for(index: ModuleType, body: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        index.handler({"Records": [{"messageId": "m-1", "body": body}]}, None)
    return printed.getvalue()


def test_no_line_holds_anything_of_a_message(index: ModuleType) -> None:
    fired = 0

    @settings(max_examples=150)
    @given(_bodies)
    def check(body: str) -> None:
        nonlocal fired
        printed = lines_for(index, body)
        assert MARKER not in printed
        assert PRICE not in printed
        fired += '"firing published"' in printed

    check()
    assert fired


def test_no_line_holds_the_symbol_of_what_fails(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**request: Any) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr(index.table.meta.client, "update_item", fail)
    printed = lines_for(index, json.dumps({"symbol": MARKER, "price": PRICE}))
    assert '"symbol failed"' in printed
    assert "no answer" in printed
    assert MARKER not in printed


def test_no_line_holds_a_symbol_that_somebody_else_moves_meanwhile(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that comes up while a conflict is dealt with shows the conflict, too."""
    lines_for(index, json.dumps({"symbol": MARKER, "price": 1, "timestamp": 1}))
    index.table.delete_item(Key={"pk": f"SYMBOL#{MARKER}", "sk": "STATE"})
    monkeypatch.setattr(index.table.meta.client, "query", lambda **_: 1 / 0)
    printed = lines_for(index, json.dumps({"symbol": MARKER, "price": PRICE, "timestamp": 2}))
    assert '"symbol failed"' in printed
    assert "ConditionalCheckFailed" in printed
    assert MARKER not in printed


def test_no_line_holds_the_symbol_of_a_rule_that_is_set_aside(index: ModuleType) -> None:
    add_rules(index.table, rule("r-1", 100, symbol=MARKER))
    index.table.update_item(
        Key=rule_key(MARKER, "r-1"),
        UpdateExpression="SET #owner = :owner, levels = :levels",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":owner": MARKER, ":levels": MARKER},
    )
    path = [{"symbol": MARKER, "price": price, "timestamp": price} for price in (99, 101)]
    printed = lines_for(index, json.dumps(path))
    assert '"rule set aside"' in printed
    assert MARKER not in printed


def test_no_line_holds_the_symbol_of_a_firing_that_is_undeliverable(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(**request: Any) -> dict[str, Any]:
        (entry,) = request["PublishBatchRequestEntries"]
        failure = {"Id": entry["Id"], "Code": "InvalidParameter", "Message": MARKER}
        return {"Failed": [{**failure, "SenderFault": True}]}

    monkeypatch.setattr(index.sns, "publish_batch", reject)
    printed = lines_for(index, json.dumps({"symbol": MARKER, "price": PRICE}))
    assert '"firing undeliverable"' in printed
    assert MARKER not in printed


@pytest.mark.parametrize("is_there", [True, False])
def test_no_line_holds_anything_of_a_message_that_is_sent_again(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="prices")["QueueUrl"]
    if not is_there:
        sqs.delete_queue(QueueUrl=url)
    monkeypatch.setattr(index, "config", index.config._replace(queue_url=url))
    monkeypatch.setattr(
        index._processor, "process", lambda ticks, batch, _: batch.unfinished(MARKER, ticks)
    )
    printed = lines_for(index, json.dumps({"symbol": MARKER, "price": PRICE}))
    assert ('"unfinished"' in printed, '"not handed over"' in printed) == (True, not is_there)
    assert MARKER not in printed
    assert PRICE not in printed
