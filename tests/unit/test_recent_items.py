"""How recent ticks, and what they did to each rule, are written as text and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from price_alerts.adapters.recent_items import recent_attributes, recent_of
from price_alerts.adapters.trail_items import (
    announced_entries,
    announced_of,
    lengthened,
    position_of_text,
    position_text,
    shortened,
    trail_of,
    trail_text,
)
from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import NOWHERE, Announced, Progress, Status, Trail
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.ticks import Position
from tests.unit.doubles import NOW, SECOND, as_stored
from tests.unit.strategies import message_ids, positions, progresses, recents

MESSAGE_ID = "00112233-4455-6677-8899-aabbccddeeff"
SHORT_ID = "ABEiM0RVZneImaq7zN3u_w"


def at(second: int, message_id: str = MESSAGE_ID, ordinal: int = 0) -> Position:
    return Position(NOW + second * SECOND, 0, 0, message_id, ordinal)


# --- positions -------------------------------------------------------------------------------


@given(positions)
def test_a_position_comes_back_as_it_was_written(position: Position) -> None:
    assert position_of_text(position_text(position)) == position


def test_the_place_before_all_ticks_comes_back_as_it_was_written() -> None:
    assert position_of_text(position_text(NOWHERE)) == NOWHERE


@given(message_ids)
def test_a_message_s_id_comes_back_as_it_was_written(name: str) -> None:
    assert lengthened(shortened(name)) == name


def test_an_id_of_sqs_takes_22_characters() -> None:
    assert shortened(MESSAGE_ID) == SHORT_ID


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="none"),
        pytest.param("=", id="like a mark"),
        pytest.param(SHORT_ID, id="like a short one"),
        pytest.param(MESSAGE_ID.upper(), id="in capitals"),
        pytest.param(MESSAGE_ID.replace("-", ""), id="without dashes"),
        pytest.param(f"{MESSAGE_ID}\n", id="with a line's end"),
    ],
)
def test_an_id_that_only_looks_like_one_of_sqs_is_kept_as_it_is(name: str) -> None:
    assert (lengthened(shortened(name)), shortened(name)) == (name, f"={name}")


# --- trails ----------------------------------------------------------------------------------

FIRED = Progress(Status.ACTIVE, Side.HIGH, NOW, "f-1")
TRAIL = Trail(
    ((at(0), Progress()), (at(1), replace(FIRED, last_firing_id="f-0"))),
    (Announced(at(0), at(0)), Announced(at(1), None)),
)


@given(progresses)
def test_a_trail_comes_back_with_the_progress_that_it_belongs_to(progress: Progress) -> None:
    text = trail_text(progress)
    assert progress.trail == (Trail() if text is None else trail_of(text, progress))


@pytest.mark.parametrize("trail", [Trail(changes=TRAIL.changes), Trail(announced=TRAIL.announced)])
def test_either_part_of_a_trail_is_enough_to_be_written(trail: Trail) -> None:
    assert trail_of(str(trail_text(replace(FIRED, trail=trail))), FIRED) == trail


def test_what_left_no_trail_writes_none() -> None:
    assert trail_text(FIRED) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRED, status=Status.PAUSED),
        replace(FIRED, disarmed=None),
        replace(FIRED, last_fired_at_microseconds=NOW + 1),
        replace(FIRED, last_firing_id="f-2"),
    ],
)
def test_a_trail_that_belongs_to_another_progress_is_ignored(other: Progress) -> None:
    text = str(trail_text(replace(FIRED, trail=TRAIL)))
    assert trail_of(text, other) == Trail()


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(Announced(at(0), at(0)), id="of its own tick"),
        pytest.param(Announced(at(0), at(1, "m-1", 499)), id="of another tick"),
        pytest.param(Announced(at(0), None), id="of no tick any more"),
        pytest.param(Announced(at(0), NOWHERE), id="of a tick that is forgotten"),
    ],
)
def test_an_announcement_comes_back_with_what_it_stands_for(announced: Announced) -> None:
    text = json.dumps(announced_entries([announced]))
    assert announced_of(json.loads(text)) == (announced,)


# --- recent ticks ----------------------------------------------------------------------------


@given(recents())
def test_recent_ticks_come_back_as_they_were_written(recent: Recent) -> None:
    position, price = recent.marks[-1]
    assert recent_of(as_stored(recent_attributes(recent)), position, price) == recent


def test_the_state_s_own_tick_is_not_written_twice() -> None:
    recent = Recent((Mark(at(0), Decimal(100)), Mark(at(1), Decimal(101))))
    assert json.loads(recent_attributes(recent)["ticks"]) == [[at(0)[0], SHORT_ID, 0, "100"]]


def test_ticks_of_one_message_name_it_once_and_the_time_between_them() -> None:
    first, second, third = at(0, ordinal=0), at(0, ordinal=1), at(2, "m-2")
    recent = Recent(tuple(Mark(each, Decimal(100)) for each in (first, second, third, at(3))))
    assert json.loads(recent_attributes(recent)["ticks"]) == [
        [first[0], SHORT_ID, 0, "100"],
        [0, "", 1, "100"],
        [2 * SECOND, "=m-2", 0, "100"],
    ]


def test_what_recent_ticks_do_not_have_takes_no_attribute() -> None:
    recent = Recent((Mark(at(0), Decimal(100)), Mark(at(1), Decimal(100))))
    assert recent_attributes(recent).keys() == {"ticks"}
