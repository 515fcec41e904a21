"""The wire between an actor and AWS: calls take time, and are struck by faults.

The clients' own retries are played here, since they lie below the boundary: an attempt that
fails is made again up to three times, after a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from random import Random
from typing import Any

from botocore.exceptions import ReadTimeoutError

from tests.simulation.errors import AwsError
from tests.simulation.scheduler import Actor, Killed, Scheduler
from tests.simulation.sns import Topic
from tests.simulation.strikes import DEADLY, ENTRIES, ERRORS, LOST, Fault, Strikes

Call = Callable[[str, Mapping[str, Any]], Any]

_SECOND = 1_000_000
_READ_TIMEOUT_SECONDS = 3
_ATTEMPTS = 3
_FROZEN_SECONDS = 15  # for who has no deadline


class Wire:
    """Takes calls to the services.

    Parameters
    ----------
    services
        What answers, by the services' names.
    topic
        Refuses single entries when a fault wants it to.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        strikes: Strikes,
        random: Random,
        services: dict[str, Call],
        topic: Topic,
    ) -> None:
        self._scheduler = scheduler
        self._strikes = strikes
        self._random = random
        self.services = services
        self._topic = topic
        self.calls = 0

    def request(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        note: Callable[[str], None] | None,
    ) -> Any:
        """Take a call: let its time pass, strike it or not, and answer."""
        actor = self._scheduler.running()
        self.calls += 1
        fault = self._strikes.at(self.calls, actor.name, operation, params, self._scheduler.now)
        if note:
            note(f"{self.calls:5} {actor.name}: {operation} {_brief(operation, params)}")
            if fault:
                note(f"      {actor.name}: struck: {fault}")
        self._scheduler.call(self._random.randrange(2_000, 9_000))

        def execute() -> Any:
            return self._execute(service, operation, params)

        if fault is None:
            return execute()
        if fault in ENTRIES:
            return self._refusing_one(fault, params, execute)
        if fault in ERRORS:
            return self._failing(fault, execute)
        if fault is Fault.SLOW:
            return self._slowly(execute)
        if fault in LOST:
            return self._without_answer(fault, execute)
        assert fault in DEADLY
        return self._killed(actor, fault, execute)

    def _slowly(self, execute: Callable[[], Any]) -> Any:
        lasts = self._random.randrange(_SECOND // 2, _READ_TIMEOUT_SECONDS * _SECOND)
        is_before = self._random.random() < 0.5
        if is_before:
            self._scheduler.pause(lasts)
        try:
            return execute()
        finally:
            if not is_before:
                self._scheduler.pause(lasts)

    def _failing(self, fault: Fault, execute: Callable[[], Any]) -> Any:
        code, status, is_always = ERRORS[fault]
        for _ in range(_ATTEMPTS - 1 if is_always else 1):
            self._scheduler.pause(int(self._random.random() * _SECOND))
        if is_always:
            raise AwsError(code, "struck", status)
        return execute()

    def _killed(self, actor: Actor, fault: Fault, execute: Callable[[], Any]) -> Any:
        if fault in (Fault.KILLED_AFTER, Fault.FROZEN_AFTER):
            with suppress(AwsError):
                execute()
        if fault in (Fault.FROZEN_BEFORE, Fault.FROZEN_AFTER):
            now = self._scheduler.now
            until = actor.deadline or now + _FROZEN_SECONDS * _SECOND
            self._scheduler.pause(until - now + 1)
        actor.is_dead = True
        raise Killed

    def _without_answer(self, fault: Fault, execute: Callable[[], Any]) -> Any:
        for _ in range(_ATTEMPTS if fault is Fault.ANSWERS_LOST else 1):
            with suppress(AwsError):
                execute()
            self._scheduler.pause(_READ_TIMEOUT_SECONDS * _SECOND)
        if fault is Fault.ANSWERS_LOST:
            raise ReadTimeoutError(endpoint_url="https://simulated")
        return execute()

    def _refusing_one(
        self, fault: Fault, params: Mapping[str, Any], execute: Callable[[], Any]
    ) -> Any:
        count = len(params["PublishBatchRequestEntries"])
        refused, places = self._random.randrange(count), iter(range(count))
        code = "InternalError" if fault is Fault.ENTRY_REFUSED else "InvalidParameter"
        self._topic.refuses = lambda _: code if next(places) == refused else None
        try:
            return execute()
        finally:
            self._topic.refuses = lambda _: None

    def _execute(self, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        answer = self.services[service](operation, params)
        if not isinstance(answer, Iterator):
            return answer
        while True:
            try:
                lasts = next(answer)
            except StopIteration as end:
                return end.value
            self._scheduler.call(lasts)


def _brief(operation: str, params: Mapping[str, Any]) -> str:
    """Say in short what a call is about."""
    if operation == "PublishBatch":
        return " ".join(entry["Id"][:8] for entry in params["PublishBatchRequestEntries"])
    if operation == "TransactWriteItems":
        parts = []
        for action in params["TransactItems"]:
            ((kind, asked),) = action.items()
            parts.append(f"{kind} {_key(asked.get('Key') or asked['Item'])}")
        return f"{len(parts)}: " + ", ".join(parts[:4])
    if "Key" in params or "Item" in params:
        condition = params.get("ConditionExpression", "")
        return f"{_key(params.get('Key') or params['Item'])} {condition}"
    values = params.get("ExpressionAttributeValues", {})
    return str(values or list(params.get("RequestItems", {}).values()))[:120]


def _key(attributes: Mapping[str, Any]) -> str:
    return f"{attributes['pk']['S']}/{attributes['sk']['S']}"
