"""The limits of AWS, what the handler does, the settings, and the load. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

_CORE_MEBIBYTES = 1_769


@dataclass(frozen=True, slots=True)
class Limits:
    """What AWS allows.

    Attributes
    ----------
    partition_write_units_per_second, partition_read_units_per_second
        Of one partition of a table or an index. Source: Amazon DynamoDB Developer Guide, "Best
        practices for designing and using partition keys effectively".
    table_write_units_per_second
        Of a table, and of each index. The default quota; a new table begins with 4,000, and takes
        twice its previous peak within 30 minutes. Source: Amazon DynamoDB Developer Guide,
        "Quotas in Amazon DynamoDB" and "DynamoDB on-demand capacity mode".
    published_per_second
        Messages to standard topics in us-east-1. Source: AWS General Reference, "Amazon SNS
        endpoints and quotas".
    first_batches, more_batches_per_minute, most_batches
        Invocations at a time that a standard queue causes: at first, more in each minute in which
        messages are left, and at most. Source: AWS Lambda Developer Guide, "Configuring scaling
        behavior for SQS event source mappings".
    event_bytes
        Of an invocation. Source: AWS Lambda Developer Guide, "Lambda quotas".
    call_attempts, most_backoff_seconds
        How often a throttled call is made, and the longest wait in between: up to 1 s after the
        first attempt, 2 s after the second, at random. Source: botocore's "standard" retry mode
        (Boto3 documentation, "Retries"), with the attempts that `index.py` sets.
    """

    partition_write_units_per_second: float = 1_000
    partition_read_units_per_second: float = 3_000
    table_write_units_per_second: float = 40_000
    published_per_second: float = 30_000
    first_batches: int = 5
    more_batches_per_minute: float = 300
    most_batches: int = 1_000
    event_bytes: int = 6_000_000
    call_attempts: int = 3
    most_backoff_seconds: float = 20


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long calls take. Assumed, as in docs/performance.md; the processor's time is measured.

    Attributes
    ----------
    dynamodb_seconds, sns_seconds, sqs_seconds
        What a call waits for its answer.
    call_core_seconds
        The processor's time for a call, on a whole core.
    firing_core_seconds, tick_core_seconds
        The processor's time for a firing, which is written several times, and for a tick.
    is_one_at_a_time
        Whether calls are answered one after another, as by the embedded AWS.
    """

    dynamodb_seconds: float = 0.005
    sns_seconds: float = 0.015
    sqs_seconds: float = 0.005
    call_core_seconds: float = 0.0009
    firing_core_seconds: float = 0.0003
    tick_core_seconds: float = 0.000018
    is_one_at_a_time: bool = False


