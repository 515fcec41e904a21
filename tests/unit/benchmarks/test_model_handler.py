"""The model's handler does what the code does: a change of one has to be made in the other."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from boto3.dynamodb.types import TypeSerializer

from benchmarks.capacity import item_bytes
from benchmarks.model.parameters import TODAY, Limits
from benchmarks.model.scenarios import PROD
from benchmarks.streams import rules_of
from lib.backtest.rule_book import RuleBook
from price_alerts import processing
from price_alerts.adapters import state_items, store, symbol_index
from price_alerts.adapters.items import rule_item, state_key
from price_alerts.adapters.state_items import firing_item, state_attributes
from price_alerts.domain import engine, watches
from price_alerts.domain.notices import notice
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Position, Tick
from price_alerts.ports import MAX_NOTICES_PER_PUBLISH
from tests.unit.doubles import NOW

PROJECT = Path(__file__).parents[3]
LATE_TICKS = 16
UNIT_BYTES = 1_024
INDEX = PROJECT.joinpath("lib/lambda/index.py").read_text("utf-8")


def bytes_of(attributes: dict[str, Any]) -> int:
    write = TypeSerializer().serialize
    return item_bytes({name: write(value) for name, value in attributes.items()})


def ticks(prices: list[Decimal], start: int) -> list[Tick]:
    return [
        Tick(
            "S000",
            price,
            Position(start + 100 * place, 0, 0, str(UUID(int=start + place)), place % 100),
        )
        for place, price in enumerate(prices)
    ]


@pytest.fixture(scope="module")
def rules() -> dict[str, Rule]:
    """The rules of the benchmarks' stream."""
    return {rule.rule_id: rule for rule in rules_of("S000", 400)}


@pytest.fixture(scope="module")
def quiet(rules: dict[str, Rule]) -> tuple[State, RuleBook]:
    """A state that has seen all rules, and remembers as many ticks as it usually does."""
    book = RuleBook()
    for rule in rules.values():
        book.add(rule)
    state = book.changed(State("S000"))
    for round_ in range(10):
        path = ticks([Decimal(100), Decimal("100.01")] * LATE_TICKS, NOW + 10_000 * round_)
        state = engine.evaluate(state, path, book, None, NOW, kept_ticks=LATE_TICKS)
        if state.outbox:
            book.deliver(state.outbox)
        state = replace(state, outbox=None)
    return state, book


@pytest.fixture(scope="module")
def fallen(quiet: tuple[State, RuleBook]) -> State:
    """The state after prices have fallen over some levels."""
    state, book = quiet
    prices = [Decimal(10_000 - 5 * step).scaleb(-2) for step in range(500)]
    path = ticks(prices, NOW + 1_000_000)
    return engine.evaluate(state, path, book, None, NOW, kept_ticks=LATE_TICKS)


@pytest.mark.parametrize(
    ("modelled", "real"),
    [
        (TODAY.rules_per_commit, engine.MAX_CHANGES_PER_COMMIT),
        (TODAY.ticks_per_commit, processing._MAX_TICKS_PER_COMMIT),
        (TODAY.firings_per_publish, MAX_NOTICES_PER_PUBLISH),
        (TODAY.items_per_write, store._MAX_ITEMS_PER_BATCH),
        (TODAY.keys_per_read, symbol_index._MAX_KEYS_PER_READ),
        (TODAY.watches_per_read, watches._LARGEST_PAGE),
        (TODAY.wait_rounds, processing._ROUNDS),
        (TODAY.wait_seconds, processing._PAUSE_SECONDS),
        (TODAY.most_conflicts, processing._MAX_CONFLICTS),
        (TODAY.delivery_retries, processing._MAX_RETRIES),
        (TODAY.write_pauses_seconds, store._PAUSES_SECONDS),
        (TODAY.lease_margin_seconds * 1_000_000, processing._LEASE_MARGIN_MICROSECONDS),
        (TODAY.most_plain_firings, state_items._MAX_PLAIN_RULES),
    ],
)
def test_its_limits_and_pauses_are_those_of_the_code(modelled: object, real: object) -> None:
    assert modelled == real


@pytest.mark.parametrize(
    "line",
    [
        f"_AT_ONCE = {TODAY.at_once}\n",
        f"_RESERVE_MILLISECONDS = {TODAY.reserve_seconds * 1_000:_.0f}\n",
        f"_MAX_HANDOVERS = {TODAY.most_handovers}\n",
        f"_HANDOVER_DELAY_SECONDS = {TODAY.handover_delay_seconds}\n",
        f'"total_max_attempts": {Limits().call_attempts}}}',
    ],
)
def test_an_invocation_is_bounded_as_the_code_s(line: str) -> None:
    assert line in INDEX


def test_a_quiet_state_has_the_size_that_it_is_said_to_have(quiet: tuple[State, RuleBook]) -> None:
    size = bytes_of({**state_key("S000"), **state_attributes(replace(quiet[0], nonce="12345678"))})
    assert TODAY.state_bytes + TODAY.late_tick_bytes * LATE_TICKS == pytest.approx(size, rel=0.1)


def outbox_bytes(state: State) -> tuple[float, int]:
    """Return the bytes of an outbox for each of its firings, and how many these are."""
    assert state.outbox
    firings = len(state.outbox.firings)
    without = bytes_of(state_attributes(replace(state, outbox=None)))
    return (bytes_of(state_attributes(state)) - without) / firings, firings


def test_a_firing_takes_as_much_of_an_outbox_as_it_is_said_to_take_and_less_if_there_are_many(
    quiet: tuple[State, RuleBook], fallen: State
) -> None:
    size, firings = outbox_bytes(fallen)
    assert firings <= TODAY.most_plain_firings
    assert pytest.approx(size, rel=0.1) == TODAY.outbox_bytes_per_firing
    state, book = quiet
    path = ticks([Decimal(40)], NOW + 1_000_000)
    size, firings = outbox_bytes(
        engine.evaluate(state, path, book, None, NOW, kept_ticks=LATE_TICKS)
    )
    assert firings > TODAY.most_plain_firings
    assert pytest.approx(size, rel=0.2) == TODAY.compressed_bytes_per_firing


def test_a_firings_record_and_its_rule_are_a_unit_each(
    fallen: State, rules: dict[str, Rule]
) -> None:
    assert fallen.outbox
    for firing in fallen.outbox.firings:
        rule = rules[firing.rule_id]
        after = replace(rule, progress=fallen.outbox.changes[firing.rule_id])
        assert bytes_of(firing_item(notice(firing, rule), NOW)) <= TODAY.firing_units * UNIT_BYTES
        assert bytes_of(rule_item(after)) <= TODAY.rule_units * UNIT_BYTES


def test_a_fall_deletes_no_watch(fallen: State) -> None:
    assert fallen.outbox
    assert len(fallen.outbox.spent) == TODAY.deleted_watches_per_firing


def test_prod_has_the_settings_of_prod() -> None:
    context = json.loads(PROJECT.joinpath("cdktf.json").read_text("utf-8"))["context"]
    prod = context["common"] | context["environments"]["prod"]
    names = """batch_size batch_window_seconds maximum_concurrency late_ticks memory_mebibytes
        function_timeout_seconds visibility_timeout_seconds max_receive_count"""
    for name in names.split():
        assert getattr(PROD, name) == prod[name], name
