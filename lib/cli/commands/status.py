"""The commands about a stack as a whole: status, test and repair."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from lib.cli.options import JsonOption
from lib.cli.output import waiting, write_facts, write_json, write_line, write_table
from lib.client.repair import repair
from lib.client.session import connected, now_microseconds
from lib.client.status import Status, read_status
from lib.client.target import Target
from lib.client.trial import TEXT, send_test_alert
from lib.formats.errors import CliError


def status(as_json: JsonOption = False) -> None:
    """Show the status of the stack: queues, rules, function.

    Example: alerts status
    """
    with connected() as target:
        with waiting("Reading the table"):
            found = read_status(target, now_microseconds())
        if as_json:
            # asdict would change the Counter.
            table = asdict(found.table) | {"rules": dict(found.table.rules)}
            stack = {"stack": target.names.stack, "region": target.region}
            write_json(stack | asdict(found) | {"table": table})
        else:
            _write_status(target, found)


def send_test(
    patience_seconds: Annotated[
        float, typer.Option("--patience-seconds", min=1, metavar="S", help="How long to wait.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Send one alert, marked as a test, to all subscribers.

    Who filters by symbol or owner gets it for the symbols TEST.*, of the owner test.

    Example: alerts test
    """
    with connected() as target, waiting("Waiting for the alert to be published"):
        firing_id = send_test_alert(target, patience_seconds)
    if as_json:
        write_json({"firing_id": firing_id})
    else:
        write_line(f"published a test alert, {firing_id}: {TEXT}")


def repair_stack(as_json: JsonOption = False) -> None:
    """Deliver unfinished firings now, not with the next price.

    Example: alerts repair
    """
    with connected() as target, waiting("Repairing"):
        stuck = read_status(target, now_microseconds()).table.stuck
        done = repair(target.functions, target.names.function, stuck)
    if as_json:
        write_json(asdict(done))
    elif not stuck:
        write_line("nothing is stuck")
    elif done.repaired:
        write_line(f"repaired {', '.join(done.repaired)}")
    if done.stuck:
        raise CliError(
            f"still stuck: {', '.join(done.stuck)}: the function's log says why, and "
            "docs/runbook.md what to do (publish-failures)"
        )


def _write_status(target: Target, found: Status) -> None:
    queues = {target.queue_url: found.queue, target.dead_letter_queue_url: found.dead_letter_queue}
    write_table(
        ["queue", "waiting", "in flight", "delayed"],
        [
            [url.rpartition("/")[2], *map(str, (queue.waiting, queue.in_flight, queue.delayed))]
            for url, queue in queues.items()
        ],
    )
    write_line(f"\n{target.names.stack} in {target.region}")
    table, function = found.table, found.function
    rules = [f"{count} {status}" for status, count in sorted(table.rules.items())]
    write_facts(
        {
            "rules": ", ".join(rules) or "none",
            "rules set aside": f"{table.rules_set_aside} (./alerts list says why)"
            if table.rules_set_aside
            else "none",
            "symbols": str(table.symbols),
            "delivering now": ", ".join(table.delivering) or "none",
            "stuck": f"{', '.join(table.stuck)} (./alerts repair)" if table.stuck else "none",
            "firings in 24 h": str(table.firings_of_last_day),
            "undeliverable": f"{table.undeliverable_firings} (./alerts history says why)"
            if table.undeliverable_firings
            else "none",
            "last firing": table.last_fired_at or "none",
            "function": f"{function.state}, last update {function.last_update}",
            "fed by the queue": function.mapping or "no",
        }
    )
