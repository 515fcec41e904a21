"""Lambda polls the queue and invokes the handler until everything is announced. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.model.events import Process
from benchmarks.model.invocation import Container, Invocation
from benchmarks.model.queue import Queue, Slice
from benchmarks.model.world import Scenario, Symbol, World, spread

_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 1_200
# Messages handed over one by one become visible together, a moment later.
_SENT_TOGETHER = 20


class Mapping:
    """The event source mapping: how many batches Lambda processes at a time."""

    def __init__(self, world: World) -> None:
        self._limits = world.limits
        self._most = min(world.settings.maximum_concurrency, world.limits.most_batches)
        self._reached = float(world.limits.first_batches)

    @property
    def batches(self) -> int:
        """How many it may process now."""
        return min(self._most, int(self._reached))

    def grow(self, seconds: float) -> None:
        """Scale up while messages are left for some seconds."""
        more = self._limits.more_batches_per_minute / 60 * seconds
        self._reached = min(self._limits.most_batches, self._reached + more)


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario that was simulated."""

    scenario: Scenario
    world: World

    @property
    def is_finished(self) -> bool:
        """Whether every firing was announced before patience ran out."""
        return not self.world.left


def simulate(scenario: Scenario, patience_seconds: float = _PATIENCE_SECONDS) -> Run:
    """Simulate a scenario until every firing is announced, or patience runs out.

    Patience counts from the start of the fall.
    """
    world = World(scenario)
    world.clock.start(_poll(world))
    while world.left and world.clock.now < patience_seconds and world.clock.step():
        pass
    return Run(scenario, world)


def seconds_for(scenario: Scenario, batches: Sequence[Slice]) -> float:
    """Return how long a warm container takes for batches, one after another."""
    world = World(scenario)
    container = Container({symbol.rank: symbol.state for symbol in world.symbols})
    started_at = world.clock.now

    def work() -> Process[None]:
        for owner, batch in enumerate(batches, start=1):
            yield from Invocation(world, container, owner, [batch]).run()

    world.clock.start(work())
    while world.clock.step():
        pass
    return world.clock.now - started_at


def _poll(world: World) -> Process[None]:
    """Receive batches, and invoke the function with each."""
    settings, clock, results = world.settings, world.clock, world.results
    queue, mapping = Queue(world.load, settings), Mapping(world)
    size_bytes = settings.ticks_per_message * world.load.tick_bytes + world.load.message_bytes
    most = max(1, min(settings.batch_size, world.limits.event_bytes // size_bytes))
    idle: list[Container] = []
    active = owner = 0

    def work(container: Container, batch: list[Slice]) -> Process[None]:
        nonlocal active
        started_at = clock.now
        yield from _invoke(world, queue, Invocation(world, container, owner, batch))
        active -= 1
        idle.append(container)
        results.invocations += 1
        results.function_seconds += clock.now - started_at
        results.messages += sum(messages.messages for messages in batch)
        spread(results.active_seconds, started_at, clock.now)

    while True:
        waiting = queue.waiting(clock.now, most)
        while waiting and active < mapping.batches:
            if waiting < most and queue.oldest_seconds(clock.now) < settings.batch_window_seconds:
                break
            active, owner = active + 1, owner + 1
            clock.start(work(idle.pop() if idle else Container(), queue.receive(clock.now, most)))
            waiting = queue.waiting(clock.now, most)
        results.backlog[int(clock.now // 1)] = waiting
        if waiting >= most and active >= mapping.batches:
            mapping.grow(_POLL_SECONDS)
        yield _POLL_SECONDS


def _invoke(world: World, queue: Queue, invocation: Invocation) -> Process[None]:
    """Let the handler process a batch, and redeliver the messages that it did not finish."""
    received_at = world.clock.now
    yield from invocation.run()
    outcome, settings, handler = invocation.outcome, world.settings, world.handler
    visible_at = received_at + settings.visibility_timeout_seconds
    stop_at = (invocation.stop_at + invocation.ends_at) / 2
    for messages in invocation.batch:
        failed = _touched(world, messages, outcome.failed)
        unfinished = min(messages.messages - failed, _touched(world, messages, outcome.unfinished))
        if messages.handovers >= handler.most_handovers:
            failed, unfinished = failed + unfinished, 0
        while unfinished and world.clock.now < stop_at:
            sent = min(unfinished, _SENT_TOGETHER)
            for _ in range(sent):
                yield invocation.calls.call(world.latencies.sqs_seconds)
            world.results.handed_over += sent
            unfinished -= sent
            queue.put_back(
                messages._replace(messages=sent, handovers=messages.handovers + 1),
                world.clock.now + handler.handover_delay_seconds,
            )
        failed += unfinished
        if failed and messages.receives + 1 >= settings.max_receive_count:
            world.results.dead += failed
        elif failed:
            world.results.failed += failed
            again = messages._replace(messages=failed, receives=messages.receives + 1)
            queue.put_back(again, max(visible_at, world.clock.now))


def _touched(world: World, messages: Slice, symbols: list[Symbol]) -> int:
    """Return how many messages contain a tick of any of these symbols."""
    none = 1 - sum(symbol.share for symbol in symbols)
    return round(messages.messages * (1 - max(0.0, none) ** world.settings.ticks_per_message))
