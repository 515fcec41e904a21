"""Kinds of values that a setting may have, each with its check and its JSON schema.

A class declares each setting once: ``name: Annotated[type, kind, sentence] = default``. The text of
a check's `SettingsError` follows on from the name of what was read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sized
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from lib.config.document import SettingsError

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of values.

    Attributes
    ----------
    must
        What a value must do or be, in an error.
    schema
        The same as a JSON schema, which may accept more.
    fits
        Returns whether a JSON value is of this kind, whatever is nested in it.
    convert
        Returns what the value stands for; what was converted already stays as it is.
    """

    must: str
    schema: Schema
    fits: Callable[[Any], object]
    convert: Callable[[Any], Any] = lambda value: value

    def read(self, value: Any, place: str = "") -> Any:
        """Return what a JSON value stands for, or raise a `SettingsError`."""
        if not self.fits(value):
            raise SettingsError(f"{place} must {self.must}")
        try:
            return self.convert(value)
        except SettingsError as reason:
            raise SettingsError(f"{place}{reason}") from None


def whole(low: int, high: int) -> Kind:
    """Accept whole numbers within bounds."""
    return Kind(
        f"be a whole number from {low} to {high}",
        {"type": "integer", "minimum": low, "maximum": high},
        lambda value: type(value) is int and low <= value <= high,  # bool is an int, 10.0 is none
    )


def exact(least: str, most: str, digits: int) -> Kind:
    """Accept 0, and numbers of a size within bounds; they stay exact."""

    def fits(value: Any) -> bool:
        if type(value) is int:
            value = Decimal(value)
        return (
            isinstance(value, Decimal)
            and value.is_finite()
            and (not value or Decimal(least) <= value.copy_abs() <= Decimal(most))
            and len("".join(map(str, value.as_tuple().digits)).rstrip("0")) <= digits
        )

    return Kind(
        f"be a number, 0 or between {least} and {most} in size, with at most {digits} significant "
        "digits",
        {"type": "number", "minimum": -float(most), "maximum": float(most)},
        fits,
        Decimal,
    )


def choice(*values: str | int | None) -> Kind:
    """Accept these values only."""
    words = [each if isinstance(each, str) else json.dumps(each) for each in values]
    return Kind(
        f"be {' or '.join(words)}" if len(words) < 3 else f"be one of {', '.join(words)}",
        {"enum": [*values]},
        # 1 is not true
        lambda value: (type(value), value) in [(type(each), each) for each in values],
    )


def text(pattern: str, must: str) -> Kind:
    r"""Accept texts that match a pattern; in JavaScript, ``\w`` would be ASCII only."""
    in_javascript = pattern.replace(r"\w", "0-9A-Za-z_\u0080-\U0010ffff")
    return Kind(
        must,
        {"type": "string", "pattern": f"^(?:{in_javascript})$"},
        lambda value: isinstance(value, str) and re.fullmatch(pattern, value),
    )


def either(must: str, *kinds: Kind) -> Kind:
    """Accept values of any of several kinds, unchanged."""

    def fits(value: Any) -> bool:
        for kind in kinds:
            try:
                kind.read(value)
            except SettingsError:
                continue
            return True
        return False

    return Kind(must, {"anyOf": [kind.schema for kind in kinds]}, fits)


def items(
    kind: Kind, least: int = 0, most: int | None = None, *, may_repeat: bool = False, hint: str = ""
) -> Kind:
    """Accept lists of one kind, as tuples; errors end with the hint."""

    def convert(value: Any) -> tuple[Any, ...]:
        entries: list[Any] = []
        for index, each in enumerate(value):
            entry = kind.read(each, f"[{index}]")
            if entry in entries and not may_repeat:
                raise SettingsError(f"[{index}] is there twice")
            entries.append(entry)
        return tuple(entries)

    return Kind(
        f"be a list{_count(least, most)}, and each entry must {kind.must}{hint}",
        _without_none(
            type="array",
            items=kind.schema,
            minItems=least or None,
            maxItems=most,
            uniqueItems=None if may_repeat else True,
        ),
        lambda value: isinstance(value, list | tuple) and _has(value, least, most),
        convert,
    )


