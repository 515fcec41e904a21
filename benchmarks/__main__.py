"""``make bench``: run the contests, print the results, and write them into the docs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import typer

from benchmarks import backtests, bursts, handlers, latency, starts
from benchmarks.costs import CALL_SECONDS
from benchmarks.counting import Counts, count, cpu_seconds, warm
from benchmarks.model.section import BLOCK, modelled
from benchmarks.model.validation import compared_table, validated
from benchmarks.pages import docs_with, write_docs
from benchmarks.plots import drawn
from benchmarks.report import Finding
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.stage import OURS, Contestant, Stage, stage
from benchmarks.streams import symbols
from benchmarks.tables import costs_table, counts_table, targets_table
from lib.cli.output import write_line, write_table


def main(
    write: Annotated[bool, typer.Option(help="Write the figures and plots into docs/.")] = False,
    quick: Annotated[
        bool, typer.Option(help="A little of everything, to see that it runs; no real figures.")
    ] = False,
) -> None:
    """Run all contests, and the model; an hour."""
    if write and quick:
        raise typer.BadParameter("--write is for real figures: leave out --quick")
    scale = QUICK if quick else FULL
    with stage() as stage_:
        _report("deployed; preparing the contestants")
        contestants = handlers.all_entered(stage_, handlers.usual_rules(scale))
        _report("counting")
        counts = _counted(stage_, contestants, scale)
        by_rules = handlers.counts_by_rule_count(stage_, scale)
        findings = [
            *_findings_on_counts(counts, scale),
            *_findings_on_speed(contestants, scale),
            *_findings_on_rules(stage_, scale),
            *_findings_on_bursts(stage_, scale),
            *_findings_on_latency(stage_, scale),
        ]
        seconds = {name: _cpu_seconds(contestants[name], scale) for name in (OURS, "scanning")}
        _report("comparing the model with small loads")
        compared = validated(stage_, scale)
    findings += [*_findings_on_backtests(scale), *_findings_on_starts(scale)]
    model = modelled(_report, is_quick=quick)
    tables = {
        "targets": targets_table(findings),
        "counts": counts_table(counts),
        "costs": costs_table(counts, seconds, scale.batch_sizes),
        BLOCK: model.table,
        "compared": compared_table(compared),
    }
    for names, rows in tables.values():
        write_table(names, rows)
        write_line("")
    plots = {
        "cost-by-rules.svg": drawn(
            by_rules,
            f"rules of the symbol (batches of {scale.batch_sizes[1]} ticks, all of one symbol)",
            "What DynamoDB costs by the number of rules",
        ),
        "cost-by-batch-size.svg": drawn(
            {name: counts[name] for name in contestants},
            f"messages in a batch ({scale.rules_per_symbol} rules a symbol, "
            f"{scale.symbols} symbols)",
            "What DynamoDB costs by the size of a batch",
        ),
        **model.plots,
    }
    files = docs_with(tables, plots)  # a quick run, too, finds a page that lacks a block
    if write:
        write_docs(files)
    if quick:
        write_line("All of it runs. Of a quick run, these figures mean nothing.")


def _report(what: str) -> None:
    write_line(f"{time.strftime('%H:%M:%S')}  {what} ...")


def _counted(
    stage_: Stage, contestants: Mapping[str, Contestant], scale: Scale
) -> dict[str, dict[int, Counts]]:
    names = symbols(scale.symbols)
    counts = {
        name: {
            size: count(contestant, stage_.eye, warm(contestant, size, names), scale.counted_ticks)
            for size in scale.batch_sizes
        }
        for name, contestant in contestants.items()
    }
    # A rule's notes are read with it; bare rules have none.
    bare = stage_.enter("scanning", handlers.usual_rules(scale, are_bare=True))
    _, size, _ = scale.batch_sizes
    found = count(bare, stage_.eye, warm(bare, size, names), scale.counted_ticks // 5)
    return counts | {"scanning, bare rules": {size: found}}


def _findings_on_counts(counts: Mapping[str, Mapping[int, Counts]], scale: Scale) -> list[Finding]:
    _, size, _ = scale.batch_sizes
    ours, scanning = counts[OURS][size], counts["scanning"][size]
    return [
        _at_most(
            f"AWS calls, batch of {size}, over scanning's", ours.calls / scanning.calls, 1 / 4
        ),
        _at_most("capacity units, over scanning's", ours.units / scanning.units, 1 / 20),
    ]


def _findings_on_speed(contestants: Mapping[str, Contestant], scale: Scale) -> list[Finding]:
    findings = []
    for size in scale.batch_sizes:
        _report(f"timing batches of {size:,}")
        what = f"ticks a second, batch of {size:,}, over"
        timings = handlers.speeds(contestants, size, scale)
        for name, bound in (("scanning", 10), ("powertools", 10), ("seed_like", 2)):
            findings.append(_at_least(f"{what} {name}'s", timings.ratio(name, OURS), bound))
        pair = {name: contestants[name] for name in (OURS, "seed_like")}
        with handlers.slowed(pair):
            ratio = handlers.speeds(pair, size, scale).ratio("seed_like", OURS)
        milliseconds = f"{CALL_SECONDS * 1_000:.0f} ms"
        findings.append(_at_least(f"the same where a call travels {milliseconds}", ratio, 2))
    return findings


def _findings_on_rules(stage_: Stage, scale: Scale) -> list[Finding]:
    many, most = scale.many_rules, scale.most_rules
    _report(f"timing {many:,} and {most:,} rules")
    contestants = handlers.all_entered(
        stage_, handlers.usual_rules(scale, on_the_busiest=many), [OURS, "scanning"]
    )
    # Scanning that many takes a second per tick.
    short = replace(scale, timed_ticks=scale.timed_ticks // 5, rounds=1)
    timings = handlers.speeds(contestants, scale.batch_sizes[1], short)
    growth = handlers.growth(stage_, scale).ratio(str(most), "10")
    engine = backtests.engine_growth(scale).ratio(str(most), "10")
    return [
        _at_least(
            f"ticks a second with {many:,} rules on the busiest, over scanning's",
            timings.ratio("scanning", OURS),
            200,
        ),
        _at_most(
            f"time a tick with {most:,} rules over that with 10, no level crossed", growth, 1.2
        ),
        _at_most("the same of the engine alone, every 100th crosses a level", engine, 1.2),
    ]


def _findings_on_bursts(stage_: Stage, scale: Scale) -> list[Finding]:
    rules = scale.many_rules
    _report(f"timing {rules:,} rules on one level")
    what = f"{rules:,} rules on one level, over as many bare puts and publishes"
    return [_at_most(what, bursts.over_bare(stage_, rules), 2)]


def _findings_on_latency(stage_: Stage, scale: Scale) -> list[Finding]:
    _report("timing announcements")
    seconds = latency.latencies(stage_, scale)
    return [
        _at_most(
            f"{what}, p99, over seed_like's",
            latency.p99(seconds[kind][OURS]) / latency.p99(seconds[kind]["seed_like"]),
            1.3,
        )
        for kind, what in (
            ("seen", "sent to announced"),
            ("new", "the same for a symbol's first price"),
        )
    ]


def _findings_on_backtests(scale: Scale) -> list[Finding]:
    _report("timing backtests")
    timings = backtests.in_memory(scale)
    loop = timings.ratio("loop over 1000 rules", "1000 rules")
    return [
        _at_least(
            "backtest in memory, 100 rules",
            1 / timings.median_of("100 rules"),
            2_000_000,
            "ticks/s",
        ),
        _at_least("backtest, 1,000 rules, over a loop over them", loop, 100),
        _at_least("backtest of a file", 1 / backtests.from_file(scale), 500_000, "rows/s"),
    ]


def _findings_on_starts(scale: Scale) -> list[Finding]:
    _report("timing cold starts and synths")
    imports, synths = starts.cold_imports(scale), starts.synths(scale)
    return [
        _at_most(
            "cold import, over boto3's and two clients'", imports.ratio("handler", "boto3"), 1.15
        ),
        _at_most(
            "the same as Lambda has it, without bytecode of ours",
            imports.ratio("unpacked", "boto3"),
            1.1,
        ),
        _at_most("zip", starts.zip_bytes() / 1e6, 1, "MB"),
        _at_most("synth, over one with plain imports", synths.ratio("quick", "plain"), 0.35),
    ]


def _cpu_seconds(contestant: Contestant, scale: Scale) -> dict[int, float]:
    """Return the handler's own seconds for a thousand ticks, by the size of a batch."""
    names = symbols(scale.symbols)
    return {
        size: cpu_seconds(contestant, warm(contestant, size, names), scale.timed_ticks)
        for size in scale.batch_sizes
    }


def _at_least(what: str, figure: float, bound: float, unit: str = "x") -> Finding:
    return Finding(what, figure, bound, is_floor=True, unit=unit)


def _at_most(what: str, figure: float, bound: float, unit: str = "x") -> Finding:
    return Finding(what, figure, bound, is_floor=False, unit=unit)


if __name__ == "__main__":
    typer.run(main)
