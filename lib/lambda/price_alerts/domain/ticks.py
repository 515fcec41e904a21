"""Ticks: what a message may hold, and the order of ticks. Pure."""

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
# A hundred fields a tick: parsing as many numbers as fit into a body would take too long.
MAX_COMMAS = 50_000
# A price or a level is any double of a feed, exactly. DynamoDB's numbers have 38 digits.
# Source: Amazon DynamoDB Developer Guide, "Data types".
MAX_DIGITS = 34
_LEAST, _MOST = Decimal("1e-30"), Decimal("1e30")
NUMBER_LIMITS = f"0 or between 1e-30 and 1e30 in size, with at most {MAX_DIGITS} significant digits"
MAX_CLOCK_SKEW_MICROSECONDS = 60 * 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The size of an epoch tells its unit: seconds up to the year 5138, milliseconds from 1973 on.
_EPOCHS = (
    (10**11, Decimal(1_000_000)),
    (10**14, Decimal(1_000)),
    (10**17, Decimal(1)),
    (10**20, Decimal("0.001")),
)
_EPOCH_IN_TEXT = re.compile(r"[0-9]{9,}(\.[0-9]+)?")  # 20240102 is a date
_EPOCH_UNITS = "an epoch in seconds, milliseconds, microseconds or nanoseconds"
MAX_SYMBOL_CHARACTERS = 64
_SEQUENCE = re.compile(r"[0-9]{1,30}")
_MAX_NUMBER_CHARACTERS = 100
_EXACT, _WIDE = Context(prec=MAX_DIGITS), Context(prec=2 * _MAX_NUMBER_CHARACTERS)

# RFC 8259, section 6. Decimal() alone would accept "1_0", " 1 ", "NaN" and non-ASCII digits.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class InvalidMessage(ValueError):
    """An invalid tick; the text is the reason, and quotes nothing of the message."""


class Position(NamedTuple):
    """Where a tick is among all ticks of its symbol; positions compare in that order.

    Attributes
    ----------
    sequence
        The feed's own number, such as a trade's id; 0 if it has none.
    sent_at_microseconds
        When its message was first sent; 0 if unknown.
    message_id
        The id under which its message was first sent.
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
        """The part that identifies the tick, whatever is known of its order."""
        return self.timestamp_microseconds, self.message_id, self.ordinal


class Tick(NamedTuple):
    """One observed price, without trailing zeros."""

    symbol: str
    price: Decimal
    position: Position


class Content(NamedTuple):
    """The ticks of a message, and the faults of the others, or of the whole message."""

    ticks: tuple[Tick, ...]
    faults: tuple[str, ...] = ()


class NumberLiteral(str):
    """A JSON number as written: converted only where a number is expected, never via float."""

    __slots__ = ()


def parse_message(
    body: str,
    message_id: str,
    sent_at_microseconds: int | None,
    now_microseconds: int,
    shapes: Sequence[Shape] = SHAPES,
) -> Content:
    """Read the ticks of one message; an invalid one does not affect its neighbours.

    Parameters
    ----------
    body
        A JSON object, or an array of them, of one of the shapes; 1 to 500 in all.
    message_id
        SQS's identifier of the message; part of every tick's position.
    sent_at_microseconds
        When the message was sent, for ticks without a timestamp; ``None`` means now.
    now_microseconds
        The present: timestamps in the future are rejected.
    """
    try:
        document = _decode(body)
        if document == []:
            raise InvalidMessage(_TICKS)
        entries = list(islice(entries_of(document, shapes, _decode), MAX_TICKS_PER_MESSAGE + 1))
    except InvalidMessage as reason:
        return Content((), (str(reason),))
    default_timestamp = now_microseconds if sent_at_microseconds is None else sent_at_microseconds
    ticks: list[Tick] = []
    faults = []
    ordinal = 0
    for entry in entries:
        prices: Sequence[Decimal] = ()
        try:
            if entry is not None:
                symbol, prices, timestamp, sequence = _fields(entry, now_microseconds)
        except InvalidMessage as reason:
            faults.append(f"tick {ordinal}: {reason}")
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
    """Read a price from a JSON number's text; raises `InvalidMessage`."""
    number = _decimal(value) if isinstance(value, str) else None
    if number is None:
        raise InvalidMessage("price must be a JSON number, or a string that holds one")
    if not is_number(number):
        raise InvalidMessage(f"price must be {NUMBER_LIMITS}")
    return number.normalize(_EXACT) if number else Decimal(0)


def parse_symbol(value: Any) -> str:
    """Read a symbol and convert it to upper case; raises `InvalidMessage`."""
    symbol = value.upper() if type(value) is str else ""  # a number's literal is a str, too
    if not (
        1 <= len(symbol) <= MAX_SYMBOL_CHARACTERS
        and symbol.isprintable()
        and symbol == symbol.strip()
    ):
        raise InvalidMessage(
            f"symbol must be 1 to {MAX_SYMBOL_CHARACTERS} printable characters, "
            "with no blank at either end"
        )
    return symbol


def parse_timestamp(value: Any) -> int:
    """Return a timestamp in microseconds since 1970, rounded down.

    Parameters
    ----------
    value
        ISO 8601 with a zone; or an epoch, as a `NumberLiteral` or as text.

    Raises
    ------
    InvalidMessage
        If it is neither, or before 1970.
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
    """Raise an `InvalidMessage` if this is not a symbol as `parse_symbol` returns it."""
    if parse_symbol(symbol) != symbol:
        raise InvalidMessage("symbol must have capital letters")


def format_timestamp(timestamp_microseconds: int) -> str:
    """Write a time as ISO 8601 in UTC, with a fixed width, so that text sorts as time does."""
    moment = _EPOCH + timestamp_microseconds * _MICROSECOND
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_moment(timestamp_microseconds: int) -> str:
    """Write a time for people, without a fraction of a second if it is zero."""
    return format_timestamp(timestamp_microseconds).replace(".000000", "")


def _fields(
    entry: Entry | Unshaped, now_microseconds: int
) -> tuple[str, Sequence[Decimal], int | None, int]:
    """Return symbol, prices, timestamp and sequence."""
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
        if not (isinstance(entry.sequence, str) and _SEQUENCE.fullmatch(entry.sequence)):
            raise InvalidMessage("sequence must be a whole number of up to 30 digits")
        sequence = int(entry.sequence)
    prices = [parse_price(price) for price in entry.prices]
    if len(prices) > 1:
        prices = list(bar_path(*prices))
    return parse_symbol(entry.symbol), prices, timestamp, sequence


def bar_path(
    first: Decimal, high: Decimal, low: Decimal, last: Decimal
) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return a bar's prices along the shorter path: low before high if it rose."""
    # first-low + high-last against high-first + last-low: the difference is 2 (first-last).
    return (first, low, high, last) if first <= last else (first, high, low, last)


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
            json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate cannot be encoded
    except InvalidMessage:
        raise
    except UnicodeEncodeError:
        raise InvalidMessage("a lone surrogate is not text") from None
    except RecursionError:
        raise InvalidMessage("nested too deeply") from None
    except ValueError:
        raise InvalidMessage("the body is not JSON") from None
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidMessage("an object has the same key twice")
    return fields


def _reject_constant(_name: str) -> NoReturn:
    raise InvalidMessage("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=NumberLiteral,
    parse_int=NumberLiteral,
    parse_constant=_reject_constant,
)
