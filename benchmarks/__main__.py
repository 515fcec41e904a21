"""``make bench``: run the contests, print what comes of them, and write it into the docs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import backtests, handlers, latency, starts
from benchmarks.costs import Traffic, cost
from benchmarks.counting import Counts, count, cpu_seconds, warm
from benchmarks.plots import draw
from benchmarks.report import Finding, markdown, with_block
from benchmarks.stage import OURS, Contestant, Stage, stage
from lib.cli.output import write_line, write_table

_DOCS = Path(__file__).parents[1] / "docs"
_PAGE = _DOCS / "performance.md"
_TRAFFICS = (Traffic(10, 10), Traffic(1_000, 100), Traffic(100_000, 1_000))
_CALLS_AT_ONCE = {OURS: 8}
_COUNTED_TICKS, _TIMED_TICKS, _ROUNDS = 1_000, 500, 3


def main(
    write: Annotated[bool, typer.Option(help="Write the figures and plots into docs/.")] = False,
) -> None:
    """Run all contests; some 20 minutes."""
    with stage() as stage_:
        _tell("deployed; the contestants take their places")
        contestants = handlers.all_entered(stage_, handlers.usual_rules())
        _tell("counting")
        counts = _counted(stage_, contestants)
        by_rules = handlers.counts_by_rule_count(stage_)
        _tell("timing the handlers")
        findings = [
            *_findings_on_counts(counts),
            *_findings_on_speed(stage_, contestants),
            *_findings_on_latency(stage_),
        ]
        seconds = {name: _cpu_by_batch_size(contestants[name]) for name in (OURS, "scanning")}
    _tell("timing backtests, cold starts and synths")
    findings += [*_findings_on_backtests(), *_findings_on_starts()]
    tables = {
        "targets": (["what", "measured", "target", "met"], [finding.row for finding in findings]),
        "counts": _table_of_counts(counts),
        "costs": _table_of_costs(counts, seconds),
    }
    for names, rows in tables.values():
        write_table(names, rows)
        write_line("")
    if write:
        page = _PAGE.read_text("utf-8")
        for name, (names, rows) in tables.items():
            page = with_block(page, name, markdown(names, rows))
        _PAGE.write_text(page, "utf-8")
        draw(
            by_rules,
            "rules of the symbol (batches of 100 ticks, all of one symbol)",
            "What DynamoDB costs by the number of rules",
            _DOCS / "cost-by-rules.svg",
        )
        draw(
            {name: counts[name] for name in contestants},
            "messages in a batch (100 rules a symbol, 200 symbols)",
            "What DynamoDB costs by the size of a batch",
            _DOCS / "cost-by-batch-size.svg",
        )
        write_line(f"written: {_PAGE.name}, cost-by-rules.svg and cost-by-batch-size.svg")


def _tell(what: str) -> None:
    write_line(f"{time.strftime('%H:%M:%S')}  {what} ...")


def _counted(stage_: Stage, contestants: Mapping[str, Contestant]) -> dict[str, dict[int, Counts]]:
    counts = {
        name: {
            size: count(contestant, stage_.eye, warm(contestant, size), _COUNTED_TICKS)
            for size in handlers.BATCH_SIZES
        }
        for name, contestant in contestants.items()
    }
    # What the rules say of themselves is read with them.
    bare = stage_.enter("scanning", handlers.usual_rules(are_bare=True))
    found = count(bare, stage_.eye, warm(bare, 100), _COUNTED_TICKS // 5)
    return counts | {"scanning, bare rules": {100: found}}


def _findings_on_counts(counts: Mapping[str, Mapping[int, Counts]]) -> list[Finding]:
    ours, scanning = counts[OURS][100], counts["scanning"][100]
    return [
        _at_most("AWS calls, batch of 100, over scanning's", ours.calls / scanning.calls, 1 / 4),
        _at_most("capacity units, over scanning's", ours.units / scanning.units, 1 / 20),
    ]


def _findings_on_speed(stage_: Stage, contestants: Mapping[str, Contestant]) -> list[Finding]:
    findings = []
    for size in handlers.BATCH_SIZES:
        timings = handlers.speeds(contestants, size, _TIMED_TICKS, _ROUNDS)
        for name, bound in (("scanning", 10), ("powertools", 10), ("seed_like", 2)):
            what = f"ticks a second, batch of {size:,}, over {name}'s"
            findings.append(_at_least(what, timings.ratio(name, OURS), bound))
    many = handlers.all_entered(
        stage_, handlers.usual_rules(on_the_busiest=handlers.MANY_RULES), [OURS, "scanning"]
    )
    timings = handlers.speeds(many, 100, 100, 1)
    most = f"{handlers.MOST_RULES:,}"
    growth = handlers.growth(stage_).ratio(str(handlers.MOST_RULES), "10")
    engine = backtests.engine_growth(handlers.MOST_RULES).ratio(str(handlers.MOST_RULES), "10")
    return [
        *findings,
        _at_least(
            f"the same with {handlers.MANY_RULES:,} rules on the busiest, over scanning's",
            timings.ratio("scanning", OURS),
            200,
        ),
        _at_most(f"time a tick with {most} rules over that with 10, no level crossed", growth, 1.2),
        _at_most("the same of the engine alone, every 100th crosses a level", engine, 1.2),
    ]


def _findings_on_latency(stage_: Stage) -> list[Finding]:
    seconds = latency.latencies(stage_)
    ours, others = latency.p99(seconds[OURS]), latency.p99(seconds["seed_like"])
    return [_at_most("sent to announced, p99, over seed_like's", ours / others, 1.3)]


def _findings_on_backtests() -> list[Finding]:
    timings = backtests.in_memory()
    loop = timings.ratio("loop over 1000 rules", "1000 rules")
    return [
        _at_least(
            "backtest in memory, 100 rules",
            1 / timings.median_of("100 rules"),
            2_000_000,
            "ticks/s",
        ),
        _at_least("backtest, 1,000 rules, over a loop over them", loop, 100),
        _at_least("backtest of a file", 1 / backtests.from_file(), 500_000, "rows/s"),
    ]


def _findings_on_starts() -> list[Finding]:
    imports, synths = starts.cold_imports(), starts.synths()
    return [
        _at_most(
            "cold import, over boto3's and two clients'", imports.ratio("handler", "boto3"), 1.15
        ),
        _at_most(
            "the same as Lambda has it, without bytecode of ours",
            imports.ratio("unpacked", "boto3"),
            1.15,
        ),
        _at_most("zip", starts.zip_bytes() / 1e6, 1, "MB"),
        _at_most("synth, over one with plain imports", synths.ratio("quick", "plain"), 0.35),
    ]


def _cpu_by_batch_size(contestant: Contestant) -> dict[int, float]:
    """Return the handler's own seconds for a thousand ticks."""
    return {
        traffic.batch_size: cpu_seconds(
            contestant, warm(contestant, traffic.batch_size), _TIMED_TICKS
        )
        for traffic in _TRAFFICS
    }


