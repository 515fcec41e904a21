"""Rules and watches as the engine reads them, and symbols whose state is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts.adapters.items import SCHEMA, rule_item, watch_items
from price_alerts.adapters.store import Store
from price_alerts.adapters.symbol_index import SymbolIndex
from price_alerts.domain.conditions import Condition
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import State
from price_alerts.domain.watches import ANYWHERE
from price_alerts.ports import Conflict
from tests.unit.client.doubles import answer_with
from tests.unit.doubles import Clock, Container, Topic, add_rules, former_item, items_of, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ABOVE = rule("above", 150, condition=Condition.ABOVE)
RISE = rule("rise", 5, condition=Condition.RISES, window="1h")
PAUSED, DONE = Progress(Status.PAUSED), Progress(Status.TRIGGERED)


@pytest.fixture
def index(table: Table) -> SymbolIndex:
    """The index of AAPL, with a rule at each of 9, 10 and 200, and one of another symbol."""
    add_rules(table, rule("a", 9), rule("b", 10), rule("c", 200), rule("m", 10, symbol="MSFT"))
    return SymbolIndex(table, "AAPL")


def ids(index: SymbolIndex, line: str = "price", limit: int = 9) -> list[str]:
    return [watch.rule_id for watch in index.watches(line, "0", upward=True, limit=limit)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("0", True, 9), "abc"),
        (("9", False, 9), "cba"),
        (("2011", True, 9), "bc"),
        (("2011$", False, 9), "ba"),
        (("2011#b", True, 9), "c"),
        (("2011#b", False, 9), "a"),
        (("0", True, 2), "ab"),
        (("9", False, 1), "c"),
    ],
)
def test_watches_are_read_after_a_key(
    index: SymbolIndex, calls: list[str], asked: tuple[str, bool, int], found: str
) -> None:
    start, upward, limit = asked
    calls.clear()
    watches = index.watches("price", start, upward=upward, limit=limit)
    assert ("".join(watch.rule_id for watch in watches), len(calls)) == (found, 1)


def test_each_line_has_its_own_watches(table: Table, index: SymbolIndex) -> None:
    add_rules(table, RISE, *(rule(name, 5, condition=Condition.ABOVE) for name in "xyz"))
    assert ids(index, "rise-1h") == ["rise"]
    assert (index.new_rule_ids(9), index.new_rule_ids(2)) == (["rise", *"xyz"], ["rise", "x"])


def test_rules_are_read_wherever_they_are(
    table: Table, index: SymbolIndex, calls: list[str]
) -> None:
    old = rule("old", 9, revision=1)
    table.put_item(Item=former_item(old))
    calls.clear()
    assert (index.rules([]), calls) == ({}, [])
    stored = {name: rule(name, at, revision=1) for name, at in (("a", 9), ("b", 10), ("c", 200))}
    assert index.rules(["c", "gone", "old", "m"]) == {"c": stored["c"], "old": old}
    assert {each.rule_id: each for each in index.all_rules()} == stored | {"old": old}
    assert index.known == stored | {"old": old}


def test_rules_are_read_100_at_a_time(table: Table, calls: list[str]) -> None:
    rules = {f"r-{number}": rule(f"r-{number}", 9) for number in range(250)}
    add_rules(table, *rules.values())
    calls.clear()
    assert SymbolIndex(table, "AAPL").rules(rules).keys() == rules.keys()
    assert calls == ["BatchGetItem"] * 3


@pytest.fixture
def cut_answers(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets each answer be only the first part of what was asked for."""
    client: Any = table.meta.client
    query, read = client.query, client.batch_get_item

    def short_query(**asked: Any) -> Any:
        answer = query(**asked)
        if len(answer["Items"]) > 1:
            answer["Items"] = answer["Items"][:1]
            answer["LastEvaluatedKey"] = {name: answer["Items"][0][name] for name in ("pk", "sk")}
        return answer

    def short_read(RequestItems: Any) -> Any:  # noqa: N803  # boto3's
        keys = RequestItems[table.name]["Keys"]
        answer = read(RequestItems={table.name: {"Keys": keys[:1]}})
        if keys[1:]:
            answer["UnprocessedKeys"] = {table.name: {"Keys": keys[1:]}}
        return answer

    monkeypatch.setattr(client, "query", short_query)
    monkeypatch.setattr(client, "batch_get_item", short_read)


def test_answers_that_come_in_parts_are_read_to_their_end(
    table: Table, index: SymbolIndex, cut_answers: None
) -> None:
    add_rules(table, *(rule(f"r-{number}", 9) for number in range(20)))
    wanted = {"a", "b", "c", *(f"r-{number}" for number in range(20))}
    assert set(ids(index, limit=99)) == wanted
    assert {each.rule_id for each in index.all_rules()} == wanted
    assert index.rules(["a", "b", "c"]).keys() == {"a", "b", "c"}


def spoil(table: Table, pk: str, sk: str, **changes: Any) -> None:
    """Change items as newer code, or somebody by hand, would."""
    for item in items_of(table, pk, sk):
        table.put_item(Item=item | changes)


