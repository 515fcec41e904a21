"""How two synthesized stacks differ, place by place. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Any

ABSENT = "(absent)"  # no JSON text reads like that

_EXCERPT_CHARACTERS = 48
_LEAD_CHARACTERS = 12
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A place at which two stacks differ.

    Attributes
    ----------
    place
        The keys that lead there, with dots between them: ``resource.aws_sqs_queue.dlq.name``.
    before, after
        The JSON at that place; or `ABSENT`.
    """

    place: str
    before: str
    after: str


def find_differences(before: Any, after: Any, place: str = "") -> Iterator[Difference]:
    """Yield the innermost places at which two JSON documents differ; ``place`` is their own."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{place}.{key}" if place else key
            yield from find_differences(before.get(key, _NOTHING), after.get(key, _NOTHING), inner)
    elif isinstance(before, list) and isinstance(after, list):
        for number, (one, other) in enumerate(zip_longest(before, after, fillvalue=_NOTHING)):
            yield from find_differences(one, other, f"{place}[{number}]")
    elif _text(before) != _text(after):  # as text, for true and 1 are equal otherwise
        yield Difference(place, _text(before), _text(after))


def count_blocks(document: Mapping[str, Any]) -> int:
    """Count the resources and data sources of a stack."""
    kinds = [*document.get("resource", {}).values(), *document.get("data", {}).values()]
    return sum(map(len, kinds))


def excerpts(difference: Difference) -> tuple[str, str]:
    """Return the two texts of a difference, cut to where they begin to differ."""
    pairs = zip(difference.before, difference.after, strict=False)
    common_characters = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    start = max(0, common_characters - _LEAD_CHARACTERS)
    return _excerpt(difference.before, start), _excerpt(difference.after, start)


def _excerpt(text: str, start: int) -> str:
    if len(text) <= _EXCERPT_CHARACTERS:
        return text
    end = start + _EXCERPT_CHARACTERS
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _text(value: Any) -> str:
    if value is _NOTHING:
        return ABSENT
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
