"""The commands for rules files: import and export."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from lib.cli.output import progress, write_json, write_line
from lib.cli.rule_store import RuleStore
from lib.cli.rules_file import read_rules, written_rules
from lib.cli.session import (
    EnvironmentOption,
    JsonOption,
    connected,
    now_microseconds,
    telling_what_is_done,
)
from lib.cli.words import words_of
from price_alerts.rules import Rule

__all__ = ["export_rules", "import_rules"]


def import_rules(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML list, as export writes it.")],
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add all rules of a file, or none if something is wrong with one of them."""
    rules = read_rules(file, now_microseconds())
    added: list[str] = []
    with (
        telling_what_is_done(lambda: f"{len(added)} of {len(rules)} rules were added"),
        connected(environment) as target,
        progress("Adding rules", len(rules)) as show,
    ):

        def on_progress(rule: Rule) -> None:
            added.append(rule.rule_id)
            show(len(added))

        RuleStore(target.table, time.sleep).add_all(rules, on_progress)
    if as_json:
        write_json({"added": added})
    else:
        write_line(f"added {len(added)} {'rule' if len(added) == 1 else 'rules'}")


def export_rules(environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Print all rules as a file that import takes; their status is not part of it."""
    with connected(environment) as target:
        rules = list(RuleStore(target.table, time.sleep).rules())
    if as_json:
        write_json([words_of(rule).told() for rule in rules])
    else:
        sys.stdout.write(written_rules(rules))
