"""The commands for rules files: import, apply and export."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lib.cli.options import JsonOption, readable
from lib.cli.output import progress, write_json, write_line
from lib.client.applying import apply, check_ids, difference, lines_of
from lib.client.rule_store import RuleStore
from lib.client.session import connected, now_microseconds, reporting
from lib.formats.rules_file import read_entries, read_rules, written_rules
from lib.formats.words import SetAside, ShownStatus, status_of, words_of
from price_alerts.domain.rules import Rule


def import_rules(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            callback=readable,
            help="YAML list of rules, as written by export; - reads standard input.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Add the rules of a file; existing ones stay as they are. If one is invalid, none is added.

    Expired rules are skipped. A rule without an id is added again each time.

    Example: alerts import rules.yaml
    """
    now = now_microseconds()
    rules = read_rules(file, now)
    lasting = [rule for rule in rules if status_of(rule, now) is not ShownStatus.EXPIRED]
    missing, added = lasting, list[str]()
    with (
        reporting(lambda: f"{len(added)} of {len(missing)} rules were added"),
        connected() as target,
        progress("Adding rules", len(lasting)) as show,
    ):

        def on_progress(chunk: Sequence[Rule]) -> None:
            added.extend(rule.rule_id for rule in chunk)
            show(len(added))

        store = RuleStore(target.table)
        missing = store.missing(lasting)
        store.add_all(missing, on_progress)
    there, expired = len(lasting) - len(missing), len(rules) - len(lasting)
    if as_json:
        write_json({"added": added, "unchanged": there, "expired": expired})
    else:
        words = [f"added {len(added)} {'rule' if len(added) == 1 else 'rules'}"]
        words += [f"{there} {'was' if there == 1 else 'were'} already there"] if there else []
        words += [f"{expired} skipped as expired"] if expired else []
        write_line("; ".join(words))


def apply_rules(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            callback=readable,
            help="YAML list of rules with ids; - reads standard input.",
        ),
    ],
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the rules that are not in the file.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference, and change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the stack's rules those of a file.

    Rules are added and changed; with --prune, others are removed. The difference is shown first.
    Paused rules stay paused.

    Example: alerts apply rules.yaml --prune --dry-run
    """
    now = now_microseconds()
    entries = read_entries(file, now)
    check_ids(entries)
    done = 0
    with (
        reporting(lambda: f"{done or 'no'} changes were made"),
        connected() as target,
        progress("Changing rules", None) as show,
    ):

        def on_change(count: int) -> None:
            nonlocal done
            done += count
            show(done)

        store = RuleStore(target.table)
        wanted = difference(entries, store.rules(), now, prunes=prune)
        for line in [] if as_json else lines_of(wanted):
            write_line(line)
        if not dry_run:
            apply(store, wanted, on_change)
    ids = {
        "added": [rule.rule_id for rule in wanted.added],
        "changed": [change.after.rule_id for change in wanted.changed],
        "removed": [rule.rule_id for rule in wanted.removed],
    }
    if as_json:
        write_json({**ids, "unchanged": wanted.unchanged_count})
        return
    verbs = {"added": "to add", "changed": "to change", "removed": "to remove"}
    counts = {verbs[what] if dry_run else what: len(found) for what, found in ids.items()}
    counts["unchanged"] = wanted.unchanged_count
    write_line(
        ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no rules"
    )


def export_rules(
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Export from another table, such as a restored one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print all rules as a file for import, without their status.

    Rules that cannot be read (set aside) are skipped.

    Example: alerts export > rules.yaml
    """
    with connected() as target:
        found = list(RuleStore(target.table_called(table or target.names.table)).rules())
    rules = [rule for rule in found if isinstance(rule, Rule)]
    skipped = [rule.rule_id for rule in found if isinstance(rule, SetAside)]
    if skipped:
        sys.stderr.write(
            f"warning: skipped rules that cannot be read (set aside): {', '.join(skipped)}\n"
        )
    if as_json:
        write_json([words_of(rule).entry() for rule in rules])
    else:
        sys.stdout.write(written_rules(rules))
