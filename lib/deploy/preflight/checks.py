"""All checks, in parallel; those that need credentials run once these work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from lib.config.document import region_of_environment
from lib.config.names import Names
from lib.deploy.preflight.asking import Connect, connect
from lib.deploy.preflight.caller import check_account, check_caller
from lib.deploy.preflight.finding import Finding, skipped
from lib.deploy.preflight.function import check_function, check_ownership
from lib.deploy.preflight.node import check_node
from lib.deploy.preflight.plan import Plan, check_region, read_plan
from lib.deploy.preflight.state import check_state
from lib.deploy.preflight.tools import check_cdktf, check_terraform


def check_all(
    environment: str,
    variables: Mapping[str, str],
    project: Path,
    folder: Path,
    connect: Connect = connect,
) -> Iterator[Finding]:
    """Check everything that a deployment needs, in one go.

    Yields
    ------
    Finding
        Each as soon as all before it are there.
    """
    shell, known = _shell_region(variables)
    with ThreadPoolExecutor() as pool:
        terraform = pool.submit(check_terraform, variables)
        node = pool.submit(check_node, variables, project)
        plan = read_plan(project / "cdktf.json", environment, variables, folder)
        region = plan.region or shell or "us-east-1"  # credentials are good for all of them
        caller = pool.submit(check_caller, lambda: connect("sts", region), datetime.now(UTC))
        yield terraform.result()
        yield node.result()
        yield check_cdktf(project)
        yield from plan.findings
        yield check_region(plan.region, shell, known)
        yield from caller.result().findings
        account_id = caller.result().account_id
        if account_id is None:
            yield skipped("account", "cannot be looked at without credentials")
        else:
            yield from _check_account(plan, account_id, connect, pool)


def _check_account(
    plan: Plan,
    account_id: str,
    connect: Connect,
    pool: ThreadPoolExecutor,
) -> Iterator[Finding]:
    """Check what is in the account."""
    state = function = None
    names = Names(plan.environment)
    if plan.backend is not None:
        if "profile" not in plan.backend.values:
            yield from check_account(account_id, plan.backend.values)
        state = pool.submit(check_state, plan, plan.backend, connect)
    if plan.settings is not None:
        function = pool.submit(check_function, plan.settings, names.function, connect)
    if state is not None:
        yield from state.result().findings
    if function is not None:
        yield from function.result().findings
    if state is not None and function is not None:
        yield from check_ownership(names.stack, function.result().is_there, state.result().is_empty)


def _shell_region(variables: Mapping[str, str]) -> tuple[str, set[str]]:
    """Return the region that AWS tools are set to, and all that boto3 knows."""
    known: set[str] = set()
    profile = ""
    try:
        session = boto3.Session()
        profile = session.region_name or ""
        for partition in session.get_available_partitions():
            known.update(session.get_available_regions("lambda", partition))
    except BotoCoreError:  # the credentials report the profile
        known = set()
    return region_of_environment(variables) or profile, known
