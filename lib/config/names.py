"""The names that a stack gives to its parts, their ARNs, and the address of its dashboard.

ARNs are built from names: a reference would make the key wait for what it encrypts, and what it
encrypts for the key; and a policy that is known before anything is made can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.config.document import CI_ENVIRONMENT, stack_name


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


@dataclass(frozen=True, slots=True)
class Account:
    """An account's region with a stack in it.

    Attributes
    ----------
    partition, account_id, region
        As in an ARN; they may be tokens that Terraform replaces.
    names
        What the stack's parts are called.
    """

    partition: str
    account_id: str
    region: str
    names: Names

    @property
    def root(self) -> str:
        """The account itself: whoever its administrators let."""
        return self.global_arn("iam", "root")

    @property
    def role(self) -> str:
        """The function's role."""
        return self.global_arn("iam", f"role/{self.role_name}")

    @property
    def role_policy(self) -> str:
        """What that role may do; it is called as the role."""
        return self.global_arn("iam", f"policy/{self.role_name}")

    @property
    def role_name(self) -> str:
        """What the role is called: roles are global, and the region keeps two stacks apart."""
        return f"{self.names.function}-{self.region}"

    @property
    def boundary_name(self) -> str:
        """What the policy is called that limits the role where CI deploys (lib.stacks.ci)."""
        return f"{stack_name(CI_ENVIRONMENT)}-boundary-{self.names.environment}"

    @property
    def boundary(self) -> str:
        """What limits the role where CI deploys."""
        return self.global_arn("iam", f"policy/{self.boundary_name}")

    @property
    def deploy_role_name(self) -> str:
        """What the role is called that CI deploys with."""
        return f"{stack_name(CI_ENVIRONMENT)}-deploy-{self.names.environment}"

    @property
    def deploy_role(self) -> str:
        """What CI deploys with."""
        return self.global_arn("iam", f"role/{self.deploy_role_name}")

    @property
    def function(self) -> str:
        """The function."""
        return self.arn("lambda", f"function:{self.names.function}")

    @property
    def queue(self) -> str:
        """The queue that prices come in on."""
        return self.arn("sqs", self.names.queue)

    @property
    def dead_letter_queue(self) -> str:
        """The queue of the messages that were given up."""
        return self.arn("sqs", self.names.dead_letter_queue)

    @property
    def topic(self) -> str:
        """The topic that alerts are published to, for programs."""
        return self.arn("sns", self.names.topic)

    @property
    def people_topic(self) -> str:
        """The topic that alerts are published to as sentences, for people."""
        return self.arn("sns", self.names.people_topic)

    @property
    def ops_topic(self) -> str:
        """The topic that alarms are announced on."""
        return self.arn("sns", self.names.ops_topic)

    @property
    def table(self) -> str:
        """The table."""
        return self.arn("dynamodb", f"table/{self.names.table}")

    @property
    def log_group(self) -> str:
        """The function's log."""
        return self.arn("logs", f"log-group:{self.names.log_group}")

    @property
    def alarms(self) -> str:
        """All alarms of the stack, as a pattern."""
        return self.arn("cloudwatch", f"alarm:{self.names.alarm('*')}")

    def arn(self, service: str, resource: str) -> str:
        """Write the ARN of something in this region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """Write the ARN of something that is in no region."""
        return f"arn:{self.partition}:{service}::{self.account_id}:{resource}"


def dashboard_url(account: Account) -> str:
    """Return where the dashboard is looked at."""
    return (
        f"https://{account.region}.console.aws.amazon.com/cloudwatch/home"
        f"?region={account.region}#dashboards/dashboard/{account.names.dashboard}"
    )
