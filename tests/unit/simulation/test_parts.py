"""The parts of the simulation: its queues, its topic, its scheduler."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

import pytest

from tests.simulation.errors import AwsError
from tests.simulation.scheduler import Actor, Policy, Scheduler
from tests.simulation.sqs import DEAD_URL, QUEUE_URL, Message, Queue, Queues

MINUTE = 60_000_000


def queue_of(*names: str, **more: Any) -> Queue:
    """Return a queue with messages, each in the group of its first letter."""
    queue = Queue("prices", Random(1), **more)
    for name in names:
        queue.put(Message(name, "{}", 0, name[0]))
    return queue


def taken(queue: Queue, limit: int, now: int) -> list[str]:
    return [message.message_id for message in queue.take(limit, now)]


def test_a_group_waits_while_a_message_of_it_is_worked_on_or_failed() -> None:
    queue = queue_of("a1", "a2", "b1", is_fifo=True)
    assert taken(queue, 1, 0) == ["a1"]
    assert taken(queue, 10, 1) == ["b1"]
    queue.delete("b1")
    assert queue.ready_at() == MINUTE
    assert taken(queue, 10, MINUTE) == ["a1", "a2"]
    queue.delete("a1")
    assert taken(queue, 10, 2 * MINUTE) == ["a2"]


def test_after_five_tries_a_message_is_in_the_dead_letter_queue() -> None:
    dead = queue_of()
    queue = queue_of("a", max_receives=5, dead=dead)
    assert [taken(queue, 10, number * MINUTE) for number in range(6)] == [["a"]] * 5 + [[]]
    assert list(dead.messages) == ["a"]


def test_a_standard_queue_gives_messages_twice_and_in_any_order() -> None:
    names = [f"m{number}" for number in range(20)]
    once = taken(queue_of(*names, duplicates=1.0, disorder=20), 60, 0)
    assert (sorted(set(once)), len(once) > 20) == (sorted(names), True)
    assert list(dict.fromkeys(once)) != names


def test_a_fifo_queue_accepts_a_message_once_in_five_minutes() -> None:
    now, queue = [0], queue_of(is_fifo=True)
    queues = Queues(queue, queue_of(), lambda: now[0])
    asked = {"QueueUrl": QUEUE_URL, "MessageBody": "{}", "MessageGroupId": "a"}
    asked["MessageDeduplicationId"] = "same"
    first, again = (queues.call("SendMessage", asked) for _ in range(2))
    assert (first, len(queue.messages)) == (again, 1)
    now[0] += 6 * MINUTE
    queues.call("SendMessage", asked)
    assert len(queue.messages) == 2


def test_a_message_can_be_received_deleted_or_given_back() -> None:
    queues = Queues(queue_of(), queue_of("a", "b"), lambda: 0)
    with pytest.raises(AwsError, match="UnsupportedOperation"):
        queues.call("PurgeQueue", {"QueueUrl": DEAD_URL})

    def received() -> list[str]:
        answer = queues.call("ReceiveMessage", {"QueueUrl": DEAD_URL, "MaxNumberOfMessages": 9})
        return [message["MessageId"] for message in answer.get("Messages", ())]

    assert (received(), received()) == (["a", "b"], [])
    entries = [{"Id": "0", "ReceiptHandle": "b", "VisibilityTimeout": 0}]
    queues.call("ChangeMessageVisibilityBatch", {"QueueUrl": DEAD_URL, "Entries": entries})
    assert received() == ["b"]
    queues.call("DeleteMessage", {"QueueUrl": DEAD_URL, "ReceiptHandle": "b"})
    queues.call("ChangeMessageVisibilityBatch", {"QueueUrl": DEAD_URL, "Entries": entries})
    assert received() == []


@pytest.mark.parametrize("kind", ["random", "pct", "timed"])
def test_one_actor_runs_at_a_time(kind: str) -> None:
    scheduler = Scheduler(Policy(kind, Random(1), frozenset({4, 9})), Random(1), 0)
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


def test_who_passes_its_deadline_is_killed_and_strange_threads_must_not_call() -> None:
    scheduler = Scheduler(Policy("random", Random(1)), Random(1), 0)
    done: list[str] = []

    def call() -> None:
        with pytest.raises(RuntimeError, match="does not know"):
            scheduler.call(1)
        done.append("strange")

    def work(actor: Actor) -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        actor.deadline = 10
        scheduler.pause(11)
        done.append(actor.name)

    scheduler.add("a", work)
    scheduler.run()
    assert done == ["strange"]
