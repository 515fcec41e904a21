"""The simulated DynamoDB answers as moto does: to random requests, and to the real ones."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from tests.simulation.cases import Case, case_of
from tests.simulation.dynamodb import Database, finished
from tests.simulation.equipment import TABLE, equipped
from tests.simulation.errors import AwsError
from tests.simulation.plain import is_resource, read_answer, written
from tests.simulation.strikes import Plan
from tests.simulation.world import Mistakes, World
from tests.unit.doubles import create_table

PKS, SKS = ("p", "q"), ("", "a", "ab", "b", "b#1")
NAMES = ("n", "s", "m", "l", "set", "day", "fired_at", "rule_id")
PATHS = ("n", "s", "#m.#x", "#l", "#l[0]", "#set", "#day", "nothing")
PLACEHOLDERS = {"#m": "m", "#x": "x", "#l": "l", "#set": "set", "#day": "day"}
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
    names = {"BatchGetItem": "batch_get_item", "GetItem": "get_item", "Query": "query"}
    names |= {"UpdateItem": "update_item", "PutItem": "put_item", "DeleteItem": "delete_item"}
    names |= {"TransactWriteItems": "transact_write_items", "Scan": "scan"}
    names |= {"BatchWriteItem": "batch_write_item", "TransactGetItems": "transact_get_items"}
    try:
        return _comparable(getattr(client, names[operation])(**params))
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
        if value.keys() in ({"SS"}, {"NS"}):
            ((kind, entries),) = value.items()
            return kind, sorted(entries)
        ignored = {"ResponseMetadata", "LastEvaluatedKey", "ScannedCount", "Count"}
        ignored |= {"ConsumedCapacity", "UnprocessedItems"}
        kept = {name: _comparable(each) for name, each in value.items() if name not in ignored}
        if isinstance(kept.get("Responses"), dict):
            kept["Responses"] = sorted(map(repr, kept["Responses"].get(TABLE, [])))
        return {name: each for name, each in kept.items() if each != {}}
    return list(map(_comparable, value)) if isinstance(value, list) else value


def _wrapped(text: str) -> str:
    """Put parentheses around a condition that has none: DynamoDB refuses two around one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            is_whole = text.startswith("(") and place == len(text) - 1
            return text if is_whole else f"({text})"
    raise ValueError(text)


