"""Histories of rules and prices through the deployed pipeline, held against the oracle.

The rules are written, and the firings read, by the command line.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from price_alerts.domain.ticks import format_timestamp
from tests.histories import play, random_history
from tests.history_writer import EXACT, Event
from tests.integration.conftest import THRESHOLD, Alerts, Deployed, invoke
from tests.oracle import HIGH_PRICE, Oracle, Spec

pytestmark = pytest.mark.usefixtures("time_enough")

Told = tuple[str, str, str | None, str | None]


class Driver:
    """Plays a history on the pipeline, with symbols and ids that no other test uses."""

    def __init__(self, deployed: Deployed, alerts: Alerts, file: Path, random: Random) -> None:
        self._deployed = deployed
        self._alerts = alerts
        self._file = file
        self._random = random
        self._prefix = f"T{uuid.uuid4().hex[:12].upper()}-"
        self._to_add: list[dict[str, Any]] = []

    def name(self, name: str) -> str:
        """Name a symbol or a rule of the history as it is called on the pipeline."""
        return name if name == HIGH_PRICE else self._prefix + name

    def perform(self, event: Event) -> None:
        if event[0] == "add":
            self._to_add.append(self._entry(event[1]))  # those in a row are imported at once
            return
        self._import()
        if event[0] == "ticks":
            ticks = [
                {
                    "symbol": self.name(symbol),
                    "price": f"{price:f}",
                    "timestamp": format_timestamp(microseconds),
                }
                for symbol, price, microseconds in event[1]
            ]
            self._send(ticks)
        else:
            self._alerts.run(event[0], self.name(event[1]))

    def firings(self, symbols: Sequence[str]) -> list[Told]:
        """Read what was recorded of the history's symbols."""
        return [
            (f["timestamp"], f["rule_id"], f["previous_price"], f["price"])
            for symbol in symbols
            for f in json.loads(
                self._alerts.run("history", self.name(symbol), "--since", "1970-01-01", "--json")
            )
        ]

    def _import(self) -> None:
        if self._to_add:
            self._file.write_text(yaml.safe_dump(self._to_add))
            self._alerts.run("import", str(self._file))
            self._to_add = []

    def _send(self, ticks: list[dict[str, str]]) -> None:
        """Send ticks cut into invocations anywhere."""
        while ticks:
            size = self._random.randint(1, len(ticks))
            body, ticks = json.dumps(ticks[:size]), ticks[size:]
            answer = invoke(self._deployed, (uuid.uuid4().hex, body))
            assert answer == {"batchItemFailures": []}

    def _entry(self, spec: Spec) -> dict[str, Any]:
        entry = {
            "id": self.name(spec.rule_id),
            "symbol": self.name(spec.symbol),
            "condition": spec.condition.replace("_", "-"),
            "levels": [f"{level:f}{'%' * spec.is_percent}" for level in spec.levels],
            "trigger": spec.trigger,
        }
        if spec.window:
            entry["within"] = spec.window
        if spec.cooldown_seconds:
            entry["cooldown"] = f"{spec.cooldown_seconds}s"
        if spec.rearm is not None:
            entry["rearm"] = f"{spec.rearm:f}{'%' * spec.rearm_is_percent}"
        return entry


def exact(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.normalize(EXACT):f}"


def without_expiry(event: Event) -> Event:
    """Leave out what cannot be added any more: the prices are of long ago."""
    if event[0] == "add":
        return "add", replace(event[1], expires_at_microseconds=None)
    return event


@pytest.mark.parametrize("seed", range(3))
def test_the_pipeline_fires_as_the_oracle_does(
    deployed: Deployed, alerts: Alerts, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    history = [without_expiry(event) for event in random_history(random, records=30)]
    driver = Driver(deployed, alerts, tmp_path / "rules.yaml", random)
    expected: list[Told] = []
    symbols: dict[str, None] = {}
    for event, fired in play(history, Oracle(Decimal(THRESHOLD))):
        driver.perform(event)
        if event[0] == "ticks":
            symbols |= dict.fromkeys(symbol for symbol, _, _ in event[1])
            expected += [
                (format_timestamp(at), driver.name(rule_id), exact(previous), exact(price))
                for rule_id, at, previous, price in fired
            ]
    assert expected
    assert sorted(driver.firings(list(symbols)), key=str) == sorted(expected, key=str)