def named(
    names: Kind, values: Kind, least: int = 0, most: int | None = None, *, hint: str = ""
) -> Kind:
    """Accept objects with keys and values of one kind each; errors end with the hint."""

    def convert(value: Any) -> Any:
        for name, each in value.items():
            names.read(name, f": the name {name}")
            values.read(each, f".{name}")
        return value

    return Kind(
        f"be an object{_count(least, most)}, and each value must {values.must}{hint}",
        _without_none(
            type="object",
            propertyNames=names.schema,
            additionalProperties=values.schema,
            minProperties=least or None,
            maxProperties=most,
        ),
        lambda value: isinstance(value, dict) and _has(value, least, most),
        convert,
    )


def object_of(declaring: type, hint: str = "", **also: Any) -> Kind:
    """Accept what a class declares, as its instance; ``also`` is added to the schema."""

    def convert(value: Any) -> Any:
        if isinstance(value, declaring):
            return value
        settings = settings_of(declaring)
        reject_unknown(value, [setting.name for setting in settings], ".")
        return declaring(
            **{
                setting.name: setting.read(value.get(setting.name), ".")
                for setting in settings
                if setting.name in value or setting.must_be_set
            }
        )

    return Kind(
        f"be a JSON object{hint}",
        object_schema(declaring) | also,
        lambda value: isinstance(value, dict | declaring),
        convert,
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as its class declares it.

    The sentence is Markdown; the default is ``MISSING`` if it must be set.
    """

    name: str
    kind: Kind
    sentence: str
    default: Any
    may_be_null: bool

    @property
    def must_be_set(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    @property
    def schema(self) -> Schema:
        """Its JSON schema, for editors."""
        schema = {"description": self.sentence, **self.kind.schema}
        if self.may_be_null:
            schema["type"] = [schema["type"], "null"]
        return schema if self.must_be_set else {**schema, "default": self.default}

    def read(self, value: Any, place: str = "") -> Any:
        """Return what a JSON value stands for, or raise a `SettingsError` that names it."""
        if value is None and self.may_be_null:
            return None
        try:
            return self.kind.read(value, f"{place}{self.name}")
        except SettingsError as reason:
            raise SettingsError(f"{reason}, or null" if self.may_be_null else f"{reason}") from None


@cache
def settings_of(declaring: type) -> tuple[Setting, ...]:
    """Return the settings that a class declares, in its order."""
    hints = get_type_hints(declaring, include_extras=True)
    return tuple(
        Setting(
            each.name,
            kind,
            sentence,
            each.default if each.default_factory is MISSING else each.default_factory(),
            NoneType in get_args(type_),
        )
        for each in fields(declaring)
        if get_origin(hints[each.name]) is Annotated
        for type_, kind, sentence in [get_args(hints[each.name])]
    )


def object_schema(declaring: type) -> Schema:
    """Return the JSON schema of what a class declares."""
    settings = settings_of(declaring)
    return _without_none(
        type="object",
        properties={setting.name: setting.schema for setting in settings},
        required=[setting.name for setting in settings if setting.must_be_set] or None,
        additionalProperties=False,
    )


def reject_unknown(names: Iterable[str], known: Collection[str], place: str) -> None:
    """Raise a `SettingsError` with the first unknown name, and what may have been meant."""
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}? " if nearest else ""
            listed = ", ".join(sorted(known))
            raise SettingsError(f"{place}{name} is not known: {hint}it takes {listed}")


SWITCH = choice(True, False)


def _has(value: Sized, least: int, most: int | None) -> bool:
    return least <= len(value) and (most is None or len(value) <= most)


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f" of at least {least}" if least else ""
    return f" of {most}" if least == most else f" of at most {most}"


def _without_none(**schema: Any) -> Schema:
    return {name: value for name, value in schema.items() if value is not None}
