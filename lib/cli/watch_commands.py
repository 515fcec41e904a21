"""The commands that operate a stack: history, status, repair, and dlq list and redrive."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from lib.cli.options import EnvironmentOption, JsonOption
from lib.cli.output import waiting, write_facts, write_json, write_line, write_table
from lib.client.dead_letters import list_dead_letters
from lib.client.history import firings_of_all, firings_of_symbol
from lib.client.redrive import Redrive, redrive
from lib.client.repair import repair
from lib.client.session import connected, now_microseconds, telling_what_is_done
from lib.client.status import QueueStatus, Status, read_status
from lib.client.target import Target
from lib.formats.errors import CliError
from lib.formats.quantities import since_of
from lib.formats.words import symbol_of
from price_alerts.domain.ticks import format_moment

_LAST_DAY = "24h"
_NOTHING_LATELY = f"nothing has fired in the last {_LAST_DAY}: --since 30d looks further back"


def history(
    symbol: Annotated[
        str | None, typer.Argument(metavar="SYMBOL", help="Only firings of this symbol.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="24h|DATE",
            help="Start: a duration back from now, or a date. With SYMBOL by the time of prices "
            "(default: all), without by the time of firing (default: 24h).",
        ),
    ] = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what fired, newest last."""
    now = now_microseconds()
    wanted = None if symbol is None else symbol_of(symbol)
    with connected(environment) as target, waiting("Reading the history"):
        if wanted is None:
            firings = firings_of_all(target.table, since_of(since or _LAST_DAY, now), now)
        else:
            first = 0 if since is None else since_of(since, now)
            firings = firings_of_symbol(target.table, wanted, first)
    if as_json:
        write_json(firings)
    elif firings:
        write_table(
            ["price of", "symbol", "condition", "before", "price", "rule", "published"],
            map(_firing_row, firings),
            texts=["condition"],
        )
    elif since:
        write_line(f"nothing has fired since {since}")
    else:
        write_line("nothing has fired" if symbol else _NOTHING_LATELY)


def status(environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Show the status of the stack: queues, rules, function."""
    with connected(environment) as target:
        with waiting("Reading the table"):
            found = read_status(target, now_microseconds())
        if as_json:
            # asdict would change the Counter.
            table = asdict(found.table) | {"rules": dict(found.table.rules)}
            stack = {"stack": target.names.stack, "region": target.region}
            write_json(stack | asdict(found) | {"table": table})
        else:
            _write_status(target, found)


def repair_stack(environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Deliver unfinished firings now, without waiting for the next price."""
    with connected(environment) as target, waiting("Repairing"):
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


def list_letters(environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Show the messages in the dead-letter queue, and why each was rejected."""
    with connected(environment) as target, waiting("Reading the dead-letter queue"):
        letters = list_dead_letters(
            target.sqs, target.dead_letter_queue_url, now_microseconds(), shapes=target.shapes
        )
    if as_json:
        write_json(
            [
                {
                    "message_id": letter.message_id,
                    "sent_at": format_moment(letter.sent_at_microseconds),
                    "receive_count": letter.receive_count,
                    "is_refused": letter.is_refused,
                    "reason": letter.reason,
                    "preview": letter.preview,
                }
                for letter in letters
            ]
        )
    elif letters:
        write_table(
            ["message", "sent", "received", "reason", "begins with"],
            [
                [
                    letter.message_id,
                    format_moment(letter.sent_at_microseconds),
                    str(letter.receive_count),
                    letter.reason,
                    letter.preview,
                ]
                for letter in letters
            ],
            texts=["reason", "begins with"],
        )
    else:
        write_line("the dead-letter queue is empty")


def redrive_letters(environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Send the messages in the dead-letter queue back to be retried.

    Prices that were applied already have no effect; with SQS's own redrive they would count twice.
    """
    so_far = [Redrive()]
    with (
        telling_what_is_done(lambda: _moved(so_far[-1])),
        connected(environment) as target,
        waiting("Moving the dead letters"),
    ):
        done = redrive(
            target.sqs,
            target.dead_letter_queue_url,
            target.queue_url,
            now_microseconds(),
            shapes=target.shapes,
            on_progress=so_far.append,
        )
    if as_json:
        write_json(asdict(done))
    else:
        write_line(
            _moved(done) + (f"; {done.refused} will be rejected again" if done.refused else "")
        )
    if done.unsent:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in done.unsent.items())
        raise CliError(f"SQS rejected messages, which stay in the dead-letter queue: {reasons}")


def _moved(done: Redrive) -> str:
    return f"moved {done.moved} {'message' if done.moved == 1 else 'messages'} back"


def _firing_row(firing: dict[str, Any]) -> list[str]:
    window = f" within {firing['window']}" if firing["window"] else ""
    return [
        firing["timestamp"].replace(".000000", ""),
        firing["symbol"],
        " ".join([firing["condition"], *firing["levels"]]) + window,
        firing["previous_price"] or "none",
        firing["price"],
        firing["rule_id"],
        _published(firing),
    ]


def _published(firing: dict[str, Any]) -> str:
    if firing["undeliverable"]:
        return f"no: {firing['undeliverable']}"
    return "yes" if firing["sent"] else "not yet"


def _write_status(target: Target, found: Status) -> None:
    write_table(
        ["queue", "waiting", "in flight", "delayed"],
        [
            _queue_row(_name(target.queue_url), found.queue),
            _queue_row(_name(target.dead_letter_queue_url), found.dead_letter_queue),
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


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]


def _queue_row(name: str, queue: QueueStatus) -> list[str]:
    return [name, str(queue.waiting), str(queue.in_flight), str(queue.delayed)]
