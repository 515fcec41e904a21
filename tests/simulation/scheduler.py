"""A scheduler of threads of which one runs at a time, in virtual time; a seed decides which.

An actor gives way at each call to AWS and each sleep. Nothing here waits for real time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

_STACK_BYTES = 512 * 1024
_MAX_STEPS = 40_000


class Killed(BaseException):
    """The actor is gone: nothing after this runs in it."""


@dataclass
class Policy:
    """Who is next.

    Parameters
    ----------
    kind
        ``random``: anybody who can go on. ``pct``: who has the highest priority, which changes
        at a few steps. ``timed``: whose call is over first, as if all ran side by side.
    random
        Decides.
    change_points
        At which steps who runs then gets the lowest priority.
    """

    kind: str
    random: Random
    change_points: frozenset[int] = frozenset()

    @property
    def is_timed(self) -> bool:
        return self.kind == "timed"

    def choose(self, actors: Sequence[Actor], step: int) -> Actor:
        if self.kind != "pct":
            if len(actors) == 1:
                return actors[0]
            return actors[int(self.random.random() * len(actors))]
        if step in self.change_points:
            first = max(actors, key=lambda actor: actor.priority)
            first.priority = -step
        return max(actors, key=lambda actor: actor.priority)


class Actor:
    """A thread that runs when it is its turn.

    Attributes
    ----------
    deadline
        When it is killed, if it has not finished what it is doing.
    """

    def __init__(self, name: str, body: Callable[[Actor], None], scheduler: Scheduler) -> None:
        self.name = name
        self.priority: float = 0
        self.deadline: int | None = None
        self.wakes_at = 0
        self.waits_for: Callable[[], int | None] | None = None
        self.is_done = False
        self.is_dead = False
        self.error: BaseException | None = None
        self._body = body
        self._scheduler = scheduler
        self.gate = threading.Lock()
        self.gate.acquire()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def ready_at(self) -> int | None:
        """Return when it can go on; ``None`` if that is up to others."""
        if self.waits_for is not None:
            at = self.waits_for()
            return None if at is None else max(at, self.wakes_at)
        return self.wakes_at

    def _run(self) -> None:
        self.gate.acquire()
        try:
            if not self._scheduler.is_closing:
                self._body(self)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # it is raised where the run is waited for
            self.error = error
        self.is_done = True
        self._scheduler.leave(self)


class Scheduler:
    """Runs actors until none of them can go on."""

    def __init__(self, policy: Policy, random: Random, start: int) -> None:
        self.now = start
        self.steps = 0
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.is_closing = False
        self.is_stuck = False
        self.max_steps = _MAX_STEPS
        self._policy = policy
        self._random = random
        self._done = threading.Lock()
        self._done.acquire()

    def add(self, name: str, body: Callable[[Actor], None]) -> Actor:
        actor = Actor(name, body, self)
        actor.wakes_at = self.now
        actor.priority = self._random.random()
        self.actors.append(actor)
        actor.thread.start()
        return actor

    def run(self) -> None:
        """Let the actors run until all are done, or wait for what does not come."""
        first = self._next()
        if first is not None:
            self.current = first
            first.gate.release()
            self._done.acquire()
        self.current = None
        for actor in self.actors:
            if actor.error is not None:
                error, actor.error = actor.error, None
                raise error
        self.actors = [actor for actor in self.actors if not actor.is_done]

    def close(self) -> None:
        """End all threads."""
        self.is_closing = True
        for actor in self.actors:
            if not actor.is_done:
                self.current = actor
                actor.gate.release()
                self._done.acquire()
            actor.thread.join()
        self.current = None

    def pause(self, microseconds: int) -> None:
        """Let time pass for who is running: a sleep."""
        actor = self.running()
        actor.wakes_at = self.now + microseconds
        self._give_way(actor)

    def call(self, microseconds: int) -> None:
        """Let the time of a call pass, in which others may run."""
        actor = self.running()
        if self._policy.is_timed:
            actor.wakes_at = self.now + microseconds
        else:
            self.now += microseconds
            actor.wakes_at = self.now
        self._give_way(actor)

    def wait(self, ready_at: Callable[[], int | None]) -> None:
        """Wait until a time that others decide, and may change."""
        actor = self.running()
        actor.waits_for = ready_at
        actor.wakes_at = self.now
        try:
            self._give_way(actor)
        finally:
            actor.waits_for = None

    def running(self) -> Actor:
        """Return who is running and asks; kill it if it is dead."""
        actor = self.current
        if actor is None or actor.thread.ident != threading.get_ident():
            raise RuntimeError("a thread that the simulation does not know of calls AWS or sleeps")
        if actor.is_dead or self.is_closing:
            raise Killed
        return actor

    def _give_way(self, actor: Actor) -> None:
        following = self._next()
        if following is not actor:
            self._hand_over(following)
            actor.gate.acquire()
        if self.is_closing:
            raise Killed
        if actor.deadline is not None and self.now >= actor.deadline:
            actor.is_dead = True
            raise Killed

    def leave(self, actor: Actor) -> None:
        """Go on without an actor that is done."""
        self._hand_over(None if self.is_closing else self._next())

    def _hand_over(self, actor: Actor | None) -> None:
        self.current = actor
        (self._done if actor is None else actor.gate).release()

    def _next(self) -> Actor | None:
        self.steps += 1
        if self.steps > self.max_steps:
            self.is_stuck = True
            return None
        now = self.now
        able: list[Actor] = []
        soonest: int | None = None
        for actor in self.actors:
            if actor.is_done:
                continue
            at = actor.ready_at()
            if at is None:
                continue
            if at <= now:
                able.append(actor)
            if soonest is None or at < soonest:
                soonest = at
        if soonest is None:
            return None
        if not able or self._policy.is_timed:
            self.now = max(now, soonest)
            able = [actor for actor in self.actors if self._is_able(actor)]
            if self._policy.is_timed:
                able = [min(able, key=lambda actor: actor.ready_at() or 0)]
        return self._policy.choose(able, self.steps)

    def _is_able(self, actor: Actor) -> bool:
        at = None if actor.is_done else actor.ready_at()
        return at is not None and at <= self.now
