"""The commands for the dead-letter queue: dlq list, dlq redrive and dlq purge."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from lib.cli.options import JsonOption
from lib.cli.output import waiting, write_json, write_line, write_table
from lib.client.dead_letters import Redrive, list_dead_letters, purge, redrive
from lib.client.session import connected, now_microseconds, reporting
from lib.client.status import read_queue
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.ticks import format_moment


def list_letters(as_json: JsonOption = False) -> None:
    """Show the dead letters, and why each was rejected.

    Example: alerts dlq list
    """
    with connected() as target, waiting("Reading the dead-letter queue"):
        letters = list_dead_letters(
            target.sqs, target.dead_letter_queue_url, now_microseconds(), shapes=target.shapes
        )
    documents = [
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
    if as_json:
        write_json(documents)
    elif documents:
        write_table(
            ["message", "sent", "received", "reason", "begins with"],
            [
                [str(value) for name, value in each.items() if name != "is_refused"]
                for each in documents
            ],
            texts=["reason", "begins with"],
        )
    else:
        write_line("the dead-letter queue is empty")


def redrive_letters(as_json: JsonOption = False) -> None:
    """Send the messages in the dead-letter queue back to be retried.

    Prices that were applied already have no effect; with SQS's own redrive they would count twice.

    Example: alerts dlq redrive
    """
    reports = [Redrive()]
    with (
        reporting(lambda: _moved(reports[-1])),
        connected() as target,
        waiting("Moving the dead letters"),
    ):
        done = redrive(
            target.sqs,
            target.dead_letter_queue_url,
            target.queue_url,
            now_microseconds(),
            shapes=target.shapes,
            on_progress=reports.append,
        )
    if as_json:
        write_json(asdict(done))
    else:
        again = f"; {done.refused} will be rejected again" if done.refused else ""
        write_line(_moved(done) + again)
    if done.unsent:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in done.unsent.items())
        raise CliError(f"SQS rejected messages, which stay in the dead-letter queue: {reasons}")


def purge_letters(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete all dead letters for good, once you have said yes.

    Example: alerts dlq purge
    """
    with connected() as target:
        url = target.dead_letter_queue_url
        count = read_queue(target.sqs, url).total
        if not yes:
            if not sys.stdin.isatty():
                raise WrongUsage("nobody is there to be asked: add --yes")
            # On stderr, so that stdout is what was done.
            sys.stderr.write(f"Delete about {_counted(count)} of {_name_of(url)} for good? [y/N] ")
            sys.stderr.flush()
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                raise CliError("nothing was deleted")
        purge(target.sqs, url)
    if as_json:
        write_json({"purged": count})
    else:
        write_line(f"about {_counted(count)} deleted; SQS takes up to a minute")


def _name_of(url: str) -> str:
    return url.rpartition("/")[2]


def _counted(count: int) -> str:
    return f"{count} {'message' if count == 1 else 'messages'}"


def _moved(done: Redrive) -> str:
    return f"moved {_counted(done.moved)} back"
