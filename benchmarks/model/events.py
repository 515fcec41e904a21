"""Processes in virtual time. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Iterable
from itertools import count
from typing import TypeVar

T = TypeVar("T")


class Gate:
    """Where a process waits until it is opened."""

    def __init__(self) -> None:
        self.process: Process[object] | None = None


# It yields how many seconds it waits, or the gate at which it waits.
Process = Generator[float | Gate, None, T]


class Clock:
    """Resumes processes in order of their times; at the same time, in order of their requests."""

    def __init__(self, now_seconds: float = 0) -> None:
        self.now = now_seconds
        self._waiting: list[tuple[float, int, Process[object]]] = []
        self._order = count()

    def start(self, process: Process[object], after_seconds: float = 0) -> None:
        """Start or resume a process."""
        due = self.now + after_seconds
        heapq.heappush(self._waiting, (due, next(self._order), process))

    def open(self, gate: Gate) -> None:
        """Resume the process at a gate."""
        if gate.process:
            self.start(gate.process)

    def step(self) -> bool:
        """Resume the next process; returns whether there was one."""
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
    """A limited number of threads, which run tasks in order, whoever submits them."""

    def __init__(self, clock: Clock, threads: int) -> None:
        self._clock = clock
        self._free = threads
        self._tasks: deque[Process[None]] = deque()

    def each(self, tasks: Iterable[Process[object]]) -> Process[None]:
        """Run tasks, and wait for all of them."""
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
