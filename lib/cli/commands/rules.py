"""The commands for rules, but for edit: add, list, show, pause, resume, remove."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple

import typer

from lib.cli import completing
from lib.cli.options import (
    CONDITIONS,
    CooldownOption,
    CsvOption,
    ExpiresOption,
    JsonOption,
    MessageOption,
    NoteOption,
    OfOwnerOption,
    OfSymbolOption,
    OwnerOption,
    RearmOption,
    RuleId,
    TriggerOption,
    UtcOption,
    WithinOption,
    check_changeable,
    reject_options,
)
from lib.cli.output import write_csv, write_json, write_line
from lib.cli.rule_views import (
    DOCUMENT_KEYS,
    rule_document,
    write_changed,
    write_rule,
    write_rules,
)
from lib.client.rule_store import RuleStore
from lib.client.session import connected, now_microseconds
from lib.formats.errors import CliError, WrongUsage
from lib.formats.words import (
    RuleWords,
    SetAside,
    ShownStatus,
    rule_from_words,
    status_of,
    symbol_of,
)
from price_alerts.domain.conditions import RuleError
from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule, check_rule_id

RuleIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]",
        help="Ids of rules; alerts list shows them.",
        autocompletion=completing.ids,
    ),
]


def add(  # noqa: PLR0913, PLR0917  # each is an argument or an option
    symbol: Annotated[
        str,
        typer.Argument(
            metavar="SYMBOL",
            help="Symbol, such as AAPL or BTC-USD.",
            autocompletion=completing.symbols,
        ),
    ],
    condition: Annotated[str, typer.Argument(metavar="CONDITION", help=CONDITIONS)],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE [VALUE2]",
            help="A price; two, the lower one first, for enters, exits, inside and outside; a "
            "move, such as 3 or 5%, for rises and falls.",
        ),
    ],
    within: WithinOption = None,
    trigger: TriggerOption = None,
    cooldown: CooldownOption = None,
    rearm: RearmOption = None,
    expires: ExpiresOption = None,
    owner: OwnerOption = None,
    note: NoteOption = None,
    message: MessageOption = None,
    rule_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Id of the rule (default: generated).")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Add it even if another rule says the same.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a rule. It counts from the symbol's next price on.

    Example: alerts add AAPL crosses-up 200 --trigger every --note "sell half"
    """
    reject_options("add", symbol, condition, *values)
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
        owner=owner or "",
        note=note or "",
        message=message or "",
    )
    now = now_microseconds()
    rule = rule_from_words(words, now)
    with connected() as target:
        store = RuleStore(target.table)
        if not force and (same := store.same_as(rule, now)):
            raise CliError(f"{same.rule_id} says the same already: --force adds another")
        store.add(rule)
    write_changed("added", rule, as_json=as_json)


