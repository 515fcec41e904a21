"""Ticks: what a message may hold, and the order in which ticks count."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from itertools import islice
from typing import Any, NamedTuple, NoReturn

from price_alerts.domain.shapes import SHAPES, Entry, Shape, Unshaped, entries_of

MAX_BODY_BYTES = 256 * 1024
MAX_TICKS_PER_MESSAGE = 500
_TICKS = f"a message must hold 1 to {MAX_TICKS_PER_MESSAGE} ticks"
# A hundred fields a tick; as many numbers as fit into a body would take the time of many ticks.
MAX_COMMAS = 50_000
# Of a number, a price or a level: what a feed's double may be, and all of it exactly. DynamoDB's
# numbers have 38 digits. Source: Amazon DynamoDB Developer Guide, "Data types".
MAX_DIGITS = 34
_LEAST, _MOST = Decimal("1e-30"), Decimal("1e30")
NUMBER_LIMITS = f"0 or between 1e-30 and 1e30 in size, with at most {MAX_DIGITS} significant digits"
MAX_CLOCK_SKEW_MICROSECONDS = 60 * 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# An epoch's unit is known by its size: seconds to the year 5138, milliseconds from 1973 on.
_EPOCHS = (
    (10**11, Decimal(1_000_000)),
    (10**14, Decimal(1_000)),
    (10**17, Decimal(1)),
    (10**20, Decimal("0.001")),
)
_EPOCH_IN_TEXT = re.compile(r"[0-9]{9,}(\.[0-9]+)?")  # 20240102 is a date
_EPOCH_UNITS = "an epoch in seconds, milliseconds, microseconds or nanoseconds"
MAX_SYMBOL_CHARACTERS = 64
_SYMBOLS = f"1 to {MAX_SYMBOL_CHARACTERS} printable characters, with no blank at either end"
_SEQUENCE_DIGITS = 30
_SEQUENCE = re.compile(rf"[0-9]{{1,{_SEQUENCE_DIGITS}}}")
_MAX_NUMBER_CHARACTERS = 100
_EXACT, _WIDE = Context(prec=MAX_DIGITS), Context(prec=2 * _MAX_NUMBER_CHARACTERS)

# RFC 8259, section 6. Decimal() alone would take "1_0", " 1 ", "NaN" and non-ASCII digits.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class InvalidMessage(ValueError):
    """What is no valid tick; the text is the reason and quotes nothing of the message."""


class Position(NamedTuple):
    """Where a tick stands among all ticks of its symbol; compares in that order.

    Attributes
    ----------
    timestamp_microseconds
        Its time.
    sequence
        The feed's own number of it, a trade's id say; 0 if it has none.
    sent_at_microseconds
        When its message was sent first; 0 if nobody knows.
    message_id
        The id under which its message was sent first.
    ordinal
        Its place in its message.
    """

    timestamp_microseconds: int
    sequence: int
    sent_at_microseconds: int
    message_id: str
    ordinal: int

    @property
    def name(self) -> tuple[int, str, int]:
        """What tells it from all others, whatever is known of its order."""
        return self.timestamp_microseconds, self.message_id, self.ordinal


class Tick(NamedTuple):
    """One observed price, without trailing zeros."""

    symbol: str
    price: Decimal
    position: Position


class Content(NamedTuple):
    """The ticks of a message, and what is wrong with the others, or with all of it."""

    ticks: tuple[Tick, ...]
    faults: tuple[str, ...] = ()


class NumberLiteral(str):
    """A JSON number as it was written: converted only where a number is wanted, never via float."""

    __slots__ = ()


def parse_message(
    body: str,
    message_id: str,
    sent_at_microseconds: int | None,
    now_microseconds: int,
    shapes: Sequence[Shape] = SHAPES,
) -> Content:
    """Read the ticks of one message; one that is wrong does not hold back its neighbours.

    Parameters
    ----------
    body
        A JSON object, or an array of them, with ``symbol``, ``price`` and optionally
        ``timestamp`` and ``sequence``, or as one of the shapes; 1 to 500 in all. Other fields are
        ignored.
    message_id
        SQS's identifier of the message; part of every tick's position.
    sent_at_microseconds
        When the message was sent, for ticks without a timestamp; ``None`` stands for now.
    now_microseconds
        The present, against which timestamps from the future are refused.
    shapes
        What feeds emit.
    """
    try:
        entries = _entries(_decode(body), shapes)
    except InvalidMessage as reason:
        return Content((), (str(reason),))
    default_timestamp = now_microseconds if sent_at_microseconds is None else sent_at_microseconds
    ticks: list[Tick] = []
    faults = []
    ordinal = 0
    for entry in entries:
        try:
            symbol, prices, timestamp, sequence = _fields(entry, now_microseconds)
        except InvalidMessage as reason:
            faults.append(f"tick {ordinal}: {reason}")
            prices = ()
        for place, price in enumerate(prices):
            position = Position(
                default_timestamp if timestamp is None else timestamp,
                sequence,
                sent_at_microseconds or 0,
                message_id,
                ordinal + place,
            )
            ticks.append(Tick(symbol, price, position))
        ordinal += max(1, len(prices))
    if ordinal > MAX_TICKS_PER_MESSAGE:
        return Content((), (_TICKS,))
    return Content(tuple(ticks), tuple(faults))


def parse_price(value: Any) -> Decimal:
    """Read a price from a JSON number's text.

    Raises
    ------
    InvalidMessage
        If it is none, is too large or too small, or has more than 34 significant digits.
    """
    number = _decimal(value) if isinstance(value, str) else None
    if number is None:
        raise InvalidMessage("price must be a JSON number, or a string that holds one")
    if not is_number(number):
        raise InvalidMessage(f"price must be {NUMBER_LIMITS}")
    return number.normalize(_EXACT) if number else Decimal(0)


def parse_symbol(value: Any) -> str:
    """Read a symbol, with small letters made capital.

    Raises
    ------
    InvalidMessage
        If it is not 1 to 64 printable characters.
    """
    symbol = value.upper() if type(value) is str else ""  # a number's literal is a str, too
    if not (
        1 <= len(symbol) <= MAX_SYMBOL_CHARACTERS
        and symbol.isprintable()
        and symbol == symbol.strip()
    ):
        raise InvalidMessage(f"symbol must be {_SYMBOLS}")
    return symbol


def parse_timestamp(value: Any) -> int:
    """Read a timestamp as microseconds since 1970; what is finer is cut off.

    Parameters
    ----------
    value
        ISO 8601 with a zone; or an epoch, as a `NumberLiteral` or as a text.

    Raises
    ------
    InvalidMessage
        If it is neither, or is before 1970.
    """
    if isinstance(value, NumberLiteral) or (
        isinstance(value, str) and _EPOCH_IN_TEXT.fullmatch(value)
    ):
        return _microseconds(_decimal(value))
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise InvalidMessage(f"timestamp must be ISO 8601 with a zone, or {_EPOCH_UNITS}")
    timestamp = (moment - _EPOCH) // _MICROSECOND
    if timestamp < 0:
        raise InvalidMessage("timestamp must not be before 1970")
    return timestamp


def is_number(number: Decimal) -> bool:
    """Return whether a number can be a price or a level: within `NUMBER_LIMITS`."""
    if not number:
        return True
    if not (number.is_finite() and _LEAST <= number.copy_abs() <= _MOST):
        return False
    digits = number.as_tuple().digits
    # Few prices are so long that their zeros have to be looked at.
    return len(digits) <= MAX_DIGITS or len("".join(map(str, digits)).strip("0")) <= MAX_DIGITS


def check_symbol(symbol: str) -> None:
    """Refuse, with an `InvalidMessage`, what is not a symbol as `parse_symbol` returns it."""
    if parse_symbol(symbol) != symbol:
        raise InvalidMessage("symbol must have capital letters")


def format_timestamp(timestamp_microseconds: int) -> str:
    """Write a time as ISO 8601 in UTC, of fixed width, so that text sorts as time does."""
    moment = _EPOCH + timestamp_microseconds * _MICROSECOND
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_moment(timestamp_microseconds: int) -> str:
    """Write a time for people: with a fraction of a second only if it has one."""
    return format_timestamp(timestamp_microseconds).replace(".000000", "")


def _entries(document: Any, shapes: Sequence[Shape]) -> list[Entry | Unshaped | None]:
    if document == []:
        raise InvalidMessage(_TICKS)
    return list(islice(entries_of(document, shapes, _decode), MAX_TICKS_PER_MESSAGE + 1))


def _fields(
    entry: Entry | Unshaped | None, now_microseconds: int
) -> tuple[str, Sequence[Decimal], int | None, int]:
    """Read symbol, prices, timestamp and sequence; nothing has no price."""
    if entry is None:
        return "", (), None, 0
    if isinstance(entry, Unshaped):
        raise InvalidMessage(entry.reason)
    if entry.symbol is None:
        raise InvalidMessage("symbol is missing")
    if None in entry.prices:
        raise InvalidMessage("price is missing")
    timestamp, sequence = None, 0
    if entry.timestamp is not None:
        timestamp = parse_timestamp(entry.timestamp)
        if timestamp > now_microseconds + MAX_CLOCK_SKEW_MICROSECONDS:
            raise InvalidMessage("timestamp is more than 60 s in the future")
    if entry.sequence is not None:
        sequence = _sequence(entry.sequence)
    prices = [parse_price(price) for price in entry.prices]
    if len(prices) > 1:
        prices = list(bar_path(*prices))
    return parse_symbol(entry.symbol), prices, timestamp, sequence


def bar_path(
    first: Decimal, high: Decimal, low: Decimal, last: Decimal
) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return a bar's prices along the shorter path: by way of the low first if it rose."""
    # first-low + high-last against high-first + last-low: the difference is 2 (first-last).
    return (first, low, high, last) if first <= last else (first, high, low, last)


