"""Plays many histories against the handler, in a simulated AWS.

``python -m tests.simulation`` prints what comes of it.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid

from tests.simulation.cases import KINDS, case_of
from tests.simulation.equipment import equipped
from tests.simulation.judge import Trouble, judged
from tests.simulation.runner import Verdict, begin, verdicts
from tests.simulation.world import play

_MAX_LINES = 30
_MANY = 10**9
_COMMAND = "PYTHONPATH=.:lib/lambda python -m tests.simulation"


def main(arguments: Sequence[str]) -> int:
    """Play what is asked for; return whether anything was wrong."""
    asked = _parser().parse_args(arguments)
    if os.environ.get("PYTHONHASHSEED") != "0":  # or sets would be walked in another order
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *arguments])
    console = Console(soft_wrap=True)
    if asked.trace:
        return _trace(console, asked.seed or 0, asked.kind)
    first_seed = random.randrange(10**6) * 1_000 if asked.seed is None else asked.seed
    histories = asked.histories
    if histories is None:
        is_alone = asked.seed is not None and asked.seconds is None
        histories = 1 if is_alone else _MANY if asked.seconds else 1_000
    if asked.workers <= 1:
        begin()
    began = time.monotonic()
    played = list(verdicts(first_seed, histories, asked.kind, asked.seconds, asked.workers))
    gc.unfreeze()
    _print(console, played, time.monotonic() - began, asked.kind)
    return 1 if any(verdict.findings for verdict in played) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, help="how many; else 1,000, or one of a --seed")
    parser.add_argument("--seed", type=int, help="the first one; else a new one each time")
    parser.add_argument("--class", dest="kind", choices=KINDS, help="only this kind of history")
    parser.add_argument("--seconds", type=float, help="start no more after this many seconds")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    parser.add_argument("--trace", action="store_true", help="print each call of one seed")
    return parser


def _trace(console: Console, seed: int, kind: str | None) -> int:
    with equipped() as equipment:
        case = case_of(seed, kind)
        outcome = play(case, equipment, is_traced=True)
        findings = judged(outcome)
    console.print(
        f"{case.kind}, {case.containers} containers, {case.policy}, faults {case.faults}",
        highlight=False,
        markup=False,
    )
    for sent in case.messages:
        console.print(f"{sent.after / 1e6:9.3f} {sent.message_id[:8]} {sent.body}", markup=False)
    for line in (*outcome.trace, *map(str, findings)):
        console.print(line, highlight=False, markup=False)
    return 1 if findings else 0


def _print(console: Console, played: Sequence[Verdict], seconds: float, kind: str | None) -> None:
    grid = Grid("what", "count", title="Histories in a simulated AWS")
    grid.columns[1].justify = "right"
    troubles = Counter(finding.trouble for verdict in played for finding in verdict.findings)
    failed = [verdict for verdict in played if verdict.findings]
    rows: dict[str, int | str] = {
        "histories": len(played),
        "histories a second": f"{len(played) / seconds:.1f}",
        "calls to AWS": sum(verdict.calls for verdict in played),
        "faults injected": sum(verdict.faults for verdict in played),
        "firings": sum(verdict.firings for verdict in played),
        "ticks counted as late": sum(verdict.late for verdict in played),
        **{str(trouble): troubles[trouble] for trouble in Trouble},
        "histories with a finding": len(failed),
    }
    for name, count in rows.items():
        grid.add_row(name, f"{count:,}" if isinstance(count, int) else count)
    for verdict in failed[:_MAX_LINES]:
        console.print(verdict.line, highlight=False, markup=False)
        option = f" --class {kind}" if kind else ""
        console.print(f"    {_COMMAND} --seed {verdict.seed}{option}", highlight=False)
    if len(failed) > _MAX_LINES:
        console.print(f"… and {len(failed) - _MAX_LINES} more")
    console.print(grid)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