def _table_of_counts(
    counts: Mapping[str, Mapping[int, Counts]],
) -> tuple[list[str], list[list[str]]]:
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


def _table_of_costs(
    counts: Mapping[str, Mapping[int, Counts]], seconds: Mapping[str, Mapping[int, float]]
) -> tuple[list[str], list[list[str]]]:
    names = ["ticks/s", "batch", "", "DynamoDB", "Lambda", "SQS", "SNS", "$ per million", "$ a day"]
    rows = []
    for traffic in _TRAFFICS:
        for name, by_size in seconds.items():
            size = traffic.batch_size
            dollars = cost(
                counts[name][size],
                traffic,
                cpu_seconds=by_size[size],
                calls_at_once=_CALLS_AT_ONCE.get(name, 1),
            )
            rows.append(
                [
                    f"{traffic.ticks_per_second:,}",
                    f"{size:,}",
                    name,
                    *(
                        f"{part:.3f}"
                        for part in (
                            dollars.dynamodb,
                            dollars.function,
                            dollars.sqs,
                            dollars.sns,
                            dollars.total,
                        )
                    ),
                    f"{dollars.total * traffic.ticks_per_second * 86_400 / 1_000_000:,.2f}",
                ]
            )
    return names, rows


def _at_least(what: str, figure: float, bound: float, unit: str = "x") -> Finding:
    return Finding(what, figure, bound, is_floor=True, unit=unit)


def _at_most(what: str, figure: float, bound: float, unit: str = "x") -> Finding:
    return Finding(what, figure, bound, is_floor=False, unit=unit)


if __name__ == "__main__":
    typer.run(main)
