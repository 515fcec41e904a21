"""Real prices, and what fires on them as pandas finds it, with nothing of the engine.

The package vega_datasets holds five shares' monthly prices from 2000 to 2010, and the daily prices
of the volatility index VIX in the summer of 2009.
"""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.backtest.backtest import run
from lib.backtest.price_columns import portions_in
from lib.formats.prices import PricesFile
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.ticks import format_timestamp

SECONDS = {"1d": 86_400, "7d": 7 * 86_400}


def path_of(name: str) -> Path:
    spec = find_spec("vega_datasets")  # importing it would warn
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("_data") / name


def shares() -> pd.DataFrame:
    frame = pd.read_csv(path_of("stocks.csv"))
    frame["timestamp"] = pd.to_datetime(frame["date"], format="%b %d %Y", utc=True)
    return frame[["timestamp", "symbol", "price"]]


def vix() -> pd.DataFrame:
    """Return four prices a day: opening, the extremes in the likelier order, closing."""
    rows = []
    for day in json.loads(path_of("ohlc.json").read_text("utf-8")):
        extremes = ["low", "high"] if day["close"] > day["open"] else ["high", "low"]
        for kind, hour in zip(["open", *extremes, "close"], (14, 16, 18, 20), strict=True):
            rows.append((f"{day['date']}T{hour}:00:00Z", "^VIX", day[kind]))
    frame = pd.DataFrame(rows, columns=["timestamp", "symbol", "price"])
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True))


@pytest.fixture
def prices() -> pd.DataFrame:
    return pd.concat([shares(), vix()]).sort_values("timestamp", kind="stable")


@pytest.fixture
def csv(tmp_path: Path, prices: pd.DataFrame) -> Path:
    path = tmp_path / "prices.csv"
    prices.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    return path


def moves(prices: pd.DataFrame, within: str, condition: str) -> pd.Series:
    """Measure each price's move from its window's lowest or highest price, in percent."""
    price = prices["price"].to_numpy(dtype=float)
    seconds = prices["timestamp"].to_numpy(dtype="datetime64[s]").astype(np.int64)
    bucket = seconds // (SECONDS[within] // 30)
    place = np.arange(len(price))
    counts = (place <= place[:, None]) & (bucket >= bucket[:, None] - 30)
    if condition == "rises":
        lowest = np.where(counts, price, np.inf).min(axis=1)
        percent = (price - lowest) * 100 / lowest
    else:
        highest = np.where(counts, price, -np.inf).max(axis=1)
        percent = (highest - price) * 100 / highest
    return pd.Series(percent, prices.index)


def expected(prices: pd.DataFrame, rule: Rule) -> list[str]:
    """Return the times at which a rule fires."""
    prices = prices[prices["symbol"] == rule.symbol]
    terms, now = rule.terms, prices["price"]
    before = now.shift()
    low, high = float(terms.levels[0]), float(terms.levels[-1])
    now_inside = (low <= now) & (now <= high)
    inside_before = (low <= before) & (before <= high)
    is_so = {
        "above": now > low,
        "below": now < low,
        "inside": now_inside,
        "outside": ~now_inside,
    }
    number = moves(prices, terms.window, terms.condition) if terms.window else now
    is_so["rises"] = is_so["falls"] = number >= low
    if terms.condition in is_so:
        so = is_so[terms.condition]
        fires = so & ~so.shift(fill_value=False)
    else:
        up, down = (before < low) & (low <= now), (before > low) & (low >= now)
        fires = {
            "crosses_up": up,
            "crosses_down": down,
            "crosses": up | down,
            "enters": ((before < low) | (before > high)) & now_inside,
            "exits": inside_before & ~now_inside,
        }[terms.condition]
    if terms.rearm:  # after each way back to where it is armed again, only the first one
        is_back = number <= low - float(terms.rearm.value)
        fires = fires & (fires.groupby(is_back.cumsum()).cumsum() == 1)
    if rule.trigger is Trigger.ONCE:
        fires = fires & (fires.cumsum() == 1)
    return [time.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for time in prices["timestamp"][fires]]


def rule(words: str, *, once: bool = False, rearm: str | None = None) -> Rule:
    """Build a rule from words like ``GOOG falls 10% 7d``; it fires every time, unless once."""
    symbol, condition, *numbers = words.split()
    window = numbers.pop() if numbers[-1] in SECONDS else None
    is_percent = numbers[0].endswith("%")
    terms = Terms(
        Condition(condition.replace("-", "_")),
        tuple(Decimal(number.rstrip("%")) for number in numbers),
        is_percent,
        window,
        Distance(Decimal(rearm), is_percent) if rearm else None,
    )
    return Rule(
        rule_id=words.translate(str.maketrans(" %^", "---")).strip("-"),
        symbol=symbol,
        terms=terms,
        trigger=Trigger.ONCE if once else Trigger.EVERY,
    )


RULES = {
    rule("AAPL crosses-up 100"): 2,
    rule("AAPL below 10"): 5,
    rule("AAPL outside 20 150"): 4,
    rule("IBM exits 80 100"): 13,
    rule("IBM crosses 100"): 14,
    rule("MSFT enters 25 30"): 13,
    rule("MSFT inside 20 25"): 13,
    rule("MSFT crosses-down 25", once=True): 1,
    rule("AMZN above 80", rearm="10"): 3,
    rule("GOOG crosses 500"): 7,
    rule("GOOG falls 10% 7d"): 0,
    rule("^VIX falls 10% 1d"): 6,
    rule("^VIX falls 12.5% 7d"): 11,
    rule("^VIX rises 6% 1d"): 13,
    rule("^VIX rises 6% 7d", rearm="3"): 13,
    rule("^VIX crosses 30"): 24,
}


def test_rules_fire_on_real_prices_when_pandas_says_so(csv: Path, prices: pd.DataFrame) -> None:
    result = run(
        list(RULES), portions_in(PricesFile(csv, needs_timestamps=True)), lambda rows: None
    )

    assert (result.rows, result.symbols) == (len(prices), 6)
    times: dict[str, list[str]] = {each.rule_id: [] for each in RULES}
    for firing in result.firings:
        times[firing.rule_id].append(format_timestamp(firing.timestamp_microseconds))
    assert times == {each.rule_id: expected(prices, each) for each in RULES}
    assert result.firings_by_rule == {each.rule_id: count for each, count in RULES.items()}
