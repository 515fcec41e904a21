"""The command that changes a rule under its id."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from lib.cli.options import (
    CONDITIONS,
    CooldownOption,
    ExpiresOption,
    JsonOption,
    MessageOption,
    NoteOption,
    OwnerOption,
    RearmOption,
    RuleId,
    TriggerOption,
    WithinOption,
    check_changeable,
    reject_options,
)
from lib.cli.rule_views import write_changed
from lib.client.rule_store import RuleStore
from lib.client.session import connected, now_microseconds
from lib.formats.errors import WrongUsage
from lib.formats.words import rule_from_words, words_of
from price_alerts.domain.conditions import Condition
from price_alerts.domain.rules import Rule


def edit(  # noqa: PLR0913, PLR0917  # each is an argument or an option
    rule_id: RuleId,
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONDITION] [VALUE [VALUE2]]",
            help=f"Another condition ({CONDITIONS}), or only other values.",
        ),
    ] = None,
    within: WithinOption = None,
    trigger: TriggerOption = None,
    cooldown: CooldownOption = None,
    rearm: RearmOption = None,
    expires: ExpiresOption = None,
    owner: OwnerOption = None,
    note: NoteOption = None,
    message: MessageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a rule; what is not given stays.

    An empty text removes it. With another condition, trigger, cooldown or rearm it starts over,
    like one resumed; with other texts or another expiry it goes on.

    Example: alerts edit aapl-7f3k2q above 210 --expires 30d
    """
    check_changeable(rule_id)
    words = values or []
    reject_options("edit", *words)
    optional = {
        "within": within,
        "trigger": trigger,
        "cooldown": cooldown,
        "rearm": rearm,
        "expires": expires,
    }
    changes: dict[str, object] = {
        name: value or None for name, value in optional.items() if value is not None
    }
    texts = {"owner": owner, "note": note, "message": message}
    changes |= {name: value for name, value in texts.items() if value is not None}
    if words and words[0] in [condition.word for condition in Condition]:
        changes["condition"], *words = words
    if words:
        changes["levels"] = words
    if not changes:
        raise WrongUsage("nothing is to be changed: see alerts edit --help")

    def changed(rule: Rule) -> Rule:
        return rule_from_words(replace(words_of(rule), **changes), now_microseconds())  # type: ignore[arg-type]  # by name

    with connected() as target:
        rule = RuleStore(target.table).edit(rule_id, changed)
    write_changed("changed", rule, as_json=as_json)
