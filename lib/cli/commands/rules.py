"""The commands for rules: add, list, show, pause, resume, remove."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import typer

from lib.cli.options import EnvironmentOption, JsonOption
from lib.cli.output import write_json, write_line
from lib.cli.rule_views import rule_document, write_rule, write_rules
from lib.client.rule_store import RuleStore
from lib.client.session import connected, now_microseconds
from lib.formats.errors import CliError, WrongUsage
from lib.formats.words import (
    RuleWords,
    SetAside,
    ShownStatus,
    rule_from_words,
    rule_in_words,
    status_of,
    symbol_of,
)
from price_alerts.domain.conditions import WINDOWS_SECONDS, Condition, RuleError
from price_alerts.domain.rules import PLACEHOLDERS, Rule, check_rule_id

_CONDITIONS = ", ".join(condition.word for condition in Condition)
_PLACEHOLDERS = f"{{{'} {'.join(PLACEHOLDERS)}}}"

_OPTION = re.compile(r"-(?!\.?[0-9])")  # -5 and -.5 are numbers

RuleId = Annotated[str, typer.Argument(metavar="ID", help="Id of the rule; alerts list shows it.")]


def add(  # noqa: PLR0913, PLR0917  # each is an argument or an option
    symbol: Annotated[
        str, typer.Argument(metavar="SYMBOL", help="Symbol, such as AAPL or BTC-USD.")
    ],
    condition: Annotated[str, typer.Argument(metavar="CONDITION", help=_CONDITIONS)],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE [VALUE2]",
            help="A price; two, the lower one first, for enters, exits, inside and outside; a "
            "move, such as 3 or 5%, for rises and falls.",
        ),
    ],
    within: Annotated[
        str | None,
        typer.Option(metavar="W", help=f"Window of rises and falls: {' '.join(WINDOWS_SECONDS)}."),
    ] = None,
    trigger: Annotated[
        str | None,
        typer.Option(metavar="once|every", help="How often the rule fires (default: once)."),
    ] = None,
    cooldown: Annotated[
        str | None,
        typer.Option(metavar="15m", help="With every: time before it may fire again."),
    ] = None,
    rearm: Annotated[
        str | None,
        typer.Option(
            metavar="0.5%",
            help="With every: how far the price must move back before it may fire again.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="30d|DATE", help="Expiry: a duration or a date."),
    ] = None,
    owner: Annotated[str, typer.Option(metavar="O", help="Owner of the rule.")] = "",
    note: Annotated[str, typer.Option(metavar="T", help="Note included in the alert.")] = "",
    message: Annotated[
        str,
        typer.Option(
            metavar="T", help=f"Text of the alert instead of the default: {_PLACEHOLDERS}"
        ),
    ] = "",
    rule_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Id of the rule (default: generated).")
    ] = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a rule. It counts from the symbol's next price on."""
    for word in (symbol, condition, *values):
        if _OPTION.match(word):
            raise WrongUsage(f"No such option: {word}: see alerts add --help")
    words = RuleWords(
        id=rule_id,
        symbol=symbol,
        condition=condition,
        levels=values,
        within=within,
        trigger=trigger,
        cooldown=cooldown,
        rearm=rearm,
        expires=expires,
        owner=owner,
        note=note,
        message=message,
    )
    rule = rule_from_words(words, now_microseconds())
    with connected(environment) as target:
        RuleStore(target.table).add(rule)
    _write("added", rule, as_json)


def list_rules(
    symbol: Annotated[
        str | None, typer.Argument(metavar="SYMBOL", help="Only rules of this symbol.")
    ] = None,
    status: Annotated[ShownStatus | None, typer.Option(help="Only rules with this status.")] = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List rules by symbol and id."""
    wanted = None if symbol is None else symbol_of(symbol)
    now = now_microseconds()
    with connected(environment) as target:
        rules = [
            rule
            for rule in RuleStore(target.table).rules(wanted)
            if status in (None, status_of(rule, now))
        ]
    if as_json:
        write_json([rule_document(rule, now) for rule in rules])
    elif rules:
        write_rules(rules, now)
    else:
        write_line("no such rules" if symbol or status else "no rules")


def show(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Show a rule and its status."""
    check_rule_id(rule_id)
    with connected(environment) as target:
        rule = RuleStore(target.table).look_up(rule_id)
    if as_json:
        write_json(rule_document(rule, now_microseconds()))
    else:
        write_rule(rule, now_microseconds())


def pause(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Pause a rule until it is resumed."""
    _change("paused", RuleStore.pause, rule_id, environment, as_json)


def resume(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Resume a paused or triggered rule, as if newly added."""
    _change("resumed", RuleStore.resume, rule_id, environment, as_json)


def remove(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Remove a rule; its firings stay in the history."""
    _change("removed", RuleStore.remove, rule_id, environment, as_json)


def _change(
    done: str,
    change: Callable[[RuleStore, str], Rule | SetAside],
    rule_id: str,
    environment: str | None,
    as_json: bool,
) -> None:
    check_rule_id(rule_id)
    try:
        with connected(environment) as target:
            rule = change(RuleStore(target.table), rule_id)
    except RuleError as reason:  # well typed, but the rule has another status
        raise CliError(str(reason)) from None
    _write(done, rule, as_json)


def _write(done: str, rule: Rule | SetAside, as_json: bool) -> None:
    if as_json:
        write_json(rule_document(rule, now_microseconds()))
    else:
        write_line(f"{done} {rule.rule_id}: {rule_in_words(rule)}")
