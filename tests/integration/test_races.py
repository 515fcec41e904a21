"""Invocations and changes of rules that race for a symbol of the deployed pipeline."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests.integration.conftest import (
    Alerts,
    Deployed,
    counted,
    eventually,
    invoke,
)
from tests.oracle import Oracle, Spec

TICKS = 15  # as many as may swap places
SYMBOLS = 3
INVOCATIONS_AT_ONCE = 8
SECOND = 1_000_000
BEGIN = 1_767_225_600  # 2026-01-01


pytestmark = pytest.mark.usefixtures("time_enough")


def message(symbol: str, price: int, second: int) -> tuple[str, str]:
    tick = {"symbol": symbol, "price": price, "timestamp": BEGIN + second}
    return uuid.uuid4().hex, json.dumps(tick)


def finish(deployed: Deployed, one: tuple[str, str]) -> None:
    """Invoke the function with a message until that is done, as its queue would."""
    assert eventually(lambda: invoke(deployed, one) == {"batchItemFailures": []})


def fired(alerts: Alerts, symbol: str) -> Counter[str]:
    return Counter(f["rule_id"] for f in json.loads(alerts.run("history", symbol, "--json")))


def test_invocations_that_race_come_to_what_one_after_another_would(
    deployed: Deployed, alerts: Alerts, tmp_path: Path
) -> None:
    random = Random("races")
    symbols = [f"R{uuid.uuid4().hex[:10].upper()}" for _ in range(SYMBOLS)]
    oracle = Oracle(Decimal(150))
    rules: list[dict[str, Any]] = []
    for symbol in symbols:
        for name, condition, level, trigger in (
            ("once", "crosses_up", 105, "once"),
            ("every", "crosses", 104, "every"),
            ("above", "above", 108, "every"),
        ):
            rule_id = f"{symbol}-{name}"
            oracle.add(Spec(rule_id, symbol, condition, (Decimal(level),), trigger=trigger))
            word = condition.replace("_", "-")
            rules.append(
                {"id": rule_id, "symbol": symbol, "condition": word, "levels": [level]}
                | {"trigger": trigger}
            )
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules))
    alerts.run("import", str(file))
    paths = {symbol: [random.randint(100, 110) for _ in range(TICKS)] for symbol in symbols}
    wanted = Counter(
        rule_id
        for symbol, prices in paths.items()
        for second, price in enumerate(prices)
        for rule_id, *_ in oracle.tick(symbol, Decimal(price), (BEGIN + second) * SECOND)
    )
    messages = [
        message(symbol, price, second)
        for symbol, prices in paths.items()
        for second, price in enumerate(prices)
    ]
    random.shuffle(messages)
    before = counted(deployed, "Conflicts")

    with ThreadPoolExecutor(INVOCATIONS_AT_ONCE) as pool:
        list(pool.map(lambda one: finish(deployed, one), messages))

    # What was not done in time goes on by way of the queue.
    assert eventually(
        lambda: sum((fired(alerts, symbol) for symbol in symbols), Counter()) == wanted
    )
    assert eventually(lambda: counted(deployed, "Conflicts") > before)


@pytest.fixture
def flowing(deployed: Deployed, symbol: str) -> Iterator[Callable[[], int]]:
    """Prices go up and down through 105, one after another; tells how many ups there were."""
    ups = 0
    is_over = threading.Event()

    def flow() -> None:
        nonlocal ups
        second = 0
        while not is_over.is_set():
            finish(deployed, message(symbol, 100, second))
            finish(deployed, message(symbol, 110, second + 1))
            second += 2
            ups += 1

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(flow)
        yield lambda: ups
        is_over.set()
        running.result()


def wait_for_ups(flowing: Callable[[], int], count: int) -> None:
    until = flowing() + count
    assert eventually(lambda: flowing() >= until)


def test_rules_change_while_prices_flow(
    deployed: Deployed,
    alerts: Alerts,
    symbol: str,
    flowing: Callable[[], int],
) -> None:
    steady, other = f"{symbol}-steady", f"{symbol}-other"
    crossing = ("crosses-up", "105", "--trigger", "every")
    alerts.run("add", symbol, *crossing, "--id", steady)
    begin = flowing()
    alerts.run("add", symbol, *crossing, "--id", other, "--force")
    here = fired(alerts, symbol)[other]
    wait_for_ups(flowing, 3)
    assert fired(alerts, symbol)[other] >= here + 2
    alerts.run("pause", other)
    paused = fired(alerts, symbol)[other]
    wait_for_ups(flowing, 2)
    assert fired(alerts, symbol)[other] == paused
    alerts.run("resume", other)
    wait_for_ups(flowing, 3)
    assert fired(alerts, symbol)[other] >= paused + 2
    alerts.run("remove", other)
    removed = fired(alerts, symbol)[other]
    wait_for_ups(flowing, 2)
    assert fired(alerts, symbol)[other] == removed
    before = flowing()
    firings = fired(alerts, symbol)[steady]
    after = flowing()  # prices go on while the history is read
    # The up that was under way when the rule came, and the one that is now, may or may not count.
    assert before - begin - 1 <= firings <= after - begin + 2