@pytest.mark.parametrize("changes", [{"schema": SCHEMA + 1}, {"levels": []}], ids=str)
def test_what_cannot_be_read_is_set_aside_with_the_reason(
    table: Table, index: SymbolIndex, changes: dict[str, Any]
) -> None:
    assert len(ids(index)) == len(index.all_rules()) == 3
    assert index.unreadable == {}
    spoil(table, "WATCH#AAPL#price", "2011#b", **changes)
    watches = index.watches("price", "0", upward=True, limit=9)
    assert [watch.terms is None for watch in watches] == [False, True, False]
    assert index.unreadable == {"b": "its watch cannot be read"}
    spoil(table, "SYMBOL#AAPL", "RULE#c", **changes)
    for read in (lambda index: index.rules("abc"), SymbolIndex.all_rules):
        index = SymbolIndex(table, "AAPL")
        read(index)
        assert (set(index.known), set(index.unreadable)) == ({"a", "b"}, {"c"})
        assert index.unreadable["c"].startswith("it ")


# --- symbols whose state is lost -------------------------------------------------------------


def lose_state(table: Table, *rules: Rule) -> None:
    """Leave rules without a state and without watches."""
    with table.batch_writer() as batch:
        for written in rules:
            batch.put_item(Item=rule_item(written))
    table.delete_item(Key={"pk": "SYMBOL#AAPL", "sk": "STATE"})


def watches_in(table: Table) -> list[dict[str, Any]]:
    return items_of(table, "WATCH#AAPL#")


@pytest.mark.parametrize(("revisions", "version"), [((7, 12, 0), 12), ((0,), 0)])
def test_a_lost_state_begins_at_the_newest_revision_of_the_rules(
    store: Store, table: Table, revisions: tuple[int, ...], version: int
) -> None:
    lose_state(table, *(rule(f"r-{n}", 150, revision=n) for n in revisions))
    lost = store.load("AAPL")
    assert lost == State("AAPL", version, is_lost=True)
    following = replace(lost, version=version + 1, is_lost=False, bands={"price": ANYWHERE})
    first = store.commit(lost, following)
    assert store.load("AAPL") == first
    with pytest.raises(Conflict) as conflict:
        store.commit(lost, following)
    assert conflict.value.current == first


def test_active_rules_of_a_lost_state_are_new_again_and_watched(store: Store, table: Table) -> None:
    paused = replace(RISE, rule_id="paused", progress=PAUSED)
    paused = replace(paused, terms=replace(RISE.terms, window="7d"))
    lose_state(table, ABOVE, RISE, paused, rule("done", 150, progress=DONE))
    table.put_item(Item=rule_item(rule("spoilt", 150)) | {"levels": []})
    assert watches_in(table) == []
    assert store.load("AAPL").windows == {"rise-1h": ()}
    wanted = [*watch_items(ABOVE), *watch_items(RISE)]
    assert watches_in(table) == sorted(wanted, key=lambda item: (item["pk"], item["sk"]))


def test_more_watches_than_a_transaction_takes_are_new_again(store: Store, table: Table) -> None:
    lose_state(table, *(replace(ABOVE, rule_id=f"r-{number}") for number in range(60)))
    store.load("AAPL")
    assert len(watches_in(table)) == 120


def test_a_state_that_is_lost_while_a_container_is_warm_is_a_conflict_with_the_lost_one(
    store: Store, table: Table
) -> None:
    warm = store.commit(State("AAPL"), State("AAPL", 1))
    lose_state(table, rule("a", 150, revision=7))
    with pytest.raises(Conflict) as conflict:
        store.commit(warm, State("AAPL", 2))
    assert (conflict.value.current.version, conflict.value.current.is_lost) == (7, True)


def before_each_transaction(table: Table, *answers: Callable[[], Any]) -> None:
    """Let something happen before each transaction; an answer takes its place."""
    left = iter(answers)
    answer_with(table.meta.client, "TransactWriteItems", lambda _: next(left, lambda: None)())


def test_who_is_slow_to_find_a_state_lost_makes_no_rule_new_that_has_seen_a_tick(
    store: Store, table: Table, clock: Clock, topic: Topic
) -> None:
    lose_state(table, ABOVE)
    other = Container(table, clock, topic, high_price=None)

    def apply_a_tick() -> None:
        other.process([tick(160)])

    before_each_transaction(table, apply_a_tick)
    assert not store.load("AAPL").is_lost
    assert [item for item in watches_in(table) if item["pk"].endswith("#new")] == []


@pytest.mark.parametrize(
    ("code", "times", "watches"),
    [
        ("TransactionConflict", 4, 2),
        ("ThrottlingError", 4, 2),
        ("TransactionConflict", 5, 0),
        ("ValidationError", 1, 0),
    ],
)
def test_a_transaction_is_tried_five_times_if_its_reasons_may_pass(
    table: Table, monkeypatch: pytest.MonkeyPatch, code: str, times: int, watches: int
) -> None:
    cancelled = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": 400},
        "CancellationReasons": [{"Code": "None"}, {"Code": code}],
    }
    monkeypatch.setattr("price_alerts.adapters.store.time.sleep", lambda _: None)
    lose_state(table, ABOVE)
    before_each_transaction(table, *[lambda: cancelled] * times)
    with nullcontext() if watches else pytest.raises(ClientError, match="TransactionCanceled"):
        assert Store(table).load("AAPL").is_lost
    assert len(watches_in(table)) == watches