def list_rules(  # noqa: PLR0913, PLR0917  # each is an argument or an option
    symbol: Annotated[
        str | None,
        typer.Argument(
            metavar="SYMBOL",
            help="Only rules of this symbol.",
            autocompletion=completing.symbols,
        ),
    ] = None,
    status: Annotated[ShownStatus | None, typer.Option(help="Only rules with this status.")] = None,
    owner: OfOwnerOption = None,
    utc: UtcOption = False,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """List rules by symbol and id.

    Example: alerts list AAPL --status active
    """
    wanted = None if symbol is None else symbol_of(symbol)
    now = now_microseconds()
    with connected() as target:
        store = RuleStore(target.table)
        own = [target.high_price_rule] if wanted is None and target.high_price_rule else []
        rules = [
            rule
            for rule in _of_owner([*own, *store.rules(wanted)], owner)
            if status in (None, status_of(rule, now))
        ]
        last_prices = store.last_prices(rule.symbol for rule in rules)
    if as_json or as_csv:
        texts = {symbol: f"{price:f}" for symbol, price in last_prices.items()}
        documents = [
            rule_document(rule, now) | {"last_price": texts.get(rule.symbol)} for rule in rules
        ]
        if as_json:
            write_json(documents)
        else:
            write_csv([*DOCUMENT_KEYS, "last_price"], documents)
    elif rules:
        write_rules(rules, last_prices, now, is_utc=utc)
    else:
        write_line("no such rules" if symbol or status or owner else "no rules")


def _of_owner(rules: Iterable[Rule | SetAside], owner: str | None) -> Iterator[Rule | SetAside]:
    """Yield the rules of an owner; that of one that is set aside is unknown."""
    for rule in rules:
        if owner is None or (isinstance(rule, Rule) and rule.owner == owner):
            yield rule


def show(rule_id: RuleId, utc: UtcOption = False, as_json: JsonOption = False) -> None:
    """Show a rule and its status.

    Example: alerts show aapl-7f3k2q
    """
    check_rule_id(rule_id)
    with connected() as target:
        own = target.high_price_rule
        rule = own if own and own.rule_id == rule_id else RuleStore(target.table).look_up(rule_id)
    if as_json:
        write_json(rule_document(rule, now_microseconds()))
    else:
        write_rule(rule, now_microseconds(), is_utc=utc)


def pause(
    rule_ids: RuleIds = None,
    symbol: OfSymbolOption = None,
    owner: OfOwnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pause rules until they are resumed.

    By their ids, or all active ones of a symbol or owner.

    Example: alerts pause aapl-7f3k2q
    """
    chosen = _Chosen(rule_ids or [], symbol, owner, (Status.ACTIVE,))
    _change("paused", RuleStore.pause, chosen, as_json)


def resume(
    rule_ids: RuleIds = None,
    symbol: OfSymbolOption = None,
    owner: OfOwnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resume paused or triggered rules, as if newly added.

    By their ids, or all paused ones of a symbol or owner.

    Example: alerts resume --symbol AAPL
    """
    chosen = _Chosen(rule_ids or [], symbol, owner, (Status.PAUSED,))
    _change("resumed", RuleStore.resume, chosen, as_json)


def remove(
    rule_ids: RuleIds = None,
    symbol: OfSymbolOption = None,
    owner: OfOwnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove rules: by their ids, or all of a symbol or owner. Firings stay in the history.

    Example: alerts remove aapl-7f3k2q
    """
    chosen = _Chosen(rule_ids or [], symbol, owner, tuple(Status))
    _change("removed", RuleStore.remove, chosen, as_json)


class _Chosen(NamedTuple):
    """Rules as they are named: by their ids, or by a symbol and an owner."""

    rule_ids: Sequence[str]
    symbol: str | None
    owner: str | None
    statuses: Container[Status]

    def check(self) -> None:
        """Reject what names no rules, or names them twice."""
        is_filter = self.symbol is not None or self.owner is not None
        if is_filter == bool(self.rule_ids):
            raise WrongUsage("name rules by their ids, or by --symbol and --owner")
        for rule_id in self.rule_ids:
            check_changeable(rule_id)

    def ids_in(self, store: RuleStore) -> list[str]:
        """Return the ids, each once."""
        if self.rule_ids:
            return list(dict.fromkeys(self.rule_ids))
        symbol = None if self.symbol is None else symbol_of(self.symbol)
        return [
            rule.rule_id
            for rule in _of_owner(store.rules(symbol), self.owner)
            if isinstance(rule, SetAside) or rule.progress.status in self.statuses
        ]


def _change(
    done: str,
    change: Callable[[RuleStore, str], Rule | SetAside],
    chosen: _Chosen,
    as_json: bool,
) -> None:
    """Change rules one after the other; those that cannot be changed do not hold up the others."""
    chosen.check()
    changed: list[Rule | SetAside] = []
    reasons: list[str] = []
    try:
        with connected() as target:
            store = RuleStore(target.table)
            for rule_id in chosen.ids_in(store):
                try:
                    rule = change(store, rule_id)
                except (CliError, RuleError) as reason:  # a RuleError: it has another status
                    reasons.append(str(reason))
                    continue
                changed.append(rule)
                if not as_json:
                    write_changed(done, rule)
    finally:  # what was done is said, whatever comes after it
        if as_json and changed:
            documents = [rule_document(rule, now_microseconds()) for rule in changed]
            write_json(documents[0] if len(chosen.rule_ids) == 1 else documents)
    if reasons:
        raise CliError("; ".join(reasons))
    if not changed and as_json:
        write_json([])
    elif not changed:
        write_line("no such rules")
