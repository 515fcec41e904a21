"""A second evaluator, slow and plain, written from docs/semantics.md and from nothing else.

It shares no line with the function: where both agree, both have understood the page. It looks
at every rule at every tick. Numbers are whole units of 10^-130, finer than any price,
level or share of one can be, so that nothing is rounded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

HIGH_PRICE = "high-price-threshold"

# The rule, the tick's time in microseconds, the price before and the price.
Fired = tuple[str, int, Decimal | None, Decimal]

_UNITS = 10**130
_SECOND = 1_000_000
_BUCKETS = 30
_HOUR, _DAY = 60 * 60, 24 * 60 * 60
_WINDOW_SECONDS = {"1m": 60, "5m": 5 * 60, "15m": 15 * 60, "1h": _HOUR, "4h": 4 * _HOUR}
_WINDOW_SECONDS |= {"1d": _DAY, "7d": 7 * _DAY}

# The page's tables, row by row: p is the price before, c what is measured now. Events need a
# price before; states can hold at the first price already.
_HAPPENS: dict[str, Callable[[int, int, int, int], bool]] = {
    "crosses_up": lambda p, c, level, _: p < level <= c,
    "crosses_down": lambda p, c, level, _: p > level >= c,
    "crosses": lambda p, c, level, _: p < level <= c or p > level >= c,
    "enters": lambda p, c, lo, hi: (p < lo or p > hi) and lo <= c <= hi,
    "exits": lambda p, c, lo, hi: lo <= p <= hi and (c < lo or c > hi),
}
_HOLDS: dict[str, Callable[[int, int, int], bool]] = {
    "above": lambda c, level, _: c > level,
    "below": lambda c, level, _: c < level,
    "inside": lambda c, lo, hi: lo <= c <= hi,
    "outside": lambda c, lo, hi: c < lo or c > hi,
    "rises": lambda c, n, _: c >= n,
    "falls": lambda c, n, _: c >= n,
}
# `up`: whether the firing was upwards, or above HI. Each level comes with what is R below it and
# what is R above it.
_IS_BACK: dict[str, Callable[[int, bool, _Around, _Around], bool]] = {
    "crosses_up": lambda c, up, level, _: c <= level.minus_r,
    "above": lambda c, up, level, _: c <= level.minus_r,
    "crosses_down": lambda c, up, level, _: c >= level.plus_r,
    "below": lambda c, up, level, _: c >= level.plus_r,
    "crosses": lambda c, up, level, _: c <= level.minus_r if up else c >= level.plus_r,
    "enters": lambda c, up, lo, hi: c <= lo.minus_r or c >= hi.plus_r,
    "inside": lambda c, up, lo, hi: c <= lo.minus_r or c >= hi.plus_r,
    "exits": lambda c, up, lo, hi: c <= hi.minus_r if up else c >= lo.plus_r,
    "outside": lambda c, up, lo, hi: c <= hi.minus_r if up else c >= lo.plus_r,
    "rises": lambda c, up, n, _: c <= n.minus_r,
    "falls": lambda c, up, n, _: c <= n.minus_r,
}


@dataclass(frozen=True)
class Spec:
    """A rule as written; for a move, ``levels`` holds its size."""

    rule_id: str
    symbol: str
    condition: str
    levels: tuple[Decimal, ...]
    is_percent: bool = False
    window: str | None = None
    rearm: Decimal | None = None
    rearm_is_percent: bool = False
    trigger: str = "once"
    cooldown_seconds: int = 0
    expires_at_microseconds: int | None = None


@dataclass
class _Rule:
    spec: Spec
    status: str = "active"
    held: bool = False  # at the last tick; unknown counts as no
    disarmed: str | None = None  # by a firing that was "up" or "down"
    last_fired_at: int | None = None


@dataclass(frozen=True)
class _Tick:
    price: Decimal
    units: int
    timestamp: int


@dataclass(frozen=True)
class _Around:
    minus_r: int
    plus_r: int


class Oracle:
    """Evaluates ticks one by one, in order and none of them twice; rules may change in between."""

    def __init__(self, high_price_threshold: Decimal | None = None) -> None:
        self._threshold = high_price_threshold
        self._high_price: dict[str, _Rule] = {}  # by symbol
        self._rules: dict[str, _Rule] = {}
        self._last: dict[str, _Tick] = {}
        # By symbol, then by condition and window: the ticks since it is kept.
        self._windows: dict[str, dict[tuple[str, str], list[_Tick]]] = {}

    def add(self, spec: Spec) -> None:
        self._expect(spec.rule_id, None)
        self._activate(_Rule(spec))

    def pause(self, rule_id: str) -> None:
        self._expect(rule_id, "active")
        self._rules[rule_id].status = "paused"

    def resume(self, rule_id: str) -> None:
        self._expect(rule_id, "paused", "triggered")
        rule = self._rules[rule_id]
        self._activate(_Rule(rule.spec, last_fired_at=rule.last_fired_at))

    def remove(self, rule_id: str) -> None:
        self._expect(rule_id, "active", "paused", "triggered")
        del self._rules[rule_id]

    def change_threshold(self, high_price_threshold: Decimal | None) -> None:
        if high_price_threshold != self._threshold:
            self._threshold = high_price_threshold
            self._high_price.clear()

    def status(self, rule_id: str) -> str | None:
        """Return whether a rule is active, paused or triggered; ``None`` if there is none."""
        return self._rules[rule_id].status if rule_id in self._rules else None

    def tick(self, symbol: str, price: Decimal, timestamp_microseconds: int) -> list[Fired]:
        """Apply the next tick of a symbol; returns what fires, in the order of the ids."""
        before = self._last.get(symbol)
        now = _Tick(price, _units(price), timestamp_microseconds)
        for ticks in self._windows.get(symbol, {}).values():
            ticks.append(now)
        fired = [
            (rule.spec.rule_id, now.timestamp, before.price if before else None, price)
            for rule in self._active(symbol)
            if self._step(rule, before, now)
        ]
        self._last[symbol] = now
        self._drop_windows(symbol)
        return sorted(fired, key=lambda each: each[0])

    def _expect(self, rule_id: str, *statuses: str | None) -> None:
        if self.status(rule_id) not in statuses:
            raise ValueError(f"{rule_id} is {self.status(rule_id)}")

    def _activate(self, rule: _Rule) -> None:
        spec = rule.spec
        self._rules[spec.rule_id] = rule
        if spec.window is not None:
            last = self._last.get(spec.symbol)
            kept = self._windows.setdefault(spec.symbol, {})
            kept.setdefault((spec.condition, spec.window), [last] if last else [])

    def _active(self, symbol: str) -> list[_Rule]:
        active = [
            rule
            for rule in self._rules.values()
            if rule.spec.symbol == symbol and rule.status == "active"
        ]
        if self._threshold is not None:
            spec = Spec(HIGH_PRICE, symbol, "above", (self._threshold,), trigger="every")
            active.append(self._high_price.setdefault(symbol, _Rule(spec)))
        return active

    def _drop_windows(self, symbol: str) -> None:
        needed = {(rule.spec.condition, rule.spec.window) for rule in self._active(symbol)}
        kept = self._windows.get(symbol, {})
        self._windows[symbol] = {name: kept[name] for name in kept if name in needed}

    def _step(self, rule: _Rule, before: _Tick | None, now: _Tick) -> bool:
        """Apply a tick to a rule; returns whether it fires."""
        spec = rule.spec
        low, high = _units(spec.levels[0]), _units(spec.levels[-1])
        c = now.units if spec.window is None else self._move(spec, spec.window, now)
        if spec.condition in _HAPPENS:
            happens = _HAPPENS[spec.condition]
            triggers = before is not None and happens(before.units, c, low, high)
        else:
            holds = _HOLDS[spec.condition](c, low, high)
            triggers = holds and not rule.held
            rule.held = holds

        fires = triggers and not rule.disarmed and _may_fire(rule, now.timestamp)
        if fires:
            rule.last_fired_at = now.timestamp
            if spec.trigger == "once":
                rule.status = "triggered"
            elif spec.rearm is not None:
                is_range = len(spec.levels) == 2
                is_up = now.units > (high if is_range or before is None else before.units)
                rule.disarmed = "up" if is_up else "down"
        if rule.disarmed:
            is_back = _IS_BACK[spec.condition]
            if is_back(c, rule.disarmed == "up", _around(spec, low), _around(spec, high)):
                rule.disarmed = None
        return fires

    def _move(self, spec: Spec, window: str, now: _Tick) -> int:
        """Return a move within its window: in units of the price, or of a percent."""
        bucket = _WINDOW_SECONDS[window] * _SECOND // _BUCKETS
        first = now.timestamp // bucket - _BUCKETS
        kept = self._windows[spec.symbol][spec.condition, window]
        prices = [tick.units for tick in kept if tick.timestamp // bucket >= first]
        extreme = min(prices) if spec.condition == "rises" else max(prices)
        move = abs(now.units - extreme)  # this tick is one of them
        if not spec.is_percent:
            return move
        return move * 100 * _UNITS // extreme if extreme > 0 else 0


def _may_fire(rule: _Rule, timestamp: int) -> bool:
    expires_at, last = rule.spec.expires_at_microseconds, rule.last_fired_at
    is_over = expires_at is not None and timestamp >= expires_at
    cooldown = rule.spec.cooldown_seconds * _SECOND
    return not is_over and (last is None or timestamp - last >= cooldown)


def _around(spec: Spec, level: int) -> _Around:
    """Return what is R below a level and R above it."""
    assert spec.rearm is not None
    if spec.rearm_is_percent and not spec.is_percent:
        r = _units(spec.rearm) * level // (100 * _UNITS)
    else:
        r = _units(spec.rearm)
    return _Around(level - r, level + r)


@functools.lru_cache(1024)
def _units(number: Decimal) -> int:
    units = Fraction(number) * _UNITS
    if units.denominator != 1:
        raise ValueError("a number has more than 130 decimals")
    return int(units)
