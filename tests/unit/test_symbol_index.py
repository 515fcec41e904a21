from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.adapters.items import SCHEMA
from price_alerts.adapters.symbol_index import SymbolIndex
from price_alerts.domain.conditions import Condition
from price_alerts.domain.rules import Rule
from tests.unit.doubles import add_rules, former_item, items_of, rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from price_alerts.domain.watches import Watch

Answer = dict[str, Any]


@pytest.fixture
def index(table: Table) -> SymbolIndex:
    """The index of AAPL, with a rule at each of 9, 10 and 200, and one of another symbol."""
    add_rules(table, rule("a", 9), rule("b", 10), rule("c", 200), rule("m", 10, symbol="MSFT"))
    return SymbolIndex(table, "AAPL")


def added(rule: Rule) -> Rule:
    """Return a rule as the first change of its symbol has stored it."""
    return replace(rule, revision=1)


def ids(watches: list[Watch]) -> list[str]:
    return [watch.rule_id for watch in watches]


@pytest.mark.parametrize(
    ("start", "upward", "limit", "found"),
    [
        pytest.param("0", True, 9, ["a", "b", "c"], id="all upwards"),
        pytest.param("9", False, 9, ["c", "b", "a"], id="all downwards"),
        pytest.param("2011", True, 9, ["b", "c"], id="from a level up"),
        pytest.param("2011$", False, 9, ["b", "a"], id="from a level down"),
        pytest.param("2011#b", True, 9, ["c"], id="behind a key upwards"),
        pytest.param("2011#b", False, 9, ["a"], id="behind a key downwards"),
        pytest.param("0", True, 2, ["a", "b"], id="no more than asked for"),
        pytest.param("9", False, 1, ["c"], id="no more than asked for downwards"),
    ],
)
def test_watches_are_read_behind_a_key(
    index: SymbolIndex, start: str, upward: bool, limit: int, found: list[str]
) -> None:
    assert ids(index.watches("price", start, upward=upward, limit=limit)) == found


def test_each_line_has_its_own_watches(table: Table, index: SymbolIndex) -> None:
    add_rules(table, rule("rise", 5, condition=Condition.RISES, window="1h"))
    assert ids(index.watches("rise-1h", "0", upward=True, limit=9)) == ["rise"]


def test_only_rules_that_can_be_so_at_once_are_new(table: Table, index: SymbolIndex) -> None:
    add_rules(table, *(rule(rule_id, 5, condition=Condition.ABOVE) for rule_id in "xyz"))
    assert (index.new_rule_ids(9), index.new_rule_ids(2)) == (["x", "y", "z"], ["x", "y"])


def test_rules_are_read_by_their_ids_as_far_as_they_are_there(index: SymbolIndex) -> None:
    wanted = {"a": added(rule("a", 9)), "c": added(rule("c", 200))}
    assert index.rules(["c", "gone", "a", "m"]) == wanted


def test_all_rules_of_the_symbol_are_read(index: SymbolIndex) -> None:
    wanted = {"a": added(rule("a", 9)), "b": added(rule("b", 10)), "c": added(rule("c", 200))}
    assert {found.rule_id: found for found in index.all_rules()} == wanted


def test_rules_of_the_release_before_are_read_where_they_are(
    table: Table, index: SymbolIndex
) -> None:
    wanted = {rule_id: added(rule(rule_id, 9)) for rule_id in ("a", "old")}
    table.put_item(Item=former_item(wanted["old"]))
    assert index.rules(["old", "a", "gone"]) == wanted
    assert "old" in {found.rule_id for found in index.all_rules()}


def test_what_was_read_is_known(index: SymbolIndex) -> None:
    read = index.rules(["a", "gone"]) | index.rules(["c"])
    assert (index.known, set(index.known)) == (read, {"a", "c"})


def test_no_rules_are_not_asked_for(index: SymbolIndex, calls: list[str]) -> None:
    assert (index.rules([]), calls) == ({}, [])


def test_more_rules_than_one_request_can_hold_are_read_in_several(
    table: Table, calls: list[str]
) -> None:
    rules = {f"r-{number}": rule(f"r-{number}", 9) for number in range(250)}
    add_rules(table, *rules.values())
    calls.clear()
    assert SymbolIndex(table, "AAPL").rules(rules).keys() == rules.keys()
    assert calls == ["BatchGetItem"] * 3


