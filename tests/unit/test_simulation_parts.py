"""The parts of the simulation: its queues, its topic, its scheduler."""

from __future__ import annotations

import json
import threading
from random import Random
from typing import Any

import pytest

from tests.simulation.errors import AwsError
from tests.simulation.scheduler import Actor, Policy, Scheduler
from tests.simulation.sns import Topic
from tests.simulation.sqs import DEAD_URL, QUEUE_URL, Message, Queue, Queues

MINUTE = 60_000_000


def queue_of(*messages: tuple[str, str], **more: Any) -> Queue:
    """Return a queue with messages, each an id and a group."""
    queue = Queue("prices", Random(1), **more)
    for message_id, group in messages:
        queue.put(Message(message_id, "{}", 0, group))
    return queue


def taken(queue: Queue, limit: int, now: int) -> list[str]:
    return [message.message_id for message in queue.take(limit, now)]


def scheduler_of(kind: str, change_points: frozenset[int] = frozenset()) -> Scheduler:
    return Scheduler(Policy(kind, Random(1), change_points), Random(1), 0)


def test_a_group_waits_while_a_message_of_it_is_worked_on() -> None:
    queue = queue_of(("a1", "a"), ("a2", "a"), ("b1", "b"), is_fifo=True)
    assert taken(queue, 1, 0) == ["a1"]
    assert taken(queue, 10, 1) == ["b1"]
    queue.delete("a1")
    assert taken(queue, 10, 2) == ["a2"]


def test_what_failed_in_a_group_comes_again_before_its_followers() -> None:
    queue = queue_of(("a1", "a"), ("a2", "a"), is_fifo=True)
    assert taken(queue, 1, 0) == ["a1"]
    assert queue.ready_at() == MINUTE
    assert taken(queue, 10, MINUTE) == ["a1", "a2"]


def test_after_five_tries_a_message_is_in_the_dead_letter_queue() -> None:
    dead = queue_of()
    queue = queue_of(("a", ""), max_receives=5, dead=dead)
    tries = [taken(queue, 10, number * MINUTE) for number in range(6)]
    assert tries == [["a"]] * 5 + [[]]
    assert list(dead.messages) == ["a"]


def test_a_standard_queue_gives_some_messages_twice() -> None:
    queue = queue_of(*((str(number), "") for number in range(20)), duplicates=1.0)
    once = taken(queue, 40, 0)
    assert len(set(once)) == 20
    assert len(once) > 20 or queue.ready_at() < MINUTE  # type: ignore[operator]  # there is one


def test_a_fifo_queue_takes_a_message_once_in_five_minutes() -> None:
    now = [0]
    queue = queue_of(is_fifo=True)
    queues = Queues(queue, queue_of(), lambda: now[0], can_move=False)
    asked = {"QueueUrl": QUEUE_URL, "MessageBody": "{}", "MessageGroupId": "a"}
    asked["MessageDeduplicationId"] = "same"
    first, again = (queues.call("SendMessage", asked) for _ in range(2))
    assert (first, len(queue.messages)) == (again, 1)
    now[0] += 6 * MINUTE
    queues.call("SendMessage", asked)
    assert len(queue.messages) == 2


@pytest.mark.parametrize("can_move", [True, False])
def test_sqs_moves_messages_as_new_ones_or_says_that_it_cannot(can_move: bool) -> None:
    queue, dead = queue_of(), queue_of(("a", ""))
    queues = Queues(queue, dead, lambda: 5_000, can_move=can_move)
    if not can_move:
        with pytest.raises(AwsError, match="UnsupportedOperation"):
            queues.call("StartMessageMoveTask", {"SourceArn": dead.arn})
        return
    queues.call("StartMessageMoveTask", {"SourceArn": dead.arn})
    (moved,) = queue.messages.values()
    assert (moved.message_id == "a", moved.sent_at, dead.messages) == (False, 5_000, {})
    assert queues.call("ReceiveMessage", {"QueueUrl": DEAD_URL}) == {}


def test_a_topic_refuses_single_entries() -> None:
    topic = Topic(refuses=lambda told: "InternalError" if told.rule_id == "r1" else None)
    body = {"symbol": "A"}
    entries = [
        {"Id": str(n), "Message": json.dumps({**body, "firing_id": str(n), "rule_id": f"r{n}"})}
        for n in range(3)
    ]
    answer = topic.call("PublishBatch", {"PublishBatchRequestEntries": entries})
    assert [each["Id"] for each in answer["Failed"]] == ["1"]
    assert [each.rule_id for each in topic.taken] == ["r0", "r2"]


@pytest.mark.parametrize("kind", ["random", "pct", "timed"])
def test_one_actor_runs_at_a_time(kind: str) -> None:
    scheduler = scheduler_of(kind, frozenset({4, 9}))
    running: list[str] = []
    seen: list[str] = []

    def work(actor: Actor) -> None:
        for _ in range(20):
            running.append(actor.name)
            assert len(running) == 1
            seen.append(running.pop())
            scheduler.call(1_000)

    for name in "abc":
        scheduler.add(name, work)
    scheduler.run()
    scheduler.close()
    assert sorted(seen) == sorted("abc" * 20)


def test_who_passes_its_deadline_is_killed() -> None:
    scheduler = scheduler_of("random")
    done: list[str] = []

    def work(actor: Actor) -> None:
        actor.deadline = 10
        scheduler.pause(11)
        done.append(actor.name)

    scheduler.add("a", work)
    scheduler.run()
    assert done == []


def test_a_thread_of_somebody_else_must_not_call() -> None:
    scheduler = scheduler_of("random")
    errors: list[str] = []

    def call() -> None:
        try:
            scheduler.call(1)
        except RuntimeError as error:
            errors.append(str(error))

    def work(actor: Actor) -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    scheduler.add("a", work)
    scheduler.run()
    assert len(errors) == 1
