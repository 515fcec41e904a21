"""The commands for rules: add, list, show, pause, resume, remove."""

from __future__ import annotations

import re
import time
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

RuleId = Annotated[str, typer.Argument(metavar="ID", help="The rule's id; alerts list shows it.")]


def add(  # noqa: PLR0913, PLR0917  # each is a word that is typed
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as AAPL or BTC-USD.")],
    condition: Annotated[str, typer.Argument(metavar="CONDITION", help=_CONDITIONS)],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE [VALUE2]",
            help="A price; for enters, exits, inside and outside two, the lower one first; for "
            "rises and falls a move, say 3 or 5%.",
        ),
    ],
    within: Annotated[
        str | None,
        typer.Option(metavar="W", help=f"For rises and falls: {' '.join(WINDOWS_SECONDS)}."),
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(metavar="once|every", help="How often it fires; once if left out.")
    ] = None,
    cooldown: Annotated[
        str | None,
        typer.Option(metavar="15m", help="With every: for how long it does not fire again."),
    ] = None,
    rearm: Annotated[
        str | None,
        typer.Option(
            metavar="0.5%", help="With every: how far back the price must go before the next time."
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="30d|DATE", help="From when on it fires no more: in so long, or a time."
        ),
    ] = None,
    owner: Annotated[str, typer.Option(metavar="O", help="Whose it is.")] = "",
    note: Annotated[str, typer.Option(metavar="T", help="What it is for; told with it.")] = "",
    message: Annotated[
        str,
        typer.Option(
            metavar="T", help=f"The alert's text, instead of the usual one: {_PLACEHOLDERS}"
        ),
    ] = "",
    rule_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="What to call it; else made up.")
    ] = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a rule, which counts from the symbol's next price on."""
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
        RuleStore(target.table, time.sleep).add(rule)
    _tell("added", rule, as_json)


def list_rules(
    symbol: Annotated[
        str | None, typer.Argument(metavar="[SYMBOL]", help="Only this symbol's.")
    ] = None,
    status: Annotated[ShownStatus | None, typer.Option(help="Only those of this status.")] = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the rules, by symbol and id."""
    wanted = None if symbol is None else symbol_of(symbol)
    now = now_microseconds()
    with connected(environment) as target:
        rules = [
            rule
            for rule in RuleStore(target.table, time.sleep).rules(wanted)
            if status in (None, status_of(rule, now))
        ]
    if as_json:
        write_json([rule_document(rule, now) for rule in rules])
    elif rules:
        write_rules(rules, now)
    else:
        write_line("there are no such rules" if symbol or status else "there are no rules")


def show(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Show all of a rule, and what has come of it."""
    check_rule_id(rule_id)
    with connected(environment) as target:
        rule = RuleStore(target.table, time.sleep).look_up(rule_id)
    if as_json:
        write_json(rule_document(rule, now_microseconds()))
    else:
        write_rule(rule, now_microseconds())


def pause(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Have a rule do nothing until it is resumed."""
    _change("paused", RuleStore.pause, rule_id, environment, as_json)


def resume(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Bring a paused or triggered rule back, like one newly added."""
    _change("resumed", RuleStore.resume, rule_id, environment, as_json)


def remove(
    rule_id: RuleId, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Delete a rule; what it has fired stays in the history."""
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
            rule = change(RuleStore(target.table, time.sleep), rule_id)
    except RuleError as reason:  # it is typed well, but the rule is not in that status
        raise CliError(str(reason)) from None
    _tell(done, rule, as_json)


def _tell(done: str, rule: Rule | SetAside, as_json: bool) -> None:
    if as_json:
        write_json(rule_document(rule, now_microseconds()))
    else:
        write_line(f"{done} {rule.rule_id}: {rule_in_words(rule)}")
