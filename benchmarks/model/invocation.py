"""Processes a batch's symbols, some at a time, until all is done or time runs out. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.model.calls import Calls
from benchmarks.model.events import Pool, Process
from benchmarks.model.queue import Slice
from benchmarks.model.symbol_run import GROUP, Path, SymbolRun
from benchmarks.model.world import State, Symbol, World


@dataclass(slots=True)
class Container:
    """What a warm container remembers: the last state of each symbol that it has seen."""

    states: dict[int, State] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """An invocation's symbols that failed, and those that need more time."""

    failed: list[Symbol] = field(default_factory=list)
    unfinished: list[Symbol] = field(default_factory=list)


class Invocation:
    """One invocation on a container, with a batch of messages; its ``owner`` number is unique."""

    def __init__(self, world: World, container: Container, owner: int, batch: list[Slice]) -> None:
        timeout = world.settings.function_timeout_seconds
        self.world = world
        self.owner = owner
        self.batch = batch
        self.states = container.states
        self.ends_at = world.clock.now + timeout
        self.stop_at = self.ends_at - min(world.handler.reserve_seconds, timeout / 4)
        self.rules_pool = Pool(world.clock, world.handler.at_once // GROUP)
        self.outcome = Outcome()
        self.calls = Calls(world)

    @property
    def is_over(self) -> bool:
        """Whether no more work is to be started."""
        return self.world.clock.now >= self.stop_at

    def run(self) -> Process[None]:
        """Process the ticks of every symbol."""
        world, handler = self.world, self.world.handler
        waiting = [
            SymbolRun(self, symbol, path) for symbol, path in _paths(world, self.batch) if path
        ]
        ticks = sum(path.ticks for run in waiting for path in run.path)
        yield self.calls.core_seconds(ticks * world.latencies.tick_core_seconds)
        symbols_pool = Pool(world.clock, handler.at_once)
        for round_ in range(handler.wait_rounds + 1):
            if round_:
                if self.is_over:
                    break
                yield world.chance.uniform(*handler.wait_seconds)
            yield from symbols_pool.each(run.attempt() for run in waiting)
            waiting = [run for run in waiting if not run.is_done]
            if not waiting:
                break
        for run in waiting:
            yield from run.give_up()


def _paths(world: World, batch: Sequence[Slice]) -> list[tuple[Symbol, list[Path]]]:
    """Split the messages' ticks by symbol; a rare symbol has none in some messages."""
    paths = []
    for symbol in world.symbols:
        path = []
        for messages in batch:
            ticks = messages.messages * world.settings.ticks_per_message * symbol.share
            if ticks > 8 or world.chance.random() < 1 - math.exp(-ticks):
                path.append(
                    Path(messages.start, messages.end, max(1.0, ticks), messages.is_repeated)
                )
        paths.append((symbol, path))
    return paths
