"""Shapes: what feeds emit, as rows of a table, and where each row has its prices. Pure.

A row says how to recognise a JSON object, where its items are, and which fields of an item are
symbol, price, timestamp and sequence. A path names fields one below the other, ``k.c``; where
there is a list, it leads to each of its entries. A row without fields is an envelope: what it
holds is looked at again, and a text is read as JSON first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_MAX_DEPTH = 6  # of envelopes in each other
_NO_OBJECT = "must be a JSON object"
_ABSENT = object()
_WHOLE = re.compile(r"[0-9]{1,30}")


class Shape(NamedTuple):
    """How a feed writes prices.

    Attributes
    ----------
    name
        What it is called in errors.
    when
        Fields that an object of this shape has, each with the values it may have; none for any
        value but ``null``.
    items
        The path to what holds the prices; empty for the object itself.
    symbol, timestamp, sequence
        Paths in an item; empty if it has none.
    prices
        Paths in an item: to the price, or to open, high, low and close.
    is_skipped
        Whether it has no price: a heartbeat, say.
    """

    name: str
    when: Mapping[str, Sequence[Any]]
    items: str = ""
    symbol: str = ""
    prices: Sequence[str] = ()
    timestamp: str = ""
    sequence: str = ""
    is_skipped: bool = False


class Entry(NamedTuple):
    """The fields of one price, or of one bar, as they were written."""

    symbol: Any
    prices: Sequence[Any]
    timestamp: Any
    sequence: Any


class Unshaped(NamedTuple):
    """What has no entry in it, and why."""

    reason: str


def _bar(
    name: str, when: Mapping[str, Sequence[Any]], prices: str, symbol: str, timestamp: str
) -> Shape:
    return Shape(name, when, symbol=symbol, prices=prices.split(), timestamp=timestamp)


_ANY: tuple[Any, ...] = ()
# The first that fits counts. Looked up 2026-11-28 in each feed's own documentation.
_PLAIN = Shape(
    "plain", {"symbol": _ANY, "price": _ANY}, "", "symbol", ("price",), "timestamp", "sequence"
)
SHAPES = (
    Shape(
        "ccxt trade",
        {"info": _ANY, "symbol": _ANY, "price": _ANY},
        "",
        "symbol",
        ("price",),
        "timestamp",
        "id",
    ),
    _PLAIN,  # Twelve Data's prices, Binance's REST and TradingView's webhook are of this shape, too
    Shape("ccxt ticker", {"symbol": _ANY, "last": _ANY}, "", "symbol", ("last",), "timestamp"),
    _bar(
        "bar",
        {"symbol": _ANY, "open": _ANY, "high": _ANY, "low": _ANY, "close": _ANY},
        "open high low close",
        symbol="symbol",
        timestamp="timestamp",
    ),
    Shape("Binance stream", {"stream": _ANY, "data": _ANY}, "data"),
    Shape("Binance trade", {"e": ["trade"]}, "", "s", ("p",), "T", "t"),
    Shape("Binance aggregate trade", {"e": ["aggTrade"]}, "", "s", ("p",), "T", "a"),
    Shape("Binance ticker", {"e": ["24hrTicker", "24hrMiniTicker"]}, "", "s", ("c",), "E"),
    Shape("Binance open kline", {"e": ["kline"], "k.x": [False]}, is_skipped=True),
    _bar("Binance kline", {"e": ["kline"]}, "k.o k.h k.l k.c", symbol="s", timestamp="k.t"),
    Shape("Binance answer", {"id": _ANY, "result": [None]}, is_skipped=True),
    Shape("Binance shutdown", {"e": ["serverShutdown"]}, is_skipped=True),
    Shape(
        "Coinbase Exchange",
        {"type": ["ticker", "match", "last_match"], "product_id": _ANY},
        "",
        "product_id",
        ("price",),
        "time",
        "trade_id",
    ),
    Shape("Coinbase control", {"type": ["subscriptions", "heartbeat"]}, is_skipped=True),
    Shape(
        "Coinbase Advanced trades",
        {"channel": ["market_trades"]},
        "events.trades",
        "product_id",
        ("price",),
        "time",
        "trade_id",
    ),
    Shape(
        "Coinbase Advanced ticker",
        {"channel": ["ticker", "ticker_batch"], "events": _ANY},
        "events.tickers",
        "product_id",
        ("price",),
    ),
    Shape(
        "Kraken trade",
        {"channel": ["trade"], "data": _ANY},
        "data",
        "symbol",
        ("price",),
        "timestamp",
        "trade_id",
    ),
    Shape(
        "Kraken ticker",
        {"channel": ["ticker"], "data": _ANY},
        "data",
        "symbol",
        ("last",),
        "timestamp",
    ),
    Shape("Kraken answer", {"method": _ANY, "success": [True]}, is_skipped=True),
    Shape(
        "control channel",  # Kraken's and Coinbase Advanced's
        {"channel": ["heartbeat", "heartbeats", "status", "subscriptions"]},
        is_skipped=True,
    ),
    Shape("Alpaca trade", {"T": ["t"]}, "", "S", ("p",), "t", "i"),
    _bar("Alpaca bar", {"T": ["b", "d", "u"]}, "o h l c", symbol="S", timestamp="t"),
    Shape("Alpaca control", {"T": ["success", "subscription"]}, is_skipped=True),
    Shape("Polygon trade", {"ev": ["T"]}, "", "sym", ("p",), "t", "q"),
    Shape("Polygon crypto trade", {"ev": ["XT"]}, "", "pair", ("p",), "t"),
    _bar("Polygon bar", {"ev": ["A", "AM"]}, "o h l c", symbol="sym", timestamp="s"),
    Shape("Polygon status", {"ev": ["status"]}, is_skipped=True),
    Shape("Finnhub", {"type": ["trade"], "data": _ANY}, "data", "s", ("p",), "t"),
    Shape("Finnhub ping", {"type": ["ping"]}, is_skipped=True),
    Shape("Twelve Data control", {"event": ["subscribe-status", "heartbeat"]}, is_skipped=True),
    Shape("yfinance", {"id": _ANY, "price": _ANY, "time": _ANY}, "", "id", ("price",), "time"),
    Shape("SNS", {"Type": ["Notification"], "TopicArn": _ANY, "Message": _ANY}, "Message"),
    Shape("EventBridge", {"detail-type": _ANY, "source": _ANY, "detail": _ANY}, "detail"),
)


def shapes_with(own: Mapping[str, Mapping[str, Any]]) -> tuple[Shape, ...]:
    """Return shapes of one's own, as docs/messages.md has them, and after them those built in.

    Raises
    ------
    AttributeError, KeyError, TypeError
        If there is something else.
    """
    return (*(_own_shape(name, fields) for name, fields in own.items()), *SHAPES)


def _own_shape(name: str, fields: Mapping[str, Any]) -> Shape:
    return Shape(
        name,
        {path: _values(wanted) for path, wanted in fields["when"].items()},
        fields.get("items", ""),
        fields.get("symbol", ""),
        fields.get("bar") or [fields.get("price", "")],
        fields.get("timestamp", ""),
        fields.get("sequence", ""),
        fields.get("skip", False),
    )


def _values(wanted: Any) -> Sequence[Any]:
    if wanted is None:
        return _ANY
    return wanted if isinstance(wanted, list) else [wanted]


def entries_of(
    document: Any, shapes: Sequence[Shape], read: Callable[[str], Any]
) -> Iterator[Entry | Unshaped | None]:
    """Yield what each price of a document is, in its order; ``None`` for what has none.

    Parameters
    ----------
    document
        Decoded JSON.
    shapes
        Those to be tried, in their order.
    read
        Decodes JSON that is a text in an envelope; may raise ``ValueError`` with a reason.
    """
    yield from _entries(document, shapes, read, 0)


def shape_of(document: Mapping[str, Any], shapes: Sequence[Shape] = SHAPES) -> Shape | None:
    """Return the first shape that an object has."""
    for shape in shapes:
        for path, values in shape.when.items():
            if not _fits(document, path, values):
                break
        else:
            return shape
    return None


def _entries(
    document: Any, shapes: Sequence[Shape], read: Callable[[str], Any], depth: int
) -> Iterator[Entry | Unshaped | None]:
    if depth > _MAX_DEPTH:
        yield Unshaped("nested too deeply")
    elif isinstance(document, list):
        for each in document:
            content = Unshaped(_NO_OBJECT) if isinstance(each, list) else each
            yield from _entries(content, shapes, read, depth)
    elif isinstance(document, dict):
        shape = shape_of(document, shapes) or _PLAIN
        if shape.is_skipped:
            yield None
        elif shape.symbol:
            for item in _found(document, shape.items):
                yield _entry(item, shape)
        else:
            for content in _found(document, shape.items):
                yield from _entries(_opened(content, shape, read), shapes, read, depth + 1)
    elif isinstance(document, Unshaped):
        yield document
    else:
        yield Unshaped(_NO_OBJECT)


def _entry(item: Any, shape: Shape) -> Entry | Unshaped:
    if not isinstance(item, dict):
        return Unshaped(_NO_OBJECT)
    sequence = _value(item, shape.sequence)
    if shape is not _PLAIN and not (isinstance(sequence, str) and _WHOLE.fullmatch(sequence)):
        sequence = None  # an id that does not count
    return Entry(
        _value(item, shape.symbol),
        [_value(item, path) for path in shape.prices],
        _value(item, shape.timestamp),
        sequence,
    )


def _opened(content: Any, shape: Shape, read: Callable[[str], Any]) -> Any:
    if type(content) is not str:  # a number's literal is a str, too
        return content
    try:
        return read(content)
    except ValueError as reason:
        return Unshaped(f"{shape.items} of {shape.name}: {reason}")


def _found(document: Any, path: str) -> Iterator[Any]:
    """Yield what a path leads to, of a list each entry."""
    if isinstance(document, list):
        for each in document:
            yield from _found(each, path)
    elif not path:
        yield document
    else:
        name, _, rest = path.partition(".")
        following = document.get(name) if isinstance(document, dict) else None
        if following is not None:
            yield from _found(following, rest)


def _value(item: Mapping[str, Any], path: str, absent: Any = None) -> Any:
    if "." not in path:
        return item.get(path, absent)
    name, _, rest = path.partition(".")
    below = item.get(name)
    return _value(below, rest, absent) if isinstance(below, dict) else absent


def _fits(document: Mapping[str, Any], path: str, values: Sequence[Any]) -> bool:
    value = _value(document, path, _ABSENT)
    if not values:
        return value is not None and value is not _ABSENT
    # A number is a text here, and JSON's true is no 1.
    return any(value is each or (isinstance(each, str) and value == each) for each in values)
