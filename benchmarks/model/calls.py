"""How long calls take, and how often they are retried when they are throttled. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.model.events import Process
from benchmarks.model.world import World


class Throttled(Exception):
    """A call was throttled at every attempt."""


class Calls:
    """The calls of one invocation, whose threads share a processor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._processor_free_at = world.clock.now

    def core_seconds(self, on_a_whole_core: float) -> float:
        """Return how long the shared processor takes to finish some work."""
        now = self._world.clock.now
        seconds = on_a_whole_core / self._world.settings.core_share
        self._processor_free_at = max(now, self._processor_free_at) + seconds
        self._world.note_processor(seconds)
        return self._processor_free_at - now

    def call(self, latency_seconds: float, firings: int = 0, calls: int = 1) -> float:
        """Return how long one call takes, or some at once, with the firings that they carry."""
        world, latencies = self._world, self._world.latencies
        work = calls * latencies.call_core_seconds + firings * latencies.firing_core_seconds
        seconds = self.core_seconds(work)
        if not latencies.is_one_at_a_time:
            return seconds + latency_seconds
        # The first of them is sent before the others.
        sent_at = world.clock.now + seconds / calls
        world.service_free_at = max(world.service_free_at, sent_at) + calls * latency_seconds
        return max(seconds, world.service_free_at - world.clock.now)

    def backoff(self, attempt: int) -> float:
        """Return how long botocore waits after a throttled attempt; the last raises `Throttled`."""
        limits = self._world.limits
        if attempt == limits.call_attempts:
            raise Throttled
        most = min(2.0 ** (attempt - 1), limits.most_backoff_seconds)
        return self._world.chance.random() * most

    def write_at_once(self, keys: Sequence[str], units: float) -> Process[None]:
        """Write items, each with its own call and thread."""
        world, attempt = self._world, 0
        while keys:
            left = [key for key in keys if not world.table.write(world.clock.now, key, units)]
            yield self.call(world.latencies.dynamodb_seconds, calls=len(keys))
            if left:
                attempt += 1
                yield self.backoff(attempt)
            keys = left

    def read(self, key: str, units: float) -> Process[None]:
        """Read from a partition."""
        world, attempt = self._world, 0
        while not world.table.read(world.clock.now, key, units):
            attempt += 1
            yield self.call(world.latencies.dynamodb_seconds)
            yield self.backoff(attempt)
        yield self.call(world.latencies.dynamodb_seconds)

    def write_all(self, writes: Sequence[tuple[str, float, str, float]]) -> Process[None]:
        """Write a batch of items: key and units, in the table and in the index."""
        world, attempt = self._world, 0
        pauses = iter(world.handler.write_pauses_seconds)
        while writes:
            left = [each for each in writes if not world.table.write(world.clock.now, *each)]
            yield self.call(world.latencies.dynamodb_seconds)
            if len(left) == len(writes):  # that is an error, and botocore retries
                attempt += 1
                yield self.backoff(attempt)
            elif left:
                attempt = 0
                pause = next(pauses, None)
                if pause is None:
                    raise Throttled
                yield pause
            writes = left

    def publish(self, messages: int) -> Process[None]:
        """Publish firings."""
        world, attempt = self._world, 0
        while not world.topic.offer(world.clock.now, messages):
            attempt += 1
            world.results.throttled += 1
            yield self.call(world.latencies.sns_seconds)
            yield self.backoff(attempt)
        world.results.published += messages
        yield self.call(world.latencies.sns_seconds, messages)
