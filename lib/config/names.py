"""The names that a stack gives to its parts, their ARNs, and the address of its dashboard.

ARNs are built from names: a reference would make the key wait for what it encrypts, and what it
encrypts for the key; and a policy that is known before anything is created can be reviewed.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.config.document import CI_ENVIRONMENT, stack_name


class _Text:
    """An attribute whose text follows from others of its object."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __get__(self, owner: object, owner_type: type) -> str:
        return self._pattern.format(owner)


@dataclass(frozen=True, slots=True)
class Names:
    """What the parts of an environment's stack are called; all begin with the stack's own name.

    Attributes
    ----------
    environment
        The environment's name.
    is_fifo
        Whether its queues keep the order of messages; AWS requires their names to show that.
    """

    environment: str
    is_fifo: bool = False

    queue = _Text("{0.stack}-prices{0._suffix}")
    dead_letter_queue = _Text("{0.stack}-prices-dlq{0._suffix}")
    table = _Text("{0.stack}-alerts")
    # Alerts are published to topic as JSON, to people_topic as sentences; alarms to ops_topic.
    topic = _Text("{0.stack}-alerts")
    people_topic = _Text("{0.stack}-people")
    ops_topic = _Text("{0.stack}-ops")
    key_alias = _Text("alias/{0.stack}")
    dashboard = _Text("{0.stack}")
    function = _Text("{0.stack}-price-alerts")
    log_group = _Text("/aws/lambda/{0.function}")

    @property
    def stack(self) -> str:
        """The stack."""
        return stack_name(self.environment)

    def alarm(self, name: str) -> str:
        """Return an alarm's full name."""
        return f"{self.stack}-{name}"

    @property
    def _suffix(self) -> str:
        return ".fifo" if self.is_fifo else ""


def _global(resource: str) -> _Text:
    return _Text("arn:{0.partition}:iam::{0.account_id}:" + resource)


def _regional(service: str, resource: str) -> _Text:
    return _Text(f"arn:{{0.partition}}:{service}:{{0.region}}:{{0.account_id}}:{resource}")


_CI = stack_name(CI_ENVIRONMENT)


@dataclass(frozen=True, slots=True)
class Account:
    """An account's region with a stack in it; its attributes are ARNs unless they are called names.

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

    # The account itself: whoever its administrators let.
    root = _global("root")
    # The function's role, and the policy of the same name. Roles are global, so the region keeps
    # those of two stacks apart.
    role_name = _Text("{0.names.function}-{0.region}")
    role = _global("role/{0.role_name}")
    role_policy = _global("policy/{0.role_name}")
    # The role that CI deploys with, and the policy that limits the function's role then.
    deploy_role_name = _Text(_CI + "-deploy-{0.names.environment}")
    deploy_role = _global("role/{0.deploy_role_name}")
    boundary_name = _Text(_CI + "-boundary-{0.names.environment}")
    boundary = _global("policy/{0.boundary_name}")
    function = _regional("lambda", "function:{0.names.function}")
    queue = _regional("sqs", "{0.names.queue}")
    dead_letter_queue = _regional("sqs", "{0.names.dead_letter_queue}")
    topic = _regional("sns", "{0.names.topic}")
    people_topic = _regional("sns", "{0.names.people_topic}")
    ops_topic = _regional("sns", "{0.names.ops_topic}")
    table = _regional("dynamodb", "table/{0.names.table}")
    log_group = _regional("logs", "log-group:{0.names.log_group}")
    # All alarms of the stack, as a pattern.
    alarms = _regional("cloudwatch", "alarm:{0.names.stack}-*")

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something in this region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """Return the ARN of something that is in no region."""
        return f"arn:{self.partition}:{service}::{self.account_id}:{resource}"


def dashboard_url(account: Account) -> str:
    """Return the address of the dashboard."""
    return (
        f"https://{account.region}.console.aws.amazon.com/cloudwatch/home"
        f"?region={account.region}#dashboards/dashboard/{account.names.dashboard}"
    )
