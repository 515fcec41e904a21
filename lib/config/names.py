"""The names that a stack gives to what it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from lib.config.document import stack_name


@dataclass(frozen=True, slots=True)
class Names:
    """What the parts of an environment's stack are called; all begin with the stack's own name.

    Attributes
    ----------
    environment
        The environment's name.
    is_fifo
        Whether its queues keep the order of messages; AWS wants that to be seen by their names.
    """

    environment: str
    is_fifo: bool = False

    @property
    def stack(self) -> str:
        """The stack."""
        return stack_name(self.environment)

    @property
    def queue(self) -> str:
        """The queue that prices come in on."""
        return f"{self.stack}-prices{self._suffix}"

    @property
    def dead_letter_queue(self) -> str:
        """The queue of the messages that were given up."""
        return f"{self.stack}-prices-dlq{self._suffix}"

    @property
    def table(self) -> str:
        """The table of rules, states, watches and firings."""
        return f"{self.stack}-alerts"

    @property
    def topic(self) -> str:
        """The topic that alerts are published to, for programs."""
        return f"{self.stack}-alerts"

    @property
    def people_topic(self) -> str:
        """The topic that alerts are published to as sentences, for people."""
        return f"{self.stack}-people"

    @property
    def ops_topic(self) -> str:
        """The topic that alarms are announced on."""
        return f"{self.stack}-ops"

    def alarm(self, name: str) -> str:
        """Call an alarm in full."""
        return f"{self.stack}-{name}"

    @property
    def key_alias(self) -> str:
        """The stack's own key."""
        return f"alias/{self.stack}"

    @property
    def dashboard(self) -> str:
        """The dashboard."""
        return self.stack

    @property
    def function(self) -> str:
        """The function that decides which alerts come true."""
        return f"{self.stack}-price-alerts"

    @property
    def log_group(self) -> str:
        """The function's log."""
        return f"/aws/lambda/{self.function}"

    @property
    def _suffix(self) -> str:
        return ".fifo" if self.is_fifo else ""
