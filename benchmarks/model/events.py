"""Events: processes in virtual time. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Iterable
from itertools import count
from typing import TypeVar

T = TypeVar("T")


class Gate:
    """Where one process waits until somebody opens it."""

    def __init__(self) -> None:
        self.process: Process[object] | None = None


# It yields how many seconds it waits, or the gate at which it does.
Process = Generator[float | Gate, None, T]


class Clock:
    """Lets processes go on in the order of their times; of two at once, the first that asked.

    Attributes
    ----------
    now
        Seconds.
    """

    def __init__(self, now_seconds: float = 0) -> None:
        self.now = now_seconds
        self._waiting: list[tuple[float, int, Process[object]]] = []
        self._order = count()

    def start(self, process: Process[object], after_seconds: float = 0) -> None:
        """Let a process begin, or go on."""
        due = self.now + after_seconds
        heapq.heappush(self._waiting, (due, next(self._order), process))

    def open(self, gate: Gate) -> None:
        """Let the process at a gate go on."""
        if gate.process:
            self.start(gate.process)

    def step(self) -> bool:
        """Let the next process go on; returns whether there was one."""
        if not self._waiting:
            return False
        self.now, _, process = heapq.heappop(self._waiting)
        wanted = next(process, None)
        if isinstance(wanted, Gate):
            wanted.process = process
        elif wanted is not None:
            self.start(process, wanted)
        return True


class Pool:
    """A limited number of threads, which take tasks in order, whoever they are from.

    Parameters
    ----------
    clock
        What runs the tasks.
    threads
        How many tasks go on at once.
    """

    def __init__(self, clock: Clock, threads: int) -> None:
        self._clock = clock
        self._free = threads
        self._tasks: deque[Process[None]] = deque()

    def each(self, tasks: Iterable[Process[object]]) -> Process[None]:
        """Have tasks done, and wait for all of them."""
        gate, left = Gate(), 0

        def counted(task: Process[object]) -> Process[None]:
            nonlocal left
            yield from task
            left -= 1
            self._free += 1
            self._begin()
            if not left:
                self._clock.open(gate)

        for task in tasks:
            left += 1
            self._tasks.append(counted(task))
        self._begin()
        if left:
            yield gate

    def _begin(self) -> None:
        while self._free and self._tasks:
            self._free -= 1
            self._clock.start(self._tasks.popleft())
