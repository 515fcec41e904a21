"""A test may put mocks in the place of AWS by importing the handler again: here is how."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from unittest.mock import MagicMock, patch

import pytest
from boto3.resources.base import ServiceResource
from botocore.client import BaseClient

from tests.unit.doubles import HANDLER_NAMES, drop_handler

EVENT = {"Records": [{"messageId": "msg-123", "body": '{"symbol": "AAPL", "price": 200.0}'}]}


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


@pytest.fixture(params=HANDLER_NAMES)
def reloaded(
    request: pytest.FixtureRequest, boto3_mocks: tuple[MagicMock, MagicMock]
) -> Iterator[ModuleType]:
    """The handler, imported while boto3 makes mocks; forgotten after the test."""
    drop_handler()
    yield load(request.param)
    drop_handler()


def test_a_reloaded_handler_holds_the_mocks(
    reloaded: ModuleType, boto3_mocks: tuple[MagicMock, MagicMock]
) -> None:
    resource, client = boto3_mocks
    assert reloaded.table is resource.return_value.Table.return_value
    assert reloaded.sns is client.return_value


def test_a_reloaded_handler_names_table_and_service(
    reloaded: ModuleType, boto3_mocks: tuple[MagicMock, MagicMock]
) -> None:
    resource, client = boto3_mocks
    assert [call.args for call in resource.call_args_list] == [("dynamodb",)]
    assert [call.args for call in client.call_args_list] == [("sns",)]
    resource.return_value.Table.assert_called_once_with("tap-test-alerts")


def test_a_high_price_is_recorded_through_the_mocks(reloaded: ModuleType) -> None:
    assert reloaded.handler(EVENT, None) == {"batchItemFailures": []}
    reloaded.sns.publish_batch.assert_called_once()
    (call,) = reloaded.table.meta.client.batch_write_item.call_args_list
    (requests,) = call.kwargs["RequestItems"].values()
    (written,) = [request["PutRequest"]["Item"] for request in requests]
    assert (written["symbol"], written["price"], written["sent"]) == ("AAPL", 200, True)


def test_a_low_price_records_nothing(reloaded: ModuleType) -> None:
    low = {"Records": [{"messageId": "msg-123", "body": '{"symbol": "AAPL", "price": 149.0}'}]}
    assert reloaded.handler(low, None) == {"batchItemFailures": []}
    reloaded.table.meta.client.batch_write_item.assert_not_called()
    reloaded.sns.publish_batch.assert_not_called()


@pytest.mark.usefixtures("_fresh_handler")
@pytest.mark.parametrize("name", HANDLER_NAMES)
def test_without_the_reload_the_real_clients_stay(name: str) -> None:
    load(name)
    with patch("boto3.resource") as resource, patch("boto3.client") as client:
        handler = load(name)
    assert not resource.called
    assert not client.called
    assert isinstance(handler.table, ServiceResource)
    assert isinstance(handler.sns, BaseClient)


def test_nothing_of_the_handler_stays_behind(boto3_mocks: tuple[MagicMock, MagicMock]) -> None:
    for name in HANDLER_NAMES:
        load(name)
    drop_handler()
    assert not sys.modules.keys() & set(HANDLER_NAMES)
