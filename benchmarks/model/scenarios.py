"""The fall of prices with today's settings, with better ones, and so on. Pure."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.model.parameters import AFTER, BEFORE, FALL, Latencies, Limits, Settings
from benchmarks.model.world import Scenario

BEFORE_TURNED, AFTER_TURNED = "before, turned", "after, turned"

# cdktf.json's environment prod, and a hundred ticks a message.
PROD = Settings()
# A core for each invocation, and time enough for what a batch sets off.
TURNED = replace(
    PROD,
    batch_size=1_000,
    maximum_concurrency=10,
    memory_mebibytes=1_769,
    function_timeout_seconds=60,
    visibility_timeout_seconds=361,
)
# To see that it runs.
QUICK_LOAD = replace(FALL, symbols=20, ticks_per_second=2_000, rules=5_000, fall_seconds=20)


def compared() -> dict[str, Scenario]:
    """Return the handler before and after, in the settings as they are and in better ones."""
    return {
        "before, prod's settings": Scenario(BEFORE, PROD),
        "after, prod's settings": Scenario(AFTER, PROD),
        BEFORE_TURNED: Scenario(BEFORE, TURNED),
        AFTER_TURNED: Scenario(AFTER, TURNED),
    }


def swept() -> dict[str, Scenario]:
    """Return scenarios that each differ in one thing from the handler after, turned."""

    def setting(**changes: int) -> Scenario:
        return Scenario(AFTER, replace(TURNED, **changes))

    return {
        "`batch_size` 100": setting(batch_size=100),
        "500 ticks a message": setting(ticks_per_message=500),
        "`maximum_concurrency` 5": setting(maximum_concurrency=5),
        "`maximum_concurrency` 20": setting(maximum_concurrency=20),
        "`late_ticks` 100": setting(late_ticks=100),
        "`memory_mebibytes` 512": setting(memory_mebibytes=512),
        "`function_timeout_seconds` 10": setting(function_timeout_seconds=10),
        "commits of 100 rules": Scenario(replace(AFTER, rules_per_commit=100), TURNED),
        "commits of 1,000 rules": Scenario(replace(AFTER, rules_per_commit=1_000), TURNED),
        "commits of 10,000 ticks": Scenario(replace(AFTER, ticks_per_commit=10_000), TURNED),
        "firings on one key": Scenario(replace(AFTER, firing_spread=1, day_spread=1), TURNED),
        "a new table (4,000 write units a second)": Scenario(
            AFTER, TURNED, limits=Limits(table_write_units_per_second=4_000)
        ),
        "if calls took no processor": Scenario(
            AFTER, TURNED, latencies=Latencies(call_core_seconds=0)
        ),
        "if SNS answered in 5 ms": Scenario(AFTER, TURNED, latencies=Latencies(sns_seconds=0.005)),
    }
