"""How large an item is for DynamoDB, and how many units a call takes. Pure.

Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats" and "DynamoDB read and
write operations". Emulators answer every call with one unit, so units are computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# As it goes over the wire: {"price": {"N": "1"}}.
Item = Mapping[str, Mapping[str, Any]]

_READ_BYTES, _WRITE_BYTES = 4_096, 1_024


@dataclass(frozen=True, slots=True)
class Units:
    """Read and write units; on demand, each is billed as one request unit."""

    read: float = 0
    write: float = 0

    def __add__(self, other: Units) -> Units:
        return Units(self.read + other.read, self.write + other.write)

    @property
    def total(self) -> float:
        """Both together."""
        return self.read + self.write


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index: its keys, and whether it holds whole items or only keys."""

    keys: Sequence[str]
    holds_all: bool
    table_keys: Sequence[str] = field(default=("pk", "sk"))

    def entry(self, item: Item | None) -> Item | None:
        """Return what it holds of an item."""
        if item is None or any(key not in item for key in self.keys):
            return None
        if self.holds_all:
            return item
        return {key: item[key] for key in (*self.table_keys, *self.keys)}


def item_bytes(item: Item) -> int:
    """Return an item's size."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def read_units(items: Iterable[Item], *, is_consistent: bool, each_alone: bool = False) -> float:
    """Return what a read takes: of a query, all its items together; of a batch, each alone."""
    sizes = [item_bytes(item) for item in items]
    blocks = sum(map(_read_blocks, sizes)) if each_alone else _read_blocks(sum(sizes))
    return blocks * (1 if is_consistent else 0.5)


def write_units(
    before: Item | None,
    after: Item | None,
    indexes: Iterable[Index] = (),
    *,
    is_transactional: bool = False,
) -> int:
    """Return what a write takes, by the larger of the item before and after it.

    An index takes its own where its entry changes: twice, when that moves to other keys.
    """
    units = _write_blocks(before, after) * (2 if is_transactional else 1)
    for index in indexes:
        old, new = index.entry(before), index.entry(after)
        if old == new:
            continue
        is_moved = old and new and any(old[key] != new[key] for key in index.keys)
        units += (
            _write_blocks(old, None) + _write_blocks(None, new)
            if is_moved
            else _write_blocks(old, new)
        )
    return units


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_bytes(content)
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_bytes(element) for element in content)
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + _value_bytes(element) for name, element in content.items()
            )
    raise ValueError(f"no size is known for the type {kind}")


def _number_bytes(text: str) -> int:
    digits = "".join(map(str, Decimal(text).as_tuple().digits)).strip("0")
    return (len(digits) + 1) // 2 + 1


def _read_blocks(size_bytes: int) -> int:
    return max(1, -(-size_bytes // _READ_BYTES))  # what is not there takes one, too


def _write_blocks(before: Item | None, after: Item | None) -> int:
    largest = max(item_bytes(item) if item else 0 for item in (before, after))
    return max(1, -(-largest // _WRITE_BYTES))
