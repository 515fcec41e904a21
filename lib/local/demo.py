"""The demo: deploy TapStack to an embedded AWS, replay real prices, watch alerts arrive."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rich.markup import escape

from lib.client.subscriber import Subscriber, wait_for
from lib.formats.errors import LocalError
from lib.local.command_line import CommandLine
from lib.local.deployment import QUICK_RETRIES, Deployment, check
from lib.local.emulator import Emulator
from lib.local.preparing import (
    REGION,
    SETTLING,
    Progress,
    found_toolchain,
    run_on_terminal,
    started_emulator,
)
from lib.local.processes import Running
from lib.local.replay import Pipeline, find_pipeline, read_prices
from lib.local.screen import Listener, Screen

_HIGH_PRICE_THRESHOLD = 500
# One rule of each common kind.
_RULES = (
    "MSFT below 20 --id msft-low",
    "AAPL crosses-up 200 --id aapl-200",
    "IBM crosses 100 --trigger every --rearm 10 --id ibm-100",
    "GOOG exits 400 600 --trigger every --id goog-range",
    "AMZN above 120 --message '{symbol} costs {price}, more than {level}' --id amzn-high",
)
_BAD_MESSAGE = '{"symbol": "AAPL", "price": "a lot"}'
_PRICES = Path(__file__).with_name("prices.csv")
_PATIENCE_SECONDS = 90.0
_POLL_SECONDS = 0.1


class Demo:
    """The demo, step by step."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._progress = Progress(screen)

    def run(self) -> None:
        """Run the demo; raises `LocalError` if something is missing or fails."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tapstack-")))
            emulator = stack.enter_context(started_emulator(self._screen))
            subscriber = Subscriber(emulator.client("sqs"))
            deployment = self._prepare_deployment(folder, emulator, subscriber)
            running = stack.enter_context(deployment.deploying(self._progress.show))
            pipeline = self._wait_for_pipeline(emulator, running)
            listener = Listener(self._screen, subscriber, pipeline)
            stack.enter_context(listener.listening())
            self._add_rules(CommandLine(emulator))
            bad_message_id = pipeline.send(_BAD_MESSAGE)
            self._screen.line(f"sent a message that cannot be understood: {_BAD_MESSAGE}")
            count = self._replay(pipeline)
            self._wait(
                lambda: set(listener.latencies_seconds) >= pipeline.recorded_firing_ids(),
                "Waiting for the last alerts",
                "firings were recorded that did not arrive",
            )
            self._screen.doing("Waiting for the deployment: " + SETTLING)
            check(running)
            self._screen.line("[green]deployed[/], every resource settled")
            reason = self._wait_for_dead_letter(pipeline, bad_message_id)
            self._summarize(pipeline, listener, count, reason)

    def _prepare_deployment(
        self, folder: Path, emulator: Emulator, subscriber: Subscriber
    ) -> Deployment:
        return Deployment(
            folder,
            found_toolchain(self._screen),
            emulator,
            {
                **QUICK_RETRIES,
                "region": REGION,
                "high_price_threshold": _HIGH_PRICE_THRESHOLD,
                "subscriptions": [{"protocol": "sqs", "endpoint": subscriber.arn}],
            },
        )

    def _wait_for_pipeline(self, emulator: Emulator, running: Running) -> Pipeline:
        while True:
            has_ended = running.has_ended()
            if pipeline := find_pipeline(emulator):
                return pipeline
            if has_ended:
                check(running)
                raise LocalError("cdktf deployed no event source mapping")
            self._progress.activity.wait(timeout=1.0)
            self._progress.activity.clear()

    def _add_rules(self, command_line: CommandLine) -> None:
        for rule in _RULES:
            self._screen.doing(f"./alerts add {rule}")
            command_line.run("add", *shlex.split(rule))
            self._screen.line(f"[green]added[/] ./alerts add {escape(rule)}")

    def _replay(self, pipeline: Pipeline) -> int:
        moments = read_prices(_PRICES)
        count = sum(map(len, moments))
        self._screen.line(
            f"replaying {count} real prices, {moments[0][0]['timestamp'][:7]} to "
            f"{moments[-1][0]['timestamp'][:7]}; each alert with the time since its price was sent"
        )
        for prices in moments:
            self._screen.doing(f"Replaying real prices: {prices[0]['timestamp'][:7]}")
            pipeline.replay(prices)
        return count

    def _wait_for_dead_letter(self, pipeline: Pipeline, message_id: str) -> str:
        self._wait(
            lambda: message_id in pipeline.dead_letter_ids(),
            "Waiting for the bad message: it is tried five times, "
            f"{QUICK_RETRIES['visibility_timeout_seconds']} s apart here",
            "the bad message did not reach the dead-letter queue",
        )
        reasons = pipeline.refusals(message_id)
        if not reasons:
            raise LocalError("the function's log does not say why the invalid message was rejected")
        self._screen.line(
            f"[bold red]rejected[/] {len(reasons)} times, now in the dead-letter queue: "
            f"{reasons[-1]}"
        )
        return reasons[-1]

    def _wait(self, is_so: Callable[[], bool], doing: str, otherwise: str) -> None:
        self._screen.doing(doing)
        otherwise = f"{otherwise} within {_PATIENCE_SECONDS:.0f} s"
        wait_for(is_so, otherwise, _PATIENCE_SECONDS, _POLL_SECONDS)

    def _summarize(self, pipeline: Pipeline, listener: Listener, count: int, reason: str) -> None:
        latencies = listener.latencies_seconds.values()
        if not latencies:
            raise LocalError("the replayed prices fired no alert")
        self._screen.table(
            "What happened",
            {
                "prices replayed": str(count),
                "alerts recorded": str(len(pipeline.recorded_firing_ids())),
                "alerts received": str(len(latencies)),
                "from price to alert": f"median {median(latencies) * 1_000:.0f} ms, "
                f"longest {max(latencies) * 1_000:.0f} ms",
                "in the dead-letter queue": f"1 message: {reason}",
            },
        )
        self._screen.line("[bold]make local[/] keeps such a stack for ./alerts and your own prices")


if __name__ == "__main__":
    sys.exit(run_on_terminal(lambda screen: Demo(screen).run()))
