"""Ticks: what a message may hold, and the order in which ticks count."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

__all__ = [
    "InvalidMessage",
    "NumberLiteral",
    "Position",
    "Tick",
    "format_moment",
    "format_timestamp",
    "is_price",
    "is_symbol",
    "parse_message",
    "parse_price",
    "parse_symbol",
    "parse_timestamp",
]

MAX_BODY_BYTES = 256 * 1024
MAX_TICKS_PER_MESSAGE = 500
# A hundred fields a tick; as many numbers as fit into a body would take the time of many ticks.
MAX_COMMAS = 50_000
MAX_PRICE_DIGITS = 18  # on either side of the point
MAX_CLOCK_SKEW_MICROSECONDS = 60 * 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Below it an epoch is read as seconds (to the year 5138), from it on as milliseconds (from 1973).
_FIRST_EPOCH_IN_MILLISECONDS = 10**11
_LAST_EPOCH_IN_MILLISECONDS = 10**14
_MAX_NUMBER_CHARACTERS = 64
_EXACT = Context(prec=2 * MAX_PRICE_DIGITS)

_SYMBOL = re.compile(r"[A-Za-z0-9._/:=^-]{1,32}")
# RFC 8259, section 6. Decimal() alone would take "1_0", " 1 ", "NaN" and non-ASCII digits.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class InvalidMessage(ValueError):
    """A body that holds no valid ticks; the text is the reason and quotes nothing of the body."""


class Position(NamedTuple):
    """Where a tick stands among all ticks of its symbol; compares in that order.

    ``ordinal`` is its place in its message.
    """

    timestamp_microseconds: int
    message_id: str
    ordinal: int


class Tick(NamedTuple):
    """One observed price, greater than zero and without trailing zeros."""

    symbol: str
    price: Decimal
    position: Position


class NumberLiteral(str):
    """A JSON number as it was written: converted only where a number is wanted, never via float."""

    __slots__ = ()


def parse_message(
    body: str, message_id: str, sent_at_microseconds: int | None, now_microseconds: int
) -> tuple[Tick, ...]:
    """Read the ticks of one message.

    Parameters
    ----------
    body
        A JSON object, or an array of 1 to 500 of them, with ``symbol``, ``price`` and
        optionally ``timestamp``. Other fields are ignored.
    message_id
        SQS's identifier of the message; part of every tick's position.
    sent_at_microseconds
        When the message was sent, for ticks without a timestamp; ``None`` stands for now.
    now_microseconds
        The present, against which timestamps from the future are refused.

    Raises
    ------
    InvalidMessage
        If anything in the body is not as described; nothing of it is used then.
    """
    document = _decode(body)
    entries = document if isinstance(document, list) else [document]
    if not 1 <= len(entries) <= MAX_TICKS_PER_MESSAGE:
        raise InvalidMessage(f"an array must hold 1 to {MAX_TICKS_PER_MESSAGE} ticks")
    default_timestamp = now_microseconds if sent_at_microseconds is None else sent_at_microseconds
    return tuple(
        _tick(entry, message_id, index, default_timestamp, now_microseconds)
        for index, entry in enumerate(entries)
    )


def parse_price(value: Any) -> Decimal:
    """Read a price from a JSON number's text.

    Raises
    ------
    InvalidMessage
        If it is none, is not greater than zero, or has more than 18 digits on a side.
    """
    number = _decimal(value) if isinstance(value, str) else None
    if number is None:
        raise InvalidMessage("price must be a JSON number, or a string that holds one")
    if number <= 0:
        raise InvalidMessage("price must be greater than zero")
    if not is_price(number):
        raise InvalidMessage(
            f"price must have at most {MAX_PRICE_DIGITS} digits before and after the point"
        )
    return number.normalize(_EXACT)


def parse_symbol(value: Any) -> str:
    """Read a symbol, with small letters made capital.

    Raises
    ------
    InvalidMessage
        If it is not 1 to 32 of the characters that a symbol may have.
    """
    if type(value) is not str or not _SYMBOL.fullmatch(value):
        raise InvalidMessage("symbol must be 1 to 32 characters of A-Z 0-9 . - _ / : = ^")
    return value.upper()


def parse_timestamp(value: Any) -> int:
    """Read a timestamp as microseconds since 1970: a `NumberLiteral` as an epoch, else a text.

    Raises
    ------
    InvalidMessage
        If it is neither ISO 8601 with a zone nor an epoch, or is before 1970.
    """
    if isinstance(value, NumberLiteral):
        epoch = _decimal(value)
        if epoch is None or not 0 <= epoch < _LAST_EPOCH_IN_MILLISECONDS:
            raise InvalidMessage("timestamp must be an epoch in seconds or milliseconds")
        return int(epoch * (1_000_000 if epoch < _FIRST_EPOCH_IN_MILLISECONDS else 1_000))
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise InvalidMessage("timestamp must be ISO 8601 with a zone, or an epoch")
    timestamp = (moment - _EPOCH) // _MICROSECOND
    if timestamp < 0:
        raise InvalidMessage("timestamp must not be before 1970")
    return timestamp


def is_price(number: Decimal) -> bool:
    """Tell whether a number is greater than zero, with at most 18 digits on each side."""
    exponent = number.as_tuple().exponent
    return (
        isinstance(exponent, int)  # a letter for what is not finite
        and number > 0
        and number.adjusted() < MAX_PRICE_DIGITS
        and exponent >= -MAX_PRICE_DIGITS
    )


def is_symbol(text: str) -> bool:
    """Tell whether this is how a symbol is written, with small letters made capital."""
    return bool(_SYMBOL.fullmatch(text)) and text == text.upper()


def format_timestamp(timestamp_microseconds: int) -> str:
    """Write a time as ISO 8601 in UTC, of fixed width, so that text sorts as time does."""
    moment = _EPOCH + timestamp_microseconds * _MICROSECOND
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_moment(timestamp_microseconds: int) -> str:
    """Write a time for people: with a fraction of a second only if it has one."""
    return format_timestamp(timestamp_microseconds).replace(".000000", "")


def _tick(
    entry: Any, message_id: str, index: int, default_timestamp: int, now_microseconds: int
) -> Tick:
    if not isinstance(entry, dict):
        raise InvalidMessage(f"tick {index}: must be a JSON object")
    try:
        symbol = parse_symbol(entry.get("symbol"))
        price = parse_price(entry.get("price"))
        timestamp = default_timestamp
        if "timestamp" in entry:
            timestamp = parse_timestamp(entry["timestamp"])
            if timestamp > now_microseconds + MAX_CLOCK_SKEW_MICROSECONDS:
                raise InvalidMessage("timestamp is more than 60 s in the future")
    except InvalidMessage as reason:
        raise InvalidMessage(f"tick {index}: {reason}") from None
    return Tick(symbol, price, Position(timestamp, message_id, index))


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
