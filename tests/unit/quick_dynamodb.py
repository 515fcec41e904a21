"""The simulation's DynamoDB in the place of moto's, which takes ten times as long.

It answers as moto does, request by request (test_simulation_dynamodb.py). Clients notice nothing:
what is registered for their events is called as ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders

from tests.simulation.dynamodb import Database, finished
from tests.simulation.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_real_call: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]  # private
_MISSING = "Requested resource not found"


class _Request(dict[str, Any]):
    """A request as events get it: its body is written when somebody reads it."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(headers={})
        self._params = params

    def __missing__(self, key: str) -> Any:
        if key != "body":
            raise KeyError(key)
        return json.dumps(self._params, default=lambda value: value.decode("latin-1")).encode()


class _Response:
    """An answer as events get it: its content is written when somebody reads it."""

    def __init__(self, status_code: int, parsed: Mapping[str, Any]) -> None:
        self.status_code = status_code
        self._parsed = parsed

    @property
    def content(self) -> str:
        return json.dumps(self._parsed)


class _Body(BytesIO):
    """An answer's bytes, as botocore reads them."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Tables:
    """Tables by their names, and a clock that goes on while a transaction lasts.

    Attributes
    ----------
    databases
        What holds each table's items.
    on_the_wire
        Clients whose requests are left to botocore; somebody brings them to `delivered`.
    """

    def __init__(self) -> None:
        self.databases: dict[str, Database] = {}
        self.on_the_wire: list[Any] = []
        self._described: dict[str, dict[str, Any]] = {}
        self._microseconds = 0
        self._one_at_a_time = RLock()
        self._request_ids = count()

    def call(self, client: Any, operation: str, params: dict[str, Any]) -> Any:
        """Do what botocore does with a call, but for the way to AWS and back."""
        service = client.meta.service_model.service_id.hyphenize()
        if service != "dynamodb" or client in self.on_the_wire:
            return _real_call(client, operation, params)
        events, model = client.meta.events, client.meta.service_model.operation_model(operation)
        context: dict[str, Any] = {"client_config": client.meta.config, "auth_type": None}
        sent = client._emit_api_params(api_params=params, operation_model=model, context=context)
        name = f"dynamodb.{operation}"
        _, answered = events.emit_until_response(
            f"before-call.{name}",
            model=model,
            params=_Request(sent),
            request_signer=None,
            context=context,
        )
        http, parsed = answered or self._answer(operation, sent)
        events.emit(
            f"after-call.{name}", http_response=http, parsed=parsed, model=model, context=context
        )
        if http.status_code >= 300:
            raise client.exceptions.from_code(parsed["Error"]["Code"])(parsed, operation)
        return parsed

    def delivered(self, request: Any) -> AWSResponse:
        """Answer a request as it goes over the wire."""
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        response, parsed = self._answer(operation, json.loads(request.body))
        del parsed["ResponseMetadata"]
        if "Error" in parsed:
            parsed["__type"] = parsed.pop("Error")["Code"]
        raw: Any = _Body(json.dumps(parsed).encode())
        return AWSResponse(request.url, response.status_code, HTTPHeaders(), raw)

    def _answer(self, operation: str, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        with self._one_at_a_time:
            try:
                parsed, status = self._done(operation, params), 200
                parsed["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}}
            except AwsError as refusal:
                parsed, status = refusal.answer(), refusal.status
        parsed["ResponseMetadata"] |= {"RequestId": f"r-{next(self._request_ids)}"}
        parsed["ResponseMetadata"] |= {"RetryAttempts": 0}
        return _Response(status, parsed), parsed

    def _done(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "CreateTable":
                name = params["TableName"]
                self.databases[name] = Database(name, lambda: self._microseconds, Random(name))
                self._described[name] = {**params, "TableStatus": "ACTIVE"}
                return {"TableDescription": self._described[name]}
            case "DeleteTable":
                del self.databases[params["TableName"]]
                return {}
            case "DescribeTable":
                return {"Table": self._described[self._database(params).table_name]}
        answer = self._database(params).call(operation, params)
        if isinstance(answer, Generator):
            return finished(answer, self._wait)
        done: dict[str, Any] = answer
        return done

    def _wait(self, microseconds: int) -> None:
        self._microseconds += microseconds

    def _database(self, params: Mapping[str, Any]) -> Database:
        name = params.get("TableName") or next(_names_in(params), "")
        if name not in self.databases:
            raise AwsError("ResourceNotFoundException", _MISSING)
        return self.databases[name]


def _names_in(params: Mapping[str, Any]) -> Iterator[str]:
    yield from params.get("RequestItems", {})
    for action in params.get("TransactItems", ()):
        yield from (asked["TableName"] for asked in action.values())


_current: list[Tables] = []


def database_of(table: Table) -> Database:
    """Return what holds a table's items, to put many at once or to look at one."""
    return _current[-1].databases[table.name]


@contextmanager
def quick_dynamodb() -> Iterator[Tables]:
    """Answer all calls to DynamoDB while this context lasts."""
    tables = Tables()

    def call(client: Any, operation: str, params: dict[str, Any]) -> Any:
        return tables.call(client, operation, params)

    _current.append(tables)
    try:
        with patch.object(BaseClient, "_make_api_call", call):
            yield tables
    finally:
        _current.pop()