@dataclass(frozen=True, slots=True)
class Handler:
    """What a commit and a delivery do.

    Attributes
    ----------
    rules_per_commit, ticks_per_commit, late_ticks_per_commit
        After which a commit is written, and delivered before the next one.
    is_commit_shortened
        Whether more than 16 `late_ticks` make for fewer rules in a commit.
    state_bytes, late_tick_bytes, outbox_bytes_per_firing
        Of a state's item: alone, for each tick that is remembered, for each firing.
    most_plain_firings, compressed_bytes_per_firing
        An outbox of more firings is compressed.
    firing_units, index_units, rule_units
        Write units of a firing's record, of that in the index ``by_day``, and of its rule.
    deleted_watches_per_firing
        Watches that a delivery deletes. None in a fall: what a late tick may still change stays.
    firing_spread, day_spread, rule_spread
        Over how many partition keys a symbol's firings, a day's, and a symbol's rules are spread.
    at_once
        How many symbols, and how many rules, wait for DynamoDB at once in an invocation.
    firings_per_publish, items_per_write, keys_per_read, watches_per_read
        What goes into a request.
    rule_read_units, watches_read_units
        Read units of a rule, and of a full page of watches.
    write_pauses_seconds
        After which the items that DynamoDB left over are written again.
    wait_rounds, wait_seconds, most_conflicts
        How often, and how long, it waits for another invocation's delivery; conflicts in a row.
    delivery_retries
        Of a delivery that failed after something was published.
    reserve_seconds, lease_margin_seconds
        No work is begun in the reserve; a lease outlives its invocation's end by the margin.
    most_handovers, handover_delay_seconds
        How often an unfinished message is sent again, and with which delay.
    """

    rules_per_commit: int = 100
    ticks_per_commit: int = 1_000
    late_ticks_per_commit: int = 16
    is_commit_shortened: bool = True
    state_bytes: int = 180
    late_tick_bytes: int = 45
    outbox_bytes_per_firing: int = 517
    most_plain_firings: int = 100
    compressed_bytes_per_firing: int = 62
    firing_units: int = 1
    index_units: int = 1
    rule_units: int = 1
    deleted_watches_per_firing: float = 0
    firing_spread: int = 1
    day_spread: int = 1
    rule_spread: int = 1
    at_once: int = 8
    firings_per_publish: int = 10
    items_per_write: int = 25
    keys_per_read: int = 100
    watches_per_read: int = 128
    rule_read_units: int = 1
    watches_read_units: int = 4
    write_pauses_seconds: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    wait_rounds: int = 60
    wait_seconds: tuple[float, float] = (0.02, 0.06)
    most_conflicts: int = 100
    delivery_retries: int = 5
    reserve_seconds: float = 1
    lease_margin_seconds: float = 5
    most_handovers: int = 15
    handover_delay_seconds: float = 1

    def most_rules(self, late_ticks: int) -> int:
        """Return how many rules a commit may change where that many late ticks are remembered."""
        return self.rules_per_commit * 16 // max(16, late_ticks if self.is_commit_shortened else 0)

    def state_units(self, late_ticks: int, firings: int) -> int:
        """Return the write units of a state with that many firings in its outbox."""
        size = self.state_bytes + self.late_tick_bytes * late_ticks
        is_plain = firings <= self.most_plain_firings
        each = self.outbox_bytes_per_firing if is_plain else self.compressed_bytes_per_firing
        return max(1, -(-(size + each * firings) // 1_024))


BEFORE = Handler()
# Larger commits and pages, a compressed outbox; firings and rules are spread over eight keys each.
AFTER = replace(
    BEFORE,
    rules_per_commit=500,
    is_commit_shortened=False,
    firing_spread=8,
    day_spread=8,
    rule_spread=8,
    watches_per_read=512,
    watches_read_units=16,
)
# The handler as it is: tests/unit/benchmarks/test_model_handler.py compares this with the code.
TODAY = AFTER


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can set: cdktf.json's keys of the same names, and the size of a message."""

    batch_size: int = 100
    batch_window_seconds: float = 1
    maximum_concurrency: int = 20
    late_ticks: int = 16
    memory_mebibytes: int = 512
    function_timeout_seconds: float = 10
    visibility_timeout_seconds: float = 90
    max_receive_count: int = 5
    ticks_per_message: int = 100

    @property
    def core_share(self) -> float:
        """How much of a core it has. Source: AWS Lambda, "Configure Lambda function memory"."""
        return min(1.0, self.memory_mebibytes / _CORE_MEBIBYTES)


@dataclass(frozen=True, slots=True)
class Load:
    """Ticks and rules: prices are constant for a while, fall evenly, and are constant again.

    Attributes
    ----------
    symbols
        The second is half as frequent as the first, the third a third (Zipf), in ticks and rules.
    ticks_per_second, rules
        Of all symbols together.
    fall, fall_seconds
        By which share the prices fall, and how long that takes.
    levels
        The share of the price on each side of it over which the rules' levels are spread evenly.
        Rules fire once; those below the price when it falls to their level.
    warm_up_seconds
        Of ticks before the fall.
    tick_bytes, message_bytes
        Of a tick in a message, and what SQS and Lambda put around a message.
    """

    symbols: int = 200
    ticks_per_second: float = 100_000
    rules: int = 1_000_000
    fall: float = 0.2
    fall_seconds: float = 60
    levels: float = 0.5
    warm_up_seconds: float = 5
    tick_bytes: int = 82
    message_bytes: int = 700

    @property
    def shares(self) -> list[float]:
        """Each symbol's share of the ticks, and of the rules."""
        total = sum(1 / rank for rank in range(1, self.symbols + 1))
        return [1 / rank / total for rank in range(1, self.symbols + 1)]

    @property
    def firings(self) -> list[int]:
        """How many rules of each symbol fire in the whole fall."""
        crossed = self.fall / (2 * self.levels)
        return [round(self.rules * share * crossed) for share in self.shares]


FALL = Load()
