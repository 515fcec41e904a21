"""Hypothesis strategies for what is in the table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from price_alerts.domain.conditions import WINDOWS_SECONDS, Condition, Distance, Side, Terms
from price_alerts.domain.progress import NOWHERE, Announced, Progress, Status, Trail, in_order
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Firing, Lease, Outbox, State, Step, Threshold
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import Band
from price_alerts.domain.windows import EXTREMES, lines_of
from tests.unit.doubles import NOW

_SMALLEST = Decimal("1E-18")
_RANGES = {Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE}
_MOVES = {Condition.RISES, Condition.FALLS}

_moments = st.integers(0, 2 * NOW)
_texts = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=10)
_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
_symbols = st.sampled_from(["AAPL", "M&M.NS", "NIFTY 50", "A#1%", "A%23", "币安人生USDT"])
_sizes = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(1, 10**34 - 1),
    st.integers(-30, -4),
)
# A level at which a rule re-arms can have more digits than a price.
_places = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(-(10**160), 10**160),
    st.integers(-128, 0),
)
_prices = _sizes | _sizes.map(Decimal.copy_negate) | st.just(Decimal(0))
_levels = st.decimals(2, 99, places=18)
_lines = st.sampled_from(lines_of(dict.fromkeys(EXTREMES, ())))
# SQS names a message by a UUID; other senders of records may use any name.
message_ids = st.uuids().map(str) | st.text(max_size=10) | st.uuids().map(lambda each: each.hex)
_sent_at = st.integers(0, NOW // 1_000).map(lambda milliseconds: milliseconds * 1_000)
positions = st.builds(
    Position, _moments, st.integers(0, 10**30 - 1), _sent_at, message_ids, st.integers(0, 499)
)


@st.composite
def _terms(draw: st.DrawFn) -> Terms:
    condition = draw(st.sampled_from(Condition))
    count = 2 if condition in _RANGES else 1
    levels = draw(st.lists(_levels, min_size=count, max_size=count, unique=True))
    is_percent = condition in _MOVES and draw(st.booleans())
    return Terms(
        condition,
        tuple(sorted(levels)),
        is_percent,
        draw(st.sampled_from(list(WINDOWS_SECONDS))) if condition in _MOVES else None,
        draw(st.sampled_from([None, Distance(_SMALLEST, is_percent)])),
    )


_bare_progresses = st.builds(
    Progress,
    status=st.sampled_from(Status),
    disarmed=st.none() | st.sampled_from(Side),
    last_fired_at_microseconds=st.none() | _moments,
    last_firing_id=st.none() | _ids,
)
_announced = positions.map(lambda name: Announced(name, name)) | st.builds(
    Announced, positions, st.none() | st.just(NOWHERE) | positions
)
_trails = st.builds(
    Trail,
    st.lists(
        st.tuples(positions, _bare_progresses), max_size=3, unique_by=lambda change: change[0]
    ).map(tuple),
    st.lists(_announced, max_size=3, unique=True).map(in_order),
)
progresses = st.builds(replace, _bare_progresses, trail=_trails)
rules = st.builds(
    Rule,
    rule_id=_ids,
    symbol=_symbols,
    terms=_terms(),
    trigger=st.just(Trigger.EVERY),
    cooldown_seconds=st.integers(0, 10**9),
    expires_at_microseconds=st.none() | _moments,
    owner=_texts,
    note=_texts,
    message=st.sampled_from(["", "{symbol} at {price}", "{{note}}: {note}"]),
    progress=progresses,
)
stored_rules = st.builds(
    replace, rules, since=st.none() | positions, revision=st.integers(0, 10**9)
)
_firings = st.builds(
    Firing,
    firing_id=st.uuids().map(lambda identifier: identifier.hex),
    rule_id=_ids,
    symbol=st.just("AAPL"),
    terms=_terms(),
    previous_price=st.none() | _prices,
    price=_prices,
    position=positions,
    fired_at_microseconds=_moments,
)
_outboxes = st.builds(
    Outbox,
    version=st.integers(1, 10**9),
    firings=st.lists(_firings, max_size=3).map(tuple),
    changes=st.dictionaries(_ids, progresses, max_size=3),
    checked_rule_ids=st.lists(_ids, max_size=3).map(tuple),
    spent=st.lists(st.tuples(_lines, _texts), max_size=3).map(tuple),
)
_windows = st.dictionaries(
    st.sampled_from(EXTREMES),
    st.lists(st.tuples(st.integers(0, NOW), _prices), max_size=3).map(tuple),
    max_size=3,
)
_ends = st.none() | _prices | _places
_bands = st.dictionaries(_lines, st.builds(Band, _ends, _ends))
_steps = st.builds(
    Step,
    # The percentage from the lowest price to the highest has 57 digits.
    before=st.dictionaries(_lines, _prices | st.decimals(0, 10**38, places=18), max_size=3),
    line=_lines,
    after_key=st.none() | st.text(min_size=1, max_size=10),
)
_marks = st.lists(
    st.builds(Mark, positions, _prices), min_size=1, max_size=6, unique_by=lambda mark: mark[0]
)


@st.composite
def recents(draw: st.DrawFn) -> Recent:
    """Recent ticks; those of a new symbol begin before all ticks."""
    before = draw(st.sampled_from([[], [Mark(NOWHERE, Decimal(0))]]))
    return Recent(
        marks=(*before, *sorted(draw(_marks))),
        windows=draw(_windows),
        begun=draw(st.dictionaries(st.sampled_from(EXTREMES), positions, max_size=3)),
        own=Trail(announced=draw(st.lists(_announced, max_size=3).map(tuple))),
        own_since=draw(st.none() | positions),
        rules_since=draw(st.none() | positions),
    )


_others = st.builds(
    State,
    symbol=st.just("AAPL"),
    version=st.integers(1, 10**9),
    price=st.none() | _prices,
    position=st.none() | positions,
    threshold=st.none() | _prices,
    threshold_before=st.none() | st.builds(Threshold, st.none() | _prices, _moments),
    windows=_windows,
    bands=st.none() | _bands,
    step=st.none() | _steps,
    outbox=st.none() | _outboxes,
    lease=st.none() | st.builds(Lease, st.text(min_size=1, max_size=10), _moments),
    nonce=st.none() | st.text("0123456789abcdef", min_size=8, max_size=8),
)


def _with_recent(state: State, recent: Recent) -> State:
    last = recent.marks[-1]
    return replace(state, price=last.price, position=last.position, recent=recent)


states = _others | st.builds(_with_recent, _others, recents())
