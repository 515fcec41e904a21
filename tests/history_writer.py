"""Writes whole histories of rules and prices from a tape of random bytes.

Rules share few levels, and prices meet them exactly, narrowly and often; so do the times with
the edges of windows and buckets, with cooldowns and with expiries. Each event has a record of
fixed length on the tape, in which 0 stands for the simplest choice, and a record that begins
with 0 for no event: so Hypothesis makes histories fast, and shrinks them well.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Literal, TypeVar

from tests.oracle import Spec

PriceAt = tuple[str, Decimal, int]  # symbol, price, timestamp in microseconds
Change = Literal["pause", "resume", "remove"]
Kind = Change | Literal["add", "ticks"]
Event = tuple[Literal["add"], Spec] | tuple[Change, str] | tuple[Literal["ticks"], list[PriceAt]]
History = list[Event]
T = TypeVar("T")

RECORD_BYTES = 24
EXACT = Context(prec=60)

_SECOND = 1_000_000
_START = 89_000 * 20_160 * _SECOND  # a bucket of every window begins here
_BUCKET_SECONDS = {"1m": 2, "5m": 10, "15m": 30, "1h": 120, "4h": 480, "1d": 2_880, "7d": 20_160}

# Prices and levels are places, which are whole numbers, from some place on and times a scale.
_FIRST_PLACE, _LAST_PLACE = 85, 115
_ORIGINS = (0, 0, 0, 0, 0, 0, 100, 97, 103, 120)
_SMALL = Decimal("1.2345678901234567890123456789012E-29")
_LARGE = Decimal("8.6000000000000000000000000000001E27")
_SCALES = (*[Decimal(1)] * 3, Decimal("0.5"), Decimal("1E-18"), _SMALL, _LARGE)
_FINEST_PERCENT = Decimal("1E-18")

_CHANNELS = ("enters", "exits", "inside", "outside")
_MOVES = ("rises", "falls")
_CONDITIONS = (
    *("crosses_up", "crosses_down", "crosses", "above", "below"),
    *_CHANNELS,
    *_MOVES * 2,
)
_FIRST_KINDS: Sequence[Kind] = ("add", "add", "add", "ticks")
_TICKS: Sequence[Kind] = ("ticks",) * 12
_KINDS: Sequence[Kind] = (
    *_TICKS,
    *("add", "add", "pause", "pause", "remove"),
    *("resume", "resume", "resume", "resume", "resume", "resume"),
)


def written_from(tape: bytes) -> History:
    """Write the history of a tape; its first record sets the scene."""
    setup, *records = (
        tape[start : start + RECORD_BYTES] for start in range(0, len(tape), RECORD_BYTES)
    )
    writer = _Writer(_Record(setup))
    for number, record in enumerate(records):
        if record[0]:
            kinds = _FIRST_KINDS if number < len(records) // 3 else _KINDS
            writer.write(kinds[record[0] % len(kinds)], _Record(record[1:]))
    return writer.history


class _Record:
    """A stretch of the tape; each choice takes one byte of it."""

    def __init__(self, tape: bytes) -> None:
        self._bytes = iter(tape)

    def choose(self, options: Sequence[T]) -> T:
        return options[next(self._bytes, 0) % len(options)]


class _Writer:
    """Writes event by event, around a few levels and one window."""

    def __init__(self, setup: _Record) -> None:
        self.history: History = []
        self._symbols = ("AAPL", "MSFT", "TSLA")[: setup.choose((1, 1, 1, 2, 2, 3))]
        self._window = setup.choose(tuple(_BUCKET_SECONDS))
        self._bucket_seconds = _BUCKET_SECONDS[self._window]
        self._scale = setup.choose(_SCALES)
        self._origin = setup.choose(_ORIGINS)
        self._levels = [
            100,
            *(setup.choose(range(94, 107)) for _ in range(setup.choose((2, 3, 4)))),
        ]
        self._rule_ids: list[str] = []
        self._paused: list[str] = []  # lately, perhaps
        self._places = dict.fromkeys(self._symbols, 100)
        self._times = dict.fromkeys(self._symbols, _START)

    def write(self, kind: Kind, record: _Record) -> None:
        if kind == "add":
            self._add(record)
        elif kind == "ticks":
            ticks = [self._tick(record) for _ in range(record.choose((1, 2, 2, 3, 4)))]
            last = self.history[-1] if self.history else None
            if last and last[0] == "ticks":
                last[1].extend(ticks)
            else:
                self.history.append(("ticks", ticks))
        elif self._rule_ids:
            self._change(kind, record)

    def _change(self, kind: Change, record: _Record) -> None:
        """Change a rule; one that is paused is resumed at once, later or not at all."""
        rule_ids = self._paused if kind == "resume" and record.choose((True, False)) else ()
        rule_id = record.choose(rule_ids or self._rule_ids)
        self.history.append((kind, rule_id))
        if kind == "pause":
            self._paused = [*self._paused[-2:], rule_id]
            if record.choose((False, True)):
                self.history.append(("resume", rule_id))

    def _tick(self, record: _Record) -> PriceAt:
        symbol = record.choose(self._symbols)
        place, level = self._places[symbol], record.choose(self._levels)
        anywhere = record.choose(range(_FIRST_PLACE, _LAST_PLACE + 1))
        steps = [place + step for step in (0, 1, -1, 1, -1, 2, -2, 5, -5)]
        place = record.choose((*steps, level, level, level + 1, level - 1, anywhere, anywhere))
        self._places[symbol] = min(max(place, _FIRST_PLACE), _LAST_PLACE)
        self._times[symbol] = self._later(self._times[symbol], record)
        return symbol, self._price(self._places[symbol]), self._times[symbol]

    def _later(self, now: int, record: _Record) -> int:
        bucket = self._bucket_seconds * _SECOND
        next_bucket = (now // bucket + 1) * bucket
        last_in_window = next_bucket + 30 * bucket - 1
        times = (
            *[now + seconds * _SECOND for seconds in (1, 1, 2, 5)],
            *[now + buckets * bucket for buckets in (1, 1, 2, 5, 10, 30, 31)],
            *(now + bucket - 1, now + bucket + 1, now + 30 * bucket - 1, now + 30 * bucket + 1),
            *(next_bucket - 1, next_bucket, next_bucket, last_in_window, last_in_window + 1),
        )
        return max(record.choose(times), now + 1)

    def _add(self, record: _Record) -> None:
        rule_id = f"r{len(self._rule_ids)}"
        if record.choose(range(16)) == 15 and self._rule_ids:  # another one of the same name
            rule_id = record.choose(self._rule_ids)
            self.history.append(("remove", rule_id))
        else:
            self._rule_ids.append(rule_id)
        self.history.append(("add", self._spec(rule_id, record)))

    def _spec(self, rule_id: str, record: _Record) -> Spec:
        symbol, condition = record.choose(self._symbols), record.choose(_CONDITIONS)
        every = record.choose((False, True, True))
        is_percent, window = False, None
        if condition in _MOVES:
            is_percent = record.choose((False, True))
            window = record.choose((*[self._window] * 7, *_BUCKET_SECONDS))
        if is_percent:
            levels, rearm, rearm_is_percent = self._percent_move(record)
        else:
            levels, rearm, rearm_is_percent = self._in_price(condition, record)
        return Spec(
            *(rule_id, symbol, condition, levels, is_percent, window),
            rearm=rearm if every else None,
            rearm_is_percent=every and rearm_is_percent,
            trigger="every" if every else "once",
            cooldown_seconds=self._cooldown(record) if every else 0,
            expires_at_microseconds=self._expiry(symbol, record),
        )

    def _percent_move(self, record: _Record) -> tuple[tuple[Decimal, ...], Decimal | None, bool]:
        """Choose what some step between two prices comes to, and as rearm the same."""
        start, size = record.choose((100, *self._levels)), record.choose((2, 3, 5, 1, 8))
        start = max(start - self._origin, 1)
        level = _percent(size, start)
        back = record.choose((None, None, *range(1, size)))
        if back is None:
            return (level,), None, False
        return (level,), EXACT.subtract(level, _percent(back, start)), True

    def _in_price(
        self, condition: str, record: _Record
    ) -> tuple[tuple[Decimal, ...], Decimal | None, bool]:
        anywhere = range(90, 111)
        low, high = (record.choose((*self._levels * 3, *anywhere)) for _ in range(2))
        if condition in _CHANNELS:
            low, high = min(low, high), max(low, high) + (low == high)
        elif condition in _MOVES:
            low = record.choose((2, 3, 5, 1, 8))
        levels = (low, high) if condition in _CHANNELS else (low,)
        written = self._amount if condition in _MOVES else self._price
        amounts = tuple(written(place) for place in levels)

        amount, percent = record.choose((1, 2, 3, 5)), record.choose(("2.5", "1.5", "4.5"))
        origin, width = self._origin, 1_000
        if condition in _MOVES:
            origin, width = 0, low
        elif condition in ("exits", "outside"):
            width = high - low
        kind = record.choose(("none", "amount", "amount", "percent"))
        if kind == "amount" and amount < width:
            return amounts, self._amount(amount), False
        if (
            kind == "percent"
            and levels[0] > origin
            and Decimal(percent) * (levels[-1] - origin) < 100 * width
        ):
            return amounts, Decimal(percent), True
        return amounts, None, False

    def _cooldown(self, record: _Record) -> int:
        return record.choose((0, 0, 0, 1, 2, *[self._bucket_seconds * n for n in (1, 2, 5, 30)]))

    def _expiry(self, symbol: str, record: _Record) -> int | None:
        seconds = record.choose(
            (*[None] * 15, 0, 1, 2, *[self._bucket_seconds * n for n in (1, 5, 10, 30)])
        )
        return None if seconds is None else self._times[symbol] + seconds * _SECOND

    def _price(self, place: int) -> Decimal:
        return self._amount(place - self._origin)

    def _amount(self, place: int) -> Decimal:
        return EXACT.multiply(place, self._scale)


def _percent(move: int, start: int) -> Decimal:
    return EXACT.divide(100 * move, start).quantize(_FINEST_PERCENT, ROUND_FLOOR, EXACT)
