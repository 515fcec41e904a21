"""The results in rows, for the screen and for docs/performance.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.costs import Traffic, cost
from benchmarks.counting import Counts
from benchmarks.report import Finding
from benchmarks.stage import OURS

Table = tuple[list[str], list[list[str]]]

# The more ticks, the larger the batches.
_TICKS_PER_SECOND = (10, 1_000, 100_000)
_CALLS_AT_ONCE = {OURS: 8}


def targets_table(findings: Sequence[Finding]) -> Table:
    """List the findings with their targets."""
    return ["what", "measured", "target", "met"], [finding.row for finding in findings]


def counts_table(counts: Mapping[str, Mapping[int, Counts]]) -> Table:
    """List what each contestant asks of AWS, by the size of a batch."""
    names = ["for 1,000 ticks", "batch", "AWS calls", "write units", "read units", "published"]
    rows = [
        [
            name,
            f"{size:,}",
            *(f"{n:,.0f}" for n in (found.calls, found.writes, found.reads, found.published)),
        ]
        for name, by_size in counts.items()
        for size, found in by_size.items()
    ]
    return names, rows


def costs_table(
    counts: Mapping[str, Mapping[int, Counts]],
    cpu_seconds: Mapping[str, Mapping[int, float]],
    batch_sizes: Sequence[int],
) -> Table:
    """List what a million ticks cost, by traffic; the seconds are for a thousand ticks."""
    names = ["ticks/s", "batch", "", "DynamoDB", "Lambda", "SQS", "SNS", "$ per million", "$ a day"]
    rows = []
    for traffic in map(Traffic, _TICKS_PER_SECOND, batch_sizes):
        size = traffic.batch_size
        for name, by_size in cpu_seconds.items():
            dollars = cost(
                counts[name][size],
                traffic,
                cpu_seconds=by_size[size],
                calls_at_once=_CALLS_AT_ONCE.get(name, 1),
            )
            parts = (dollars.dynamodb, dollars.function, dollars.sqs, dollars.sns, dollars.total)
            a_day = dollars.total * traffic.ticks_per_second * 86_400 / 1_000_000
            rows.append(
                [
                    f"{traffic.ticks_per_second:,}",
                    f"{size:,}",
                    name,
                    *(f"{part:.3f}" for part in parts),
                    f"{a_day:,.2f}",
                ]
            )
    return names, rows
