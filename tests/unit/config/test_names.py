"""The names and ARNs of a stack's parts, and which provider releases a constraint admits."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lib.config.names import Account, Names, dashboard_url
from lib.config.provider_versions import DEFAULT_AWS_PROVIDER, Version, admits, bad_release

NAMES = {
    "stack": "tap-dev",
    "queue": "tap-dev-prices.fifo",
    "dead_letter_queue": "tap-dev-prices-dlq.fifo",
    "table": "tap-dev-alerts",
    "topic": "tap-dev-alerts",
    "people_topic": "tap-dev-people",
    "ops_topic": "tap-dev-ops",
    "key_alias": "alias/tap-dev",
    "dashboard": "tap-dev",
    "function": "tap-dev-price-alerts",
    "log_group": "/aws/lambda/tap-dev-price-alerts",
}
GLOBAL = {
    "root": "root",
    "role": "role/tap-dev-price-alerts-eu-west-1",
    "role_policy": "policy/tap-dev-price-alerts-eu-west-1",
    "boundary": "policy/tap-ci-boundary-dev",
    "deploy_role": "role/tap-ci-deploy-dev",
}
REGIONAL = {
    "function": "lambda:eu-west-1:1:function:tap-dev-price-alerts",
    "queue": "sqs:eu-west-1:1:tap-dev-prices.fifo",
    "dead_letter_queue": "sqs:eu-west-1:1:tap-dev-prices-dlq.fifo",
    "topic": "sns:eu-west-1:1:tap-dev-alerts",
    "people_topic": "sns:eu-west-1:1:tap-dev-people",
    "ops_topic": "sns:eu-west-1:1:tap-dev-ops",
    "table": "dynamodb:eu-west-1:1:table/tap-dev-alerts",
    "log_group": "logs:eu-west-1:1:log-group:/aws/lambda/tap-dev-price-alerts",
    "alarms": "cloudwatch:eu-west-1:1:alarm:tap-dev-*",
}


def test_a_stack_s_parts_have_these_names_and_arns() -> None:
    names = Names("dev", is_fifo=True)
    account = Account("aws-cn", "1", "eu-west-1", names)
    assert {name: getattr(names, name) for name in NAMES} == NAMES
    assert (Names("dev").queue, names.alarm("lag")) == ("tap-dev-prices", "tap-dev-lag")
    assert account.arn("ec2", "subnet/x") == "arn:aws-cn:ec2:eu-west-1:1:subnet/x"
    assert account.global_arn("iam", "root") == account.root
    assert {name: getattr(account, name) for name in {**GLOBAL, **REGIONAL}} == {
        **{name: f"arn:aws-cn:iam::1:{resource}" for name, resource in GLOBAL.items()},
        **{name: f"arn:aws-cn:{resource}" for name, resource in REGIONAL.items()},
    }
    assert dashboard_url(account) == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#dashboards/dashboard/tap-dev"
    )


def test_the_names_need_nothing_of_what_builds_the_stack() -> None:
    code = (
        "import sys, lib.config.names; "
        "print({'cdktf', 'constructs', 'price_alerts'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("constraint", "admitted", "excluded"),
    [
        ("5.100", (5, 100, 0), (5, 100, 1)),
        ("= 6.5", (6, 5, 0), (6, 5, 1)),
        ("!= 6.5", (6, 5, 1), (6, 5, 0)),
        ("> 6.5", (6, 5, 1), (6, 5, 0)),
        (">= 6.5", (6, 5, 0), (6, 4, 9)),
        ("< 6.5", (6, 4, 9), (6, 5, 0)),
        ("<= 6.5", (6, 5, 0), (6, 5, 1)),
        ("~> 5.100", (5, 101, 0), (6, 0, 0)),
        ("~> 5.100", (5, 100, 0), (5, 99, 9)),
        ("~> 6.5.1", (6, 5, 9), (6, 6, 0)),
        ("~> 6.5.1", (6, 5, 1), (6, 5, 0)),
        ("~> 6", (6, 99, 0), (7, 0, 0)),
        (">=5.100,<6.17", (6, 16, 9), (6, 17, 0)),
    ],
)
def test_a_constraint_admits_what_terraform_would_install(
    constraint: str, admitted: Version, excluded: Version
) -> None:
    assert (admits(constraint, admitted), admits(constraint, excluded)) == (True, False)


@pytest.mark.parametrize(
    ("constraint", "release"),
    [
        *((DEFAULT_AWS_PROVIDER, None), (">= 6.5, < 6.10", None), ("> 6.28.9", None)),
        *((">= 5.100, < 7", "6.17"), ("6.17.9", "6.17"), (">= 6.18", "6.28")),
    ],
)
def test_a_release_that_plans_the_indexes_for_ever_is_found(
    constraint: str, release: str | None
) -> None:
    assert bad_release(constraint) == release
