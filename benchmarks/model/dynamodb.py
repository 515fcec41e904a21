"""What a service admits in a second, and a DynamoDB table with such limits. Pure."""

from __future__ import annotations

from collections import defaultdict, deque

from benchmarks.model.parameters import Limits


class Rate:
    """Admits at most ``per_second`` in any second; ``by_second`` is how much it has admitted.

    That is stricter than DynamoDB's token bucket, which may admit up to two seconds' worth at once
    after a pause; that is not guaranteed.
    """

    __slots__ = ("_admitted", "_sum", "by_second", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self.by_second: dict[int, float] = defaultdict(float)
        self._admitted: deque[tuple[float, float]] = deque()
        self._sum = 0.0  # of the deque, which may hold entries older than a second

    def has_room(self, now: float, amount: float) -> bool:
        """Return whether it would admit an amount at this time."""
        admitted = self._admitted
        while self._sum + amount > self.per_second and admitted and admitted[0][0] <= now - 1:
            self._sum -= admitted.popleft()[1]
        return self._sum + amount <= self.per_second

    def take(self, now: float, amount: float) -> None:
        """Admit an amount; there must be room."""
        self._sum += amount
        self._admitted.append((now, amount))
        self.by_second[int(now // 1)] += amount

    def offer(self, now: float, amount: float) -> bool:
        """Admit an amount if there is room; returns whether there was."""
        if not self.has_room(now, amount):
            return False
        self.take(now, amount)
        return True


class Table:
    """A table with an index, on demand: each partition key always has its own partition.

    Attributes
    ----------
    writes, reads
        The partitions that were written to, and read from, by key.
    table, index
        What is written to all of them.
    throttled
        Requests that were not admitted; of a batch, items.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.writes: dict[str, Rate] = {}
        self.reads: dict[str, Rate] = {}
        self.table = Rate(limits.table_write_units_per_second)
        self.index = Rate(limits.table_write_units_per_second)
        self.read_units = 0.0
        self.throttled = 0

    def write(
        self, now: float, key: str, units: float, day: str = "", day_units: float = 0
    ) -> bool:
        """Write an item, and its entry in the index; returns whether it was admitted."""
        partition = self._partition(key)
        is_admitted = partition.has_room(now, units) and self.table.has_room(now, units)
        if day_units and is_admitted:
            entries = self._partition(day)
            is_admitted = entries.has_room(now, day_units) and self.index.has_room(now, day_units)
            if is_admitted:
                entries.take(now, day_units)
                self.index.take(now, day_units)
        if not is_admitted:
            self.throttled += 1
            return False
        partition.take(now, units)
        self.table.take(now, units)
        return True

    def read(self, now: float, key: str, units: float) -> bool:
        """Read items of a partition; returns whether that was admitted."""
        rate = self.reads.get(key)
        if rate is None:
            rate = self.reads[key] = Rate(self._limits.partition_read_units_per_second)
        if not rate.offer(now, units):
            self.throttled += 1
            return False
        self.read_units += units
        return True

    def _partition(self, key: str) -> Rate:
        rate = self.writes.get(key)
        if rate is None:
            rate = self.writes[key] = Rate(self._limits.partition_write_units_per_second)
        return rate
