"""Small loads on the embedded AWS, compared with the model's predictions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from statistics import fmean, median
from typing import Any, NamedTuple

from benchmarks.bursts import set_up
from benchmarks.counting import warm
from benchmarks.hooks import hooked
from benchmarks.model.parameters import TODAY, Latencies, Limits, Load, Settings
from benchmarks.model.queue import Slice
from benchmarks.model.run import seconds_for
from benchmarks.model.world import Scenario
from benchmarks.scale import Scale
from benchmarks.stage import OURS, Contestant, Stage
from benchmarks.streams import symbols

_QUIET_BATCH = 100
_UNLIMITED = Limits(
    partition_write_units_per_second=inf,
    partition_read_units_per_second=inf,
    table_write_units_per_second=inf,
    published_per_second=inf,
)
# One whole core, and time enough.
_SETTINGS = Settings(ticks_per_message=1, memory_mebibytes=1_769, function_timeout_seconds=900)


@dataclass(frozen=True, slots=True)
class Compared:
    """A load, with the seconds that it took and that the model predicted."""

    what: str
    measured_seconds: float
    predicted_seconds: float


class _Measured(NamedTuple):
    """What some batches took: time, processor time, calls; and the time of a call to SNS."""

    seconds: float
    core_seconds: float
    calls: int
    sns_seconds: float


def validated(stage: Stage, scale: Scale) -> list[Compared]:
    """Measure small parts of two loads, and let the model predict the whole of them.

    The loads take only seconds, so medians of several rounds are returned.
    """
    rounds = [_compared(stage, scale) for _ in range(scale.rounds)]
    return [
        Compared(
            same[0].what,
            median(each.measured_seconds for each in same),
            median(each.predicted_seconds for each in same),
        )
        for same in zip(*rounds, strict=True)
    ]


def compared_table(found: Sequence[Compared]) -> tuple[list[str], list[list[str]]]:
    """List what was compared."""
    rows = [
        [
            each.what,
            f"{each.measured_seconds:.2f} s",
            f"{each.predicted_seconds:.2f} s",
            f"{each.predicted_seconds / each.measured_seconds:.2f} x",
        ]
        for each in found
    ]
    return ["on the embedded AWS", "measured", "by the model", "ratio"], rows


def _compared(stage: Stage, scale: Scale) -> list[Compared]:
    names = symbols(scale.symbols)
    batches, rules = scale.validated_ticks // _QUIET_BATCH, scale.validated_rules
    latencies = _latencies(stage, names, max(1, batches // 5), max(1, rules // 10))
    return [
        Compared(
            f"{rules:,} rules on one level",
            _burst(stage, rules).seconds,
            _predicted(latencies, Load(symbols=1, rules=rules), [Slice(0, 1, 1)]),
        ),
        Compared(
            f"{batches * _QUIET_BATCH:,} quiet ticks of {len(names)} symbols",
            _quiet(stage, names, batches).seconds,
            _predicted(
                latencies,
                Load(symbols=len(names), rules=0),
                [Slice(number, number + 1, _QUIET_BATCH) for number in range(batches)],
            ),
        ),
    ]


def _latencies(stage: Stage, names: Sequence[str], batches: int, rules: int) -> Latencies:
    """Measure calls. The embedded AWS answers them one at a time."""
    quiet = _quiet(stage, names, batches)
    burst = _burst(stage, rules)
    call_core = quiet.core_seconds / quiet.calls
    return Latencies(
        dynamodb_seconds=quiet.seconds / quiet.calls,
        sns_seconds=burst.sns_seconds,
        call_core_seconds=call_core,
        firing_core_seconds=max(0.0, burst.core_seconds - burst.calls * call_core) / rules,
        tick_core_seconds=0,  # it is in the call's
        is_one_at_a_time=True,
    )


def _predicted(latencies: Latencies, load: Load, batches: Sequence[Slice]) -> float:
    load = replace(load, fall=1, fall_seconds=1, warm_up_seconds=0)
    return seconds_for(Scenario(TODAY, _SETTINGS, load, _UNLIMITED, latencies), batches)


def _burst(stage: Stage, count: int) -> _Measured:
    """Let one price cross the level of very many rules."""
    contestant, second = set_up(stage, count)
    return _measured(contestant, [second])


def _quiet(stage: Stage, names: Sequence[str], batches: int) -> _Measured:
    """Process prices without rules."""
    contestant = stage.enter(OURS, [])
    stream = warm(contestant, _QUIET_BATCH, names)
    contestant.handle(next(stream))  # its threads connect
    return _measured(contestant, list(islice(stream, batches)))


def _measured(contestant: Contestant, batches: Sequence[Mapping[str, Any]]) -> _Measured:
    sent: dict[int, float] = {}
    seconds: dict[str, list[float]] = {"dynamodb": [], "sns": []}

    def begin(**_: Any) -> None:
        sent[threading.get_ident()] = time.perf_counter()

    def end(event_name: str, **_: Any) -> None:
        service = event_name.split(".")[1]
        seconds[service].append(time.perf_counter() - sent[threading.get_ident()])

    hooks: dict[str, Callable[..., None]] = {
        "before-send.*.*": begin,
        "response-received.*.*": end,
    }
    with hooked(contestant.clients, hooks):
        started_at, core = time.perf_counter(), time.process_time()
        for event in batches:
            contestant.handle(event)
        taken, core = time.perf_counter() - started_at, time.process_time() - core
    calls = sum(map(len, seconds.values()))
    return _Measured(taken, core, calls, fmean(seconds["sns"] or [0.0]))