def test_every_read_shows_what_is_there_this_moment(table: Table, index: SymbolIndex) -> None:
    consistent: list[object] = []

    def note(params: dict[str, Any], **_: object) -> None:
        keys = params.get("RequestItems", {}).get(table.name, {})
        consistent.append(keys.get("ConsistentRead") or params.get("ConsistentRead"))

    for operation in ("BatchGetItem", "Query"):
        table.meta.client.meta.events.register(f"provide-client-params.dynamodb.{operation}", note)
    index.watches("price", "0", upward=True, limit=9)
    index.new_rule_ids(9)
    index.rules(["a"])
    index.all_rules()
    assert len(consistent) > 3
    assert set(consistent) == {True}


def cut_short(operation: Callable[..., Any], cut: Callable[[Answer], None]) -> Any:
    """Let an operation's first answer with several items be a part of what was asked for."""
    is_cut = False

    def answer(**asked: Any) -> Answer:
        nonlocal is_cut
        found: Answer = operation(**asked)
        if not is_cut and ("Items" not in found or len(found["Items"]) > 1):
            is_cut = True
            cut(found)
        return found

    return answer


def test_a_row_that_comes_in_parts_is_read_on(
    table: Table, index: SymbolIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(answer: Answer) -> None:
        answer["Items"] = answer["Items"][:1]
        answer["LastEvaluatedKey"] = {name: answer["Items"][0][name] for name in ("pk", "sk")}

    client = table.meta.client
    monkeypatch.setattr(client, "query", cut_short(client.query, cut))
    assert ids(index.watches("price", "0", upward=True, limit=9)) == ["a", "b", "c"]


def test_rules_that_come_in_parts_are_read_on(
    table: Table, index: SymbolIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_ids = {f"r-{number}" for number in range(40)}
    add_rules(table, *(rule(rule_id, 9) for rule_id in rule_ids))

    def cut(answer: Answer) -> None:
        answer["Items"] = answer["Items"][:1]
        answer["LastEvaluatedKey"] = {name: answer["Items"][0][name] for name in ("pk", "sk")}

    client = table.meta.client
    monkeypatch.setattr(client, "query", cut_short(client.query, cut))
    assert {found.rule_id for found in index.all_rules()} == {"a", "b", "c"} | rule_ids


def test_a_row_that_ends_with_a_part_has_been_read(
    table: Table, index: SymbolIndex, calls: list[str]
) -> None:
    assert ids(index.watches("price", "0", upward=True, limit=2)) == ["a", "b"]
    assert calls == ["Query"]


def test_rules_that_were_left_out_of_an_answer_are_asked_for_again(
    table: Table, index: SymbolIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(answer: Answer) -> None:
        left_out = answer["Responses"][table.name].pop()
        key = {name: left_out[name] for name in ("pk", "sk")}
        answer["UnprocessedKeys"] = {table.name: {"Keys": [key], "ConsistentRead": True}}

    client = table.meta.client
    monkeypatch.setattr(client, "batch_get_item", cut_short(client.batch_get_item, cut))
    assert index.rules(["a", "b"]).keys() == {"a", "b"}


# --- what cannot be read ---------------------------------------------------------------------


def spoil(table: Table, pk: str, sk: str, **changes: Any) -> None:
    """Change items as newer code, or somebody by hand, would."""
    for item in items_of(table, pk, sk):
        table.put_item(Item=item | changes)


@pytest.mark.parametrize("changes", [{"schema": SCHEMA + 1}, {"levels": []}])
@pytest.mark.parametrize("read", [lambda index: index.rules("abc"), SymbolIndex.all_rules])
def test_a_rule_that_cannot_be_read_is_set_aside_with_the_reason(
    table: Table, index: SymbolIndex, changes: dict[str, Any], read: Callable[[SymbolIndex], object]
) -> None:
    spoil(table, "SYMBOL#AAPL", "RULE#b", **changes)
    read(index)
    assert (set(index.known), set(index.unreadable)) == ({"a", "c"}, {"b"})
    assert all(index.unreadable.values())


@pytest.mark.parametrize("changes", [{"schema": SCHEMA + 1}, {"levels": []}])
def test_a_watch_that_cannot_be_read_has_no_terms_and_its_rule_is_set_aside(
    table: Table, index: SymbolIndex, changes: dict[str, Any]
) -> None:
    spoil(table, "WATCH#AAPL#price", "2011#b", **changes)
    watches = index.watches("price", "0", upward=True, limit=9)
    assert [(watch.rule_id, watch.terms is None) for watch in watches] == [
        ("a", False),
        ("b", True),
        ("c", False),
    ]
    assert index.unreadable.keys() == {"b"}


def test_where_all_can_be_read_nothing_is_set_aside(index: SymbolIndex) -> None:
    index.watches("price", "0", upward=True, limit=9)
    index.all_rules()
    assert index.unreadable == {}
