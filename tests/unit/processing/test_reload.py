"""A test may put mocks in the place of AWS by importing the handler again: here is how."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from unittest.mock import MagicMock, patch

import pytest
from boto3.resources.base import ServiceResource
from botocore.client import BaseClient

from tests.unit.doubles import HANDLER_NAMES, drop_handler


def load(name: str) -> ModuleType:
    if name == "index":
        import index  # noqa: PLC0415  # as Lambda and its users' tests do

        return index
    return importlib.import_module(name)


@pytest.fixture
def boto3_mocks() -> Iterator[tuple[MagicMock, MagicMock]]:
    """Mocks of the table's client and of SNS, with the answers of an empty table."""
    with patch("boto3.resource") as resource, patch("boto3.client") as client:
        calls = resource.return_value.Table.return_value.meta.client
        calls.query.return_value = {"Items": []}
        calls.update_item.return_value = {"Attributes": {"version": 2}}
        calls.batch_write_item.return_value = {}
        client.return_value.publish_batch.return_value = {}
        yield resource, client


@pytest.mark.usefixtures("_fresh_handler")
@pytest.mark.parametrize("name", HANDLER_NAMES)
def test_a_reloaded_handler_works_through_mocks(
    boto3_mocks: tuple[MagicMock, MagicMock], name: str
) -> None:
    resource, client = boto3_mocks
    reloaded = load(name)
    assert reloaded.table is resource.return_value.Table.return_value
    assert reloaded.sns is client.return_value
    assert [call.args for call in resource.call_args_list] == [("dynamodb",)]
    assert [call.args for call in client.call_args_list] == [("sns",)]
    resource.return_value.Table.assert_called_once_with("tap-test-alerts")
    written = reloaded.table.meta.client.batch_write_item.call_args_list
    for message_id, price, firings in (("m-1", 149, 0), ("m-2", 200.0, 1)):
        body = f'{{"symbol": "AAPL", "price": {price}}}'
        event = {"Records": [{"messageId": message_id, "body": body}]}
        assert reloaded.handler(event, None) == {"batchItemFailures": []}
        assert len(written) == reloaded.sns.publish_batch.call_count == firings
    ((requests,),) = [call.kwargs["RequestItems"].values() for call in written]
    (item,) = [request["PutRequest"]["Item"] for request in requests]
    assert (item["symbol"], item["price"], item["sent"]) == ("AAPL", 200, True)


@pytest.mark.usefixtures("_fresh_handler")
@pytest.mark.parametrize("name", HANDLER_NAMES)
def test_without_the_reload_the_real_clients_stay(name: str) -> None:
    load(name)
    with patch("boto3.resource") as resource, patch("boto3.client") as client:
        handler = load(name)
    assert (resource.called, client.called) == (False, False)
    assert isinstance(handler.table, ServiceResource)
    assert isinstance(handler.sns, BaseClient)
    drop_handler()
    with patch("boto3.resource") as resource:
        load(name)
    assert resource.called
