"""A test alert: it takes the way of every alert, since the topic accepts none from anybody else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from decimal import Decimal

from lib.client.history import firings_of_symbol
from lib.client.publishing import publish
from lib.client.rule_store import RuleStore
from lib.client.session import now_microseconds
from lib.client.target import Target
from lib.formats.errors import CliError
from lib.formats.prices import Price
from lib.formats.words import RuleWords, rule_from_words
from price_alerts.adapters.items import state_key
from price_alerts.domain.rules import Rule

TEXT = "Test alert: no price has crossed anything. It was sent by ./alerts test."
_LEVEL, _PRICE = Decimal(0), Decimal(1)
_POLL_SECONDS = 0.25


def trial_rule(owner: str, condition: str, level: Decimal, **words: str) -> Rule:
    """Return a rule for a symbol of its own, both named after the owner, with more words of it."""
    name = secrets.token_hex(6)
    rule_words = RuleWords(
        id=f"{owner}-{name}",
        symbol=f"{owner}.{name}",
        condition=condition,
        levels=[str(level)],
        owner=owner,
        expires="1h",  # should this process not live to remove it
        **words,
    )
    return rule_from_words(rule_words, now_microseconds())


def remove_trial(target: Target, rule: Rule) -> None:
    """Remove a rule of `trial_rule`; raises CliError if its firings stay undelivered."""
    RuleStore(target.table).remove(rule.rule_id)
    # Nothing of the symbol is left to be delivered, and nothing needs its state again.
    target.table.delete_item(Key=state_key(rule.symbol))


def send_test_alert(
    target: Target,
    patience_seconds: float,
    *,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Have the function publish an alert marked as a test; returns its firing's id.

    Its rule, of the owner ``test`` and for a symbol of its own, is removed again; the firing stays
    in the history.

    Raises
    ------
    CliError
        If the queue rejects its price, or it is not published in time.
    """
    rule = trial_rule("test", "above", _LEVEL, message=TEXT)
    RuleStore(target.table).add(rule)
    try:
        price = Price(rule.symbol, _PRICE, now_microseconds())
        for refusal in publish(target.sqs, target.queue_url, [price]).refusals:
            raise CliError(f"the queue of {target.names.stack} rejects prices: {refusal.reason}")
        give_up_at = clock() + patience_seconds
        while True:
            firings = firings_of_symbol(target.table, rule.symbol)
            own = [firing for firing in firings if firing["rule_id"] == rule.rule_id]
            if any(firing["undeliverable"] for firing in own):
                raise CliError(f"SNS rejects the alert: {own[0]['undeliverable']}")
            if any(firing["sent"] for firing in own):
                return str(own[0]["firing_id"])
            if clock() >= give_up_at:
                raise CliError(
                    f"{target.names.stack} published no alert within {patience_seconds:.0f} s: see "
                    "./alerts status, and docs/runbook.md"
                )
            sleep(_POLL_SECONDS)
    finally:
        remove_trial(target, rule)
