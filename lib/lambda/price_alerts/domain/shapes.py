"""Shapes: what feeds emit, as rows of a table, and where each row has its prices. Pure.

A row says how to recognise a JSON object, where its items are, and which fields of an item are
symbol, price, timestamp and sequence. A path names nested fields, ``k.c``, and leads through a
list to each of its entries. A row without fields is an envelope: its content is matched again,
and text in it is first decoded as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_MAX_DEPTH = 6  # of nested envelopes
_NO_OBJECT = "must be a JSON object"
_ABSENT = object()
_WHOLE = re.compile(r"[0-9]{1,30}")


class Shape(NamedTuple):
    """How a feed writes prices.

    Attributes
    ----------
    when
        The fields of an object of this shape, each with its possible values; no values mean any
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
    """The fields of one price or one bar, as written."""

    symbol: Any
    prices: Sequence[Any]
    timestamp: Any
    sequence: Any


class Unshaped(NamedTuple):
    """Something without a price, and the reason."""

    reason: str


def _feed(name: str, when: Mapping[str, Sequence[Any]], fields: str = "", items: str = "") -> Shape:
    """Return a shape; `fields` are symbol, price (or open,high,low,close), timestamp, sequence."""
    symbol, prices, timestamp, sequence, *_ = [*fields.split(), "", "", "", ""]
    return Shape(name, when, items, symbol, prices.split(","), timestamp, sequence)


def _control(name: str, when: Mapping[str, Sequence[Any]]) -> Shape:
    return Shape(name, when, is_skipped=True)


_ANY: tuple[Any, ...] = ()
_PLAIN = _feed("plain", {"symbol": _ANY, "price": _ANY}, "symbol price timestamp sequence")
# The first match wins. Looked up 2026-11-28 in each feed's own documentation.
SHAPES = (
    _feed("ccxt trade", {"info": _ANY, "symbol": _ANY, "price": _ANY}, "symbol price timestamp id"),
    _PLAIN,  # Twelve Data's prices, Binance's REST and TradingView's webhook are of this shape, too
    _feed("ccxt ticker", {"symbol": _ANY, "last": _ANY}, "symbol last timestamp"),
    _feed(
        "bar",
        {"symbol": _ANY, "open": _ANY, "high": _ANY, "low": _ANY, "close": _ANY},
        "symbol open,high,low,close timestamp",
    ),
    _feed("Binance stream", {"stream": _ANY, "data": _ANY}, items="data"),
    _feed("Binance trade", {"e": ["trade"]}, "s p T t"),
    _feed("Binance aggregate trade", {"e": ["aggTrade"]}, "s p T a"),
    _feed("Binance ticker", {"e": ["24hrTicker", "24hrMiniTicker"]}, "s c E"),
    _control("Binance open kline", {"e": ["kline"], "k.x": [False]}),
    _feed("Binance kline", {"e": ["kline"]}, "s k.o,k.h,k.l,k.c k.t"),
    _control("Binance answer", {"id": _ANY, "result": [None]}),
    _control("Binance shutdown", {"e": ["serverShutdown"]}),
    _feed(
        "Coinbase Exchange",
        {"type": ["ticker", "match", "last_match"], "product_id": _ANY},
        "product_id price time trade_id",
    ),
    _control("Coinbase control", {"type": ["subscriptions", "heartbeat"]}),
    _feed(
        "Coinbase Advanced trades",
        {"channel": ["market_trades"]},
        "product_id price time trade_id",
        items="events.trades",
    ),
    _feed(
        "Coinbase Advanced ticker",
        {"channel": ["ticker", "ticker_batch"], "events": _ANY},
        "product_id price",
        items="events.tickers",
    ),
    _feed(
        "Kraken trade",
        {"channel": ["trade"], "data": _ANY},
        "symbol price timestamp trade_id",
        items="data",
    ),
    _feed("Kraken ticker", {"channel": ["ticker"], "data": _ANY}, "symbol last timestamp", "data"),
    _control("Kraken answer", {"method": _ANY, "success": [True]}),
    _control(
        "control channel",  # Kraken's and Coinbase Advanced's
        {"channel": ["heartbeat", "heartbeats", "status", "subscriptions"]},
    ),
    _feed("Alpaca trade", {"T": ["t"]}, "S p t i"),
    _feed("Alpaca bar", {"T": ["b", "d", "u"]}, "S o,h,l,c t"),
    _control("Alpaca control", {"T": ["success", "subscription"]}),
    _feed("Polygon trade", {"ev": ["T"]}, "sym p t q"),
    _feed("Polygon crypto trade", {"ev": ["XT"]}, "pair p t"),
    _feed("Polygon bar", {"ev": ["A", "AM"]}, "sym o,h,l,c s"),
    _control("Polygon status", {"ev": ["status"]}),
    _feed("Finnhub", {"type": ["trade"], "data": _ANY}, "s p t", "data"),
    _control("Finnhub ping", {"type": ["ping"]}),
    _control("Twelve Data control", {"event": ["subscribe-status", "heartbeat"]}),
    _feed("yfinance", {"id": _ANY, "price": _ANY, "time": _ANY}, "id price time"),
    _feed("SNS", {"Type": ["Notification"], "TopicArn": _ANY, "Message": _ANY}, items="Message"),
    _feed("EventBridge", {"detail-type": _ANY, "source": _ANY, "detail": _ANY}, items="detail"),
)


def shapes_with(own: Mapping[str, Mapping[str, Any]]) -> tuple[Shape, ...]:
    """Return the user's shapes, written as in docs/messages.md, followed by the built-in ones.

    Raises
    ------
    AttributeError, KeyError, TypeError
        If they are written differently.
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


def shape_of(document: Mapping[str, Any], shapes: Sequence[Shape] = SHAPES) -> Shape | None:
    """Return the first shape that an object has."""
    for shape in shapes:
        for path, values in shape.when.items():
            if not _fits(document, path, values):
                break
        else:
            return shape
    return None


def entries_of(
    document: Any, shapes: Sequence[Shape], read: Callable[[str], Any], depth: int = 0
) -> Iterator[Entry | Unshaped | None]:
    """Yield the prices of decoded JSON in their order; ``None`` for what has none.

    Parameters
    ----------
    shapes
        The shapes to try, in this order.
    read
        Decodes JSON that is text in an envelope; may raise ``ValueError`` with a reason.
    depth
        How many envelopes the document is in.
    """
    if depth > _MAX_DEPTH:
        yield Unshaped("nested too deeply")
    elif isinstance(document, list):
        for each in document:
            content = Unshaped(_NO_OBJECT) if isinstance(each, list) else each
            yield from entries_of(content, shapes, read, depth)
    elif isinstance(document, dict):
        shape = shape_of(document, shapes) or _PLAIN
        if shape.is_skipped:
            yield None
        elif shape.symbol:
            for item in _found(document, shape.items):
                yield _entry(item, shape)
        else:
            for content in _found(document, shape.items):
                yield from entries_of(_opened(content, shape, read), shapes, read, depth + 1)
    elif isinstance(document, Unshaped):
        yield document
    else:
        yield Unshaped(_NO_OBJECT)


def _entry(item: Any, shape: Shape) -> Entry | Unshaped:
    if not isinstance(item, dict):
        return Unshaped(_NO_OBJECT)
    sequence = _value(item, shape.sequence)
    if shape is not _PLAIN and not (isinstance(sequence, str) and _WHOLE.fullmatch(sequence)):
        sequence = None  # an id that does not count up
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
