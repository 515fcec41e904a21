"""A queue of messages that arrive evenly, and those that are redelivered. Pure."""

from __future__ import annotations

import heapq
from itertools import count
from typing import NamedTuple

from benchmarks.model.parameters import Load, Settings


class Slice(NamedTuple):
    """Messages whose ticks are from the same stretch of time.

    Attributes
    ----------
    start, end
        The times of their first and last tick, in seconds.
    receives, handovers
        How often they were received before, and sent again by the function.
    """

    start: float
    end: float
    messages: int
    receives: int = 0
    handovers: int = 0

    @property
    def is_repeated(self) -> bool:
        """Whether their ticks may have been applied."""
        return bool(self.receives or self.handovers)


class Queue:
    """A standard queue; messages arrive from the start of the warm-up on.

    The one that has waited longest is received first, which SQS only attempts.
    """

    def __init__(self, load: Load, settings: Settings) -> None:
        self._start = -load.warm_up_seconds
        self._seconds = settings.ticks_per_message / load.ticks_per_second
        self._taken = 0
        self._returned: list[tuple[float, int, Slice]] = []
        self._order = count()

    def put_back(self, messages: Slice, visible_at: float) -> None:
        """Make messages visible again at some time."""
        heapq.heappush(self._returned, (visible_at, next(self._order), messages))

    def waiting(self, now: float, most: int) -> int:
        """Return how many messages can be received; of those put back, at most about `most`."""
        waiting = self._new(now)
        for visible_at, _, messages in self._returned:
            if visible_at <= now:
                waiting += messages.messages
                if waiting >= most:
                    break
        return waiting

    def oldest_seconds(self, now: float) -> float:
        """Return how long the first message has waited."""
        return now - min(self._next_new, self._returned[0][0] if self._returned else now)

    def receive(self, now: float, most: int) -> list[Slice]:
        """Receive up to `most` messages."""
        batch: list[Slice] = []
        while most and self.oldest_seconds(now) >= 0:
            if self._returned and self._returned[0][0] <= self._next_new:
                visible_at, _, found = heapq.heappop(self._returned)
                messages = min(most, found.messages)
                if messages < found.messages:
                    rest = found._replace(messages=found.messages - messages)
                    self.put_back(rest, visible_at)
                batch.append(found._replace(messages=messages))
            else:
                messages = min(most, self._new(now))
                if not messages:
                    break
                start = self._start + self._taken * self._seconds
                self._taken += messages
                batch.append(Slice(start, start + messages * self._seconds, messages))
            most -= messages
        return batch

    @property
    def _next_new(self) -> float:
        """When the next new message is complete."""
        return self._start + (self._taken + 1) * self._seconds

    def _new(self, now: float) -> int:
        return max(0, int((now - self._start) / self._seconds + 1e-9) - self._taken)
