"""The entries of the settings ``subscriptions`` and ``shapes``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from lib.config.document import SettingsError
from lib.config.kinds import SWITCH, choice, either, items, named, object_of, text

ARN = r"arn:[a-z-]+:{}:[a-z0-9-]+:[0-9]{{12}}:[A-Za-z0-9_.:/-]+"
_MAIL = r"[^@\s]+@[^@\s]+"
# The endpoints of each protocol. Terraform would take "${" for the start of an expression.
_ENDPOINTS = {
    protocol: text(rf"(?!.*\$\{{){pattern}", f"be one that {protocol} takes")
    for protocol, pattern in {
        "email": _MAIL,
        "email-json": _MAIL,
        "https": r"https://\S+",
        "lambda": ARN.format("lambda"),
        "sms": r"\+[1-9][0-9]{5,14}",
        "sqs": ARN.format("sqs"),
    }.items()
}
PROTOCOLS = tuple(_ENDPOINTS)
# People get sentences by these; programs get JSON by all others.
PEOPLE_PROTOCOLS = ("email", "sms")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A recipient of alerts."""

    protocol: Annotated[str, choice(*PROTOCOLS), "The SNS protocol"]
    endpoint: Annotated[str, text(r"[\s\S]*", "be a text"), "What the protocol delivers to"]

    def __post_init__(self) -> None:
        """Reject an endpoint that its protocol does not accept."""
        _ENDPOINTS[self.protocol].read(self.endpoint, ".endpoint")


SUBSCRIPTION = object_of(
    Subscription,
    " of protocol and endpoint",
    allOf=[
        {
            "if": {"properties": {"protocol": {"const": protocol}}},
            "then": {"properties": {"endpoint": kind.schema}},
        }
        for protocol, kind in _ENDPOINTS.items()
    ],
)

# Terraform reads "${" and "%{" as the start of an expression.
_PATH = text(r"(?!.*[$%]\{)[^.]+(\.[^.]+)*", "be the name of a field, or a path such as a.b")
_VALUE = either("be a text, true or false", text(r"(?!.*[$%]\{).*", "be a text"), SWITCH)
_WANTED = either(
    "be a text, true, false, a list of these, or null for any value",
    _VALUE,
    items(_VALUE, 1, may_repeat=True),
    choice(None),
)
_BAR = items(_PATH, 4, 4, may_repeat=True, hint=": open, high, low, close")


@dataclass(frozen=True, slots=True)
class FeedShape:
    """A shape of docs/messages.md; price_alerts/domain/shapes.py reads it."""

    when: Annotated[
        Mapping[str, Any],
        named(_PATH, _WANTED, 1, hint="; the names are fields"),
        "Fields that the object has, with their values",
    ]
    items: Annotated[str, _PATH, "The path to what holds the prices"] = ""
    symbol: Annotated[str, _PATH, "The path to the symbol"] = ""
    price: Annotated[str, _PATH, "The path to the price"] = ""
    timestamp: Annotated[str, _PATH, "The path to the timestamp"] = ""
    sequence: Annotated[str, _PATH, "The path to the feed's own number of the price"] = ""
    bar: Annotated[tuple[str, ...], _BAR, "Paths to open, high, low and close"] = ()
    skip: Annotated[bool, choice(True), "It has no price"] = False

    def __post_init__(self) -> None:
        """Reject what is not exactly one of a price, an envelope's items, and something to skip."""
        has = {name for name in self.__slots__ if name != "when" and getattr(self, name)}
        has_price = "symbol" in has and ("price" in has) != ("bar" in has) and "skip" not in has
        if not (has_price or has in ({"items"}, {"skip"})):
            raise SettingsError(
                " must have symbol and either price or bar; or items alone, for an envelope; or "
                "skip alone"
            )


def _only(*names: str, without: tuple[str, ...]) -> dict[str, Any]:
    return {"required": [*names], "properties": dict.fromkeys(without, False)}


_FIELDS = ("symbol", "price", "timestamp", "sequence", "bar")
SHAPE = object_of(
    FeedShape,
    anyOf=[
        _only("symbol", "price", without=("bar", "skip")),
        _only("symbol", "bar", without=("price", "skip")),
        _only("items", without=(*_FIELDS, "skip")),
        _only("skip", without=(*_FIELDS, "items")),
    ],
)