def _sequence(value: Any) -> int:
    if isinstance(value, str) and _SEQUENCE.fullmatch(value):
        return int(value)
    raise InvalidMessage(f"sequence must be a whole number of up to {_SEQUENCE_DIGITS} digits")


def _microseconds(epoch: Decimal | None) -> int:
    if epoch is not None and epoch >= 0:
        for end, factor in _EPOCHS:
            if epoch < end:
                return int(_WIDE.multiply(epoch, factor))
    raise InvalidMessage(f"timestamp must be {_EPOCH_UNITS}")


def _decimal(text: str) -> Decimal | None:
    if len(text) > _MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that Decimal cannot hold; no ValueError
        return None


def _decode(body: Any) -> Any:
    if not isinstance(body, str):
        raise InvalidMessage("the body must be text")
    try:
        if len(body) > MAX_BODY_BYTES or len(body.encode()) > MAX_BODY_BYTES:
            raise InvalidMessage(f"the body must not be longer than {MAX_BODY_BYTES} bytes")
        if body.count(",") > MAX_COMMAS:
            raise InvalidMessage(f"the body must not hold more than {MAX_COMMAS} commas")
        document = _DECODER.decode(body)
        if "\\u" in body:
            _refuse_lone_surrogates(document)
    except InvalidMessage:
        raise
    except UnicodeEncodeError:
        raise InvalidMessage("a lone surrogate is not text") from None
    except RecursionError:
        raise InvalidMessage("nested too deeply") from None
    except ValueError:
        raise InvalidMessage("the body is not JSON") from None
    return document


def _refuse_lone_surrogates(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for item in value:
            _refuse_lone_surrogates(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode()
            _refuse_lone_surrogates(item)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidMessage("an object has the same key twice")
    return fields


def _refuse_constant(_name: str) -> NoReturn:
    raise InvalidMessage("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=NumberLiteral,
    parse_int=NumberLiteral,
    parse_constant=_refuse_constant,
)