class Writer:
    """Writes random requests."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.count = 0

    def request(self) -> tuple[str, dict[str, Any]]:  # noqa: PLR0911  # one for each kind
        kinds = ("Put", "Put", "Update", "Update", "Update", "Delete", "Get", "Query", "Query")
        kind = self.random.choice(
            (*kinds, "Transact", "Transact", "BatchGet", "Scan", "BatchWrite")
        )
        match kind:
            case "Put" | "Update" | "Delete":
                return f"{kind}Item", self.write(kind, is_alone=True)
            case "Get":
                return "GetItem", {"TableName": TABLE, "Key": self.key(), "ConsistentRead": True}
            case "Transact":
                return "TransactWriteItems", {"TransactItems": self.actions()}
            case "BatchGet":
                keys = [self.key() for _ in range(self.random.randint(1, 4))]
                return "BatchGetItem", {"RequestItems": {TABLE: {"Keys": keys}}}
            case "BatchWrite":
                return "BatchWriteItem", {"RequestItems": {TABLE: self.batch()}}
            case "Scan":
                return "Scan", {"TableName": TABLE, **self.filtered()}
        return "Query", self.query()

    def key(self) -> dict[str, Any]:
        sk = self.random.choice(SKS) or "a"
        return {"pk": {"S": self.random.choice(PKS)}, "sk": {"S": sk}}

    def value(self, name: str) -> Any:
        random = self.random
        number = random.choice((0, 1, 2, Decimal("1.5"), Decimal("1E+3")))
        match name:
            case "n":
                return number
            case "m":
                return {"x": number, "y": "text"}
            case "l":
                return [number, "a", ["b"]][: random.randint(0, 3)]
            case "set":
                return {random.choice("ab"), "c"}
        return random.choice(("a", "ab", "b", "2026-01-01"))

    def item(self) -> dict[str, Any]:
        names = self.random.sample(NAMES, self.random.randint(0, len(NAMES)))
        values = {name: _serialize(self.value(name)) for name in names}
        return {**self.key(), **values}

    def write(self, kind: str, *, is_alone: bool) -> dict[str, Any]:
        params: dict[str, Any] = {"TableName": TABLE}
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        if kind == "Put":
            params["Item"] = self.item()
        else:
            params["Key"] = self.key()
        if kind == "Update":
            params["UpdateExpression"] = self.update(values)
        if self.random.random() < 0.6 or kind == "ConditionCheck":
            asked: dict[str, Any] = {}
            params["ConditionExpression"] = self.condition(asked)
            values |= asked
            if is_alone and self.random.random() < 0.5:
                params["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if is_alone and self.random.random() < 0.4:
            wanted = ("ALL_OLD", "ALL_NEW") if kind == "Update" else ("ALL_OLD",)
            params["ReturnValues"] = self.random.choice(wanted)
        text = params.get("UpdateExpression", "") + params.get("ConditionExpression", "")
        names |= {alias: name for alias, name in PLACEHOLDERS.items() if alias in text}
        if names:
            params["ExpressionAttributeNames"] = names
        if values:
            params["ExpressionAttributeValues"] = values
        return params

    def named(self, values: dict[str, Any], value: Any) -> str:
        self.count += 1
        alias = f":v{self.count:06}"
        values[alias] = _serialize(value)
        return alias

    def update(self, values: dict[str, Any]) -> str:
        """Write an update of a few attributes, each named once."""
        random = self.random
        number = random.choice((1, 2, Decimal("0.5")))
        choices: dict[str, Callable[[], str]] = {
            "n": lambda: random.choice(
                (
                    f"n = {self.named(values, number)}",
                    f"n = if_not_exists(n, {self.named(values, 0)}) + {self.named(values, 1)}",
                    f"n = n + {self.named(values, number)}",
                    f"n = n - {self.named(values, number)}",
                )
            ),
            "s": lambda: f"s = if_not_exists(#day, {self.named(values, 'a')})",
            "#m": lambda: random.choice(
                (
                    f"#m.#x = {self.named(values, number)}",
                    f"#m = {self.named(values, self.value('m'))}",
                )
            ),
            "#l": lambda: f"#l = list_append(#l, {self.named(values, [1])})",
            "#day": lambda: "#day = s",
        }
        names = random.sample(list(choices), random.randint(0, 3))
        settings = [choices[name]() for name in names]
        for alias in [alias for alias in values if alias not in " ".join(settings)]:
            del values[alias]
        left = [name for name in ("fired_at", "rule_id", "#set") if name not in names]
        gone = random.sample(left, random.randint(0 if names else 1, 2))
        text = f"SET {', '.join(settings)}" if settings else ""
        return f"{text} REMOVE {', '.join(gone)}".strip() if gone else text

    def condition(  # noqa: C901, PLR0911  # one for each kind
        self, values: dict[str, Any], depth: int = 0
    ) -> str:
        random = self.random
        if depth < 2 and random.random() < 0.4:
            left, right = (self.condition(values, depth + 1) for _ in range(2))
            options = (f"{left} AND {right}", f"{left} OR {right}", f"NOT {_wrapped(left)}")
            text = random.choice(options)
            if text == options[1] and depth:
                text = f"({text})"
            if depth == 0:
                for alias in [alias for alias in values if alias not in text]:
                    del values[alias]
            return text
        path = random.choice(PATHS)
        match random.randrange(8):
            case 0:
                return f"attribute_exists({path})"
            case 1:
                return f"attribute_not_exists({path})"
            case 2:
                return f"begins_with(s, {self.named(values, 'a')})"
            case 3:
                return f"contains(#l, {self.named(values, 'a')})"
            case 4:
                named = ", ".join(self.named(values, each) for each in ("a", 1))
                return f"s IN ({named})"
            case 5:
                low = self.named(values, 1)
                return f"n BETWEEN {low} AND {self.named(values, 2)}"
            case 6:
                sign = random.choice(("=", ">"))
                return f"(attribute_exists(s) AND size(s) {sign} {self.named(values, 1)})"
        sign = random.choice(("=", "<>", "<", "<=", ">", ">="))
        if random.random() < 0.5:
            return f"n {sign} {self.named(values, random.choice((1, 2)))}"
        return f"s {sign} {self.named(values, random.choice(('a', 'ab')))}"

    def actions(self) -> list[dict[str, Any]]:
        kinds = ("Put", "Update", "Delete", "ConditionCheck")
        chosen = [self.random.choice(kinds) for _ in range(self.random.randint(1, 4))]
        return [{kind: self.write(kind, is_alone=False)} for kind in chosen]

    def batch(self) -> list[dict[str, Any]]:
        random = self.random
        items = {str((item["pk"], item["sk"])): item for item in (self.item(), self.item())}
        return [
            {"PutRequest": {"Item": item}}
            if random.random() < 0.6
            else {"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}}
            for item in items.values()
        ]

    def filtered(self) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return {}
        values: dict[str, Any] = {}
        text = self.condition(values)
        names = {alias: name for alias, name in PLACEHOLDERS.items() if alias in text}
        asked: dict[str, Any] = {"FilterExpression": text}
        if names:
            asked["ExpressionAttributeNames"] = names
        return asked | ({"ExpressionAttributeValues": values} if values else {})

    def query(self) -> dict[str, Any]:
        random = self.random
        index = random.choice((None, None, None, "by_day", "by_rule"))
        if index == "by_rule":
            values = {":p": {"S": random.choice(("a", "ab"))}}
            asked = self._asked("rule_id = :p", values)
            return asked | {"IndexName": index, "ScanIndexForward": True}
        pk, sk = ("day", "fired_at") if index else ("pk", "sk")
        pk = "#day" if index else pk
        text, values = f"{pk} = :p", {":p": {"S": random.choice(("a", "ab") if index else PKS)}}
        match random.randrange(4):
            case 0:
                text += f" AND {sk} {random.choice(('=', '<', '<=', '>', '>='))} :s"
                values[":s"] = {"S": random.choice(("a", "b"))}
            case 1:
                text += f" AND begins_with({sk}, :s)"
                values[":s"] = {"S": "a"}
            case 2:
                text += f" AND {sk} BETWEEN :s AND :t"
                values |= {":s": {"S": "a"}, ":t": {"S": "b"}}
        asked = self._asked(text, values)
        if index:
            asked |= {"IndexName": index, "ExpressionAttributeNames": {"#day": "day"}}
        if not index and random.random() < 0.5:
            asked["Limit"] = random.randint(1, 3)
        return asked

    def _asked(self, condition: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "TableName": TABLE,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": self.random.random() < 0.5,
        }


@pytest.mark.parametrize("seed", range(3))
def test_random_requests_are_answered_as_moto_answers_them(client: Any, seed: int) -> None:
    writer, database = Writer(seed), database_of()
    refused = 0
    for _ in range(300):
        operation, params = writer.request()
        wanted = answer_of_moto(client, operation, params)
        assert answer_of(database, operation, params) == wanted, (operation, params)
        refused += isinstance(wanted, tuple)
    assert 20 < refused < 200
    assert _comparable(client.scan(TableName=TABLE)["Items"]) == _comparable(database.items())


def _one_after_the_other(case: Case) -> Case:
    return replace(case, containers=1, operators=1, is_adverse=False, duplicates=0, faults=Plan())


@pytest.mark.parametrize(
    "case",
    [
        *(case_of(seed, "late") for seed in (18, 28, 47)),
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
