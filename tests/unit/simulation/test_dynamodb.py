"""The simulated DynamoDB answers as moto does: to random requests, and to the real ones."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore import xform_name
from botocore.exceptions import ClientError

from tests.histories import shards
from tests.simulation.cases import Case, case_of
from tests.simulation.dynamodb import Database, finished
from tests.simulation.equipment import TABLE, equipped
from tests.simulation.errors import AwsError
from tests.simulation.plain import is_resource, read_answer, written
from tests.simulation.strikes import Plan
from tests.simulation.world import Mistakes, World
from tests.unit.doubles import create_table

NAMES = {"#m": "m", "#x": "x", "#l": "l", "#day": "day"}
VALUES: dict[str, Any] = {":p": "p", ":q": "q", ":text": "a", ":longer": "ab"}
VALUES |= {":zero": 0, ":one": 1, ":two": 2, ":half": Decimal("0.5")}
VALUES |= {":list": [1], ":map": {"x": 1, "y": "text"}}
CONDITIONS = (
    *("attribute_exists({path})", "attribute_not_exists({path})", "begins_with(s, :text)"),
    *("n {sign} :one", "n {sign} :two", "s {sign} :text", "s {sign} :longer", "#l = :list"),
    "#m.#x {sign} :one",
)
SETTINGS = {
    "n": ("n = :two", "n = if_not_exists(n, :zero) + :one", "n = n + :half"),
    "s": ("s = if_not_exists(#day, :text)",),
    "#m": ("#m = :map",),
    "#l": ("#l = if_not_exists(#l, :list)", "#l = :list"),
    "#day": ("#day = s",),
}
_serialize = TypeSerializer().serialize


@pytest.fixture
def client(moto: None) -> Any:
    create_table(TABLE)
    return boto3.client("dynamodb")


def database_of() -> Database:
    now = iter(range(10**12, 10**18, 10**6))
    return Database(TABLE, lambda: next(now), Random(1))


def answer_of(database: Database, operation: str, params: Mapping[str, Any]) -> Any:
    """Ask the simulated DynamoDB; returns what it answers, or the code of its refusal."""
    try:
        answer = database.call(operation, params)
        if isinstance(answer, Generator):
            answer = finished(answer, lambda microseconds: None)
    except AwsError as error:
        return _refusal(error.code, error.more)
    return _comparable(answer)


def answer_of_moto(client: Any, operation: str, params: Mapping[str, Any]) -> Any:
    try:
        return _comparable(getattr(client, xform_name(operation))(**params))
    except ClientError as error:
        return _refusal(error.response["Error"]["Code"], error.response)


def _refusal(code: str, more: Mapping[str, Any]) -> Any:
    reasons = [reason.get("Code", "None") for reason in more.get("CancellationReasons", ())]
    return code, reasons, _comparable(more.get("Item"))


def _comparable(value: Any) -> Any:
    """Write an answer so that two that mean the same are equal."""
    if isinstance(value, dict):
        if value.keys() == {"N"}:
            return Decimal(value["N"])
        ignored = {"ResponseMetadata", "LastEvaluatedKey", "ScannedCount", "Count"}
        ignored |= {"ConsumedCapacity", "UnprocessedItems"}
        kept = {name: _comparable(each) for name, each in value.items() if name not in ignored}
        if isinstance(kept.get("Responses"), dict):
            kept["Responses"] = sorted(map(repr, kept["Responses"].get(TABLE, [])))
        return {name: each for name, each in kept.items() if each != {}}
    return list(map(_comparable, value)) if isinstance(value, list) else value


class Writer(Random):
    """Writes random requests."""

    def request(self) -> tuple[str, dict[str, Any]]:  # noqa: PLR0911  # one for each kind
        kinds = "Put Put Update Update Update Delete Get Query Query Transact Transact"
        kind = self.choice((*kinds.split(), "BatchGet", "Scan", "BatchWrite"))
        params: dict[str, Any] = {"TableName": TABLE}
        match kind:
            case "Put" | "Update" | "Delete":
                return f"{kind}Item", self.write(kind, is_alone=True)
            case "Get":
                return "GetItem", {**params, "Key": self.key(), "ConsistentRead": True}
            case "Transact":
                several = self.choices(("Put", "Update", "Delete", "ConditionCheck"), k=4)
                actions = [{each: self.write(each)} for each in several[: self.randint(1, 4)]]
                return "TransactWriteItems", {"TransactItems": actions}
            case "BatchGet":
                keys = [self.key() for _ in range(self.randint(1, 4))]
                return "BatchGetItem", {"RequestItems": {TABLE: {"Keys": keys}}}
            case "BatchWrite":
                return "BatchWriteItem", {"RequestItems": {TABLE: self.batch()}}
            case "Scan":
                if self.random() < 0.5:
                    params["FilterExpression"] = self.condition()
                return "Scan", with_placeholders(params)
        return "Query", self.query(params)

    def key(self) -> dict[str, Any]:
        return {"pk": {"S": self.choice("pq")}, "sk": {"S": self.choice(("a", "ab", "b", "b#1"))}}

    def item(self) -> dict[str, Any]:
        number = self.choice((0, 1, 2, Decimal("1.5"), Decimal("0.10")))
        texts = self.choices(("a", "ab", "b", "2026-01-01"), k=4)
        values: dict[str, Any] = dict(zip(("s", "day", "fired_at", "rule_id"), texts, strict=True))
        values |= {"n": number, "m": {"x": number, "y": "text"}}
        values["l"] = [number, "a", ["b"]][: self.randint(0, 3)]
        names = self.sample(list(values), self.randint(0, len(values)))
        return {**self.key(), **{name: _serialize(values[name]) for name in names}}

    def batch(self) -> list[dict[str, Any]]:
        items = {str((item["pk"], item["sk"])): item for item in (self.item(), self.item())}
        return [
            {"PutRequest": {"Item": item}}
            if self.random() < 0.6
            else {"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}}
            for item in items.values()
        ]

    def write(self, kind: str, *, is_alone: bool = False) -> dict[str, Any]:
        params: dict[str, Any] = {"TableName": TABLE}
        params |= {"Item": self.item()} if kind == "Put" else {"Key": self.key()}
        if kind == "Update":
            params["UpdateExpression"] = self.update()
        if self.random() < 0.6 or kind == "ConditionCheck":
            params["ConditionExpression"] = self.condition()
            if is_alone and self.random() < 0.5:
                params["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if is_alone and self.random() < 0.4:
            wanted = ("ALL_OLD", "ALL_NEW") if kind == "Update" else ("ALL_OLD",)
            params["ReturnValues"] = self.choice(wanted)
        return with_placeholders(params)

    def update(self) -> str:
        """Write an update of a few attributes, each named once."""
        names = self.sample(list(SETTINGS), self.randint(0, 3))
        settings = ", ".join(self.choice(SETTINGS[name]) for name in names)
        gone = ["fired_at", "rule_id", "nothing"]
        removals = ", ".join(self.sample(gone, self.randint(0 if names else 1, 2)))
        parts = [("SET", settings), ("REMOVE", removals)]
        return " ".join(f"{section} {text}" for section, text in parts if text)

    def condition(self, depth: int = 0) -> str:
        if depth < 2 and self.random() < 0.4:
            left, right = (self.condition(depth + 1) for _ in range(2))
            either = f"{left} OR {right}"
            return self.choice((f"{left} AND {right}", f"({either})" if depth else either))
        path = self.choice(("n", "s", "#m.#x", "#l", "#day", "nothing"))
        sign = self.choice(("=", "<>", "<", "<=", ">", ">="))
        return self.choice(CONDITIONS).format(path=path, sign=sign)

    def query(self, params: dict[str, Any]) -> dict[str, Any]:
        index = self.choice(("", "", "", "by_day", "by_rule"))
        pk, sk = {"by_day": ("#day", "fired_at"), "by_rule": ("rule_id", "")}.get(
            index, ("pk", "sk")
        )
        text = f"{pk} = {self.choice((':text', ':longer') if index else (':p', ':q'))}"
        sign = self.choice(("=", "<", "<=", ">", ">="))
        others = (f"{sk} {sign} :text", f"begins_with({sk}, :text)")
        if sk and self.random() < 0.75:
            text += f" AND {self.choice(others)}"
        params |= {"KeyConditionExpression": text, "ScanIndexForward": index == "by_rule"}
        if index:
            params["IndexName"] = index
        elif self.random() < 0.5:
            params["Limit"] = self.randint(1, 3)
        if index != "by_rule":
            params["ScanIndexForward"] = self.random() < 0.5
        return with_placeholders(params)


def with_placeholders(params: dict[str, Any]) -> dict[str, Any]:
    """Say what the placeholders stand for that a request uses."""
    texts = [value for name, value in params.items() if name.endswith("Expression")]
    used = set(re.findall(r"[:#]\w+", " ".join(texts)))
    names = {alias: name for alias, name in NAMES.items() if alias in used}
    values = {alias: _serialize(value) for alias, value in VALUES.items() if alias in used}
    given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return params | {name: each for name, each in given.items() if each}


@pytest.mark.parametrize("seed", shards(1, 6))
def test_random_requests_are_answered_as_moto_answers_them(client: Any, seed: int) -> None:
    writer, database = Writer(seed), database_of()
    refused = 0
    for _ in range(200):
        operation, params = writer.request()
        wanted = answer_of_moto(client, operation, params)
        assert answer_of(database, operation, params) == wanted, (operation, params)
        refused += isinstance(wanted, tuple)
    assert 10 < refused < 150
    assert _comparable(client.scan(TableName=TABLE)["Items"]) == _comparable(database.items())


def _one_after_the_other(case: Case) -> Case:
    return replace(case, containers=1, operators=1, is_adverse=False, duplicates=0, faults=Plan())


@pytest.mark.parametrize(
    "case",
    [
        case_of(28, "late"),
        *(pytest.param(case_of(seed, "late"), marks=pytest.mark.deep) for seed in (18, 47)),
        # Changes of rules alone, or they would meet the handler's transactions.
        *(replace(case_of(seed, "wild"), messages=()) for seed in (0, 4, 9)),
    ],
    ids=lambda case: f"{case.kind}-{case.seed}",
)
def test_the_requests_of_a_history_are_answered_as_moto_answers_them(
    client: Any, case: Case
) -> None:
    asked: list[tuple[str, Any]] = []
    case = _one_after_the_other(case)
    with equipped() as equipment:
        world = World(case, equipment, Mistakes(), is_traced=False)
        call = world._database.call

        def heard(operation: str, params: Mapping[str, Any]) -> Any:
            asked.append((operation, params))
            return call(operation, params)

        world._wire.services["dynamodb"] = heard
        outcome = world.play()
    database = database_of()
    for operation, params in asked:
        wanted = answer_of_moto(client, operation, params)
        assert answer_of(database, operation, params) == wanted, (operation, params)
    assert len(asked) > 2
    assert _comparable(database.items()) == _comparable(list(outcome.items))


def test_requests_are_written_and_answers_read_as_boto3_does(client: Any) -> None:
    table = boto3.resource("dynamodb").Table(TABLE)
    value = {"t": "a", "n": Decimal("1.50"), "i": 7, "b": True, "z": None, "l": [1, {"m": "x"}]}
    sent: list[Any] = []
    table.meta.client.meta.events.register_last(
        "before-parameter-build.dynamodb", lambda params, **_: sent.append(params)
    )
    assert (is_resource(table.meta.client), is_resource(client)) == (True, False)
    item: Any = {"pk": "a", "sk": "b", "value": value}
    table.put_item(Item=item)
    assert written("PutItem", {"TableName": TABLE, "Item": item}) == sent[-1]
    key = {"pk": "a", "sk": "b"}
    asked: Any = {"RequestItems": {TABLE: {"Keys": [key]}}}
    read = table.meta.client.batch_get_item(**asked)["Responses"]
    assert written("BatchGetItem", asked) == sent[-1]
    answer = client.batch_get_item(
        RequestItems={TABLE: {"Keys": [{n: {"S": v} for n, v in key.items()}]}}
    )
    read_answer(answer)
    assert answer["Responses"] == read


def test_a_transaction_holds_its_items_until_it_ends() -> None:
    now = [0]
    database = Database(TABLE, lambda: now[0], Random(1))
    item = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    put = {"TableName": TABLE, "Item": item}
    steps = database.call("TransactWriteItems", {"TransactItems": [{"Put": put}]})
    lasts = next(steps)
    assert answer_of(database, "PutItem", put)[0] == "TransactionConflictException"
    code, reasons, _ = answer_of(database, "TransactWriteItems", {"TransactItems": [{"Put": put}]})
    assert (code, reasons) == ("TransactionCanceledException", ["TransactionConflict"])
    assert database.items() == []
    now[0] += lasts
    assert answer_of(database, "PutItem", put) == {}
    assert database.items() == [item]
