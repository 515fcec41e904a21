"""Where the state is kept: whether it can be reached, is empty, or is locked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lib.backend.block import Backend
from lib.backend.terraform import command_name
from lib.config.document import local_state, region_of_environment, stack_name
from lib.deploy.preflight.asking import Connect, asking, if_there
from lib.deploy.preflight.finding import Finding, error, skipped
from lib.deploy.preflight.plan import Plan

# With one of these a backend reaches AWS in a way that is not repeated here.
_OWN_WAYS = (
    *("access_key", "assume_role", "assume_role_with_web_identity", "role_arn"),
    *("shared_config_files", "shared_credentials_file", "shared_credentials_files"),
    *("dynamodb_endpoint", "endpoint", "endpoints"),
    *("custom_ca_bundle", "http_proxy", "https_proxy", "insecure"),
)
# A deployment that creates the table cannot lock with it yet.
_MAKING_THE_TABLE = (
    "TF_CLI_ARGS_plan=-lock=false TF_CLI_ARGS_apply=-lock=false make deploy ENV=state PREFLIGHT=no"
)


@dataclass(slots=True)
class State:
    """What is found of a state; ``is_empty`` is ``None`` if that cannot be seen."""

    findings: list[Finding]
    is_empty: bool | None = None


def check_state(plan: Plan, backend: Backend, connect: Connect) -> State:
    """Check whether the state of a stack can be reached, is empty or is locked."""
    if backend.type is None:
        return State([], not local_state(plan.folder, stack_name(plan.environment)).exists())
    own_way = next((name for name in _OWN_WAYS if name in backend.values), None)
    if backend.type != "s3" or own_way:
        why = f"by its own {own_way}" if own_way else f"in {backend.type}"
        return State([skipped("state", f"is reached {why}: Terraform will tell")])
    return _Bucket(plan, backend.values, connect).state()


class _Bucket:
    """A state in S3."""

    def __init__(self, plan: Plan, values: Mapping[str, Any], connect: Connect) -> None:
        self._values = values
        self._bucket: str = values["bucket"]
        workspace = plan.variables.get("TF_WORKSPACE") or "default"
        prefix = values.get("workspace_key_prefix", "env:")
        own = "" if workspace == "default" else f"{prefix}/{workspace}/"
        self._key = f"{own}{values['key']}"
        self._region: str = values.get("region") or region_of_environment(plan.variables)
        command = command_name(plan.variables)
        self._unlock = (
            f"make synth ENV={plan.environment} && cd cdktf.out/stacks/"
            f"{stack_name(plan.environment)} && {command} init && {command} force-unlock"
        )
        self._connect = connect
        self._is_there = False
        self._is_empty: bool | None = None

    def state(self) -> State:
        """Check the bucket, the state and its locks."""
        findings = asking("state", self._check_bucket)
        if self._is_there:
            findings += asking("state", self._check_object)
            if self._values.get("use_lockfile") is True:
                findings += asking("state lock", self._check_lockfile)
        if self._values.get("dynamodb_table"):
            findings += asking("state lock", self._check_table)
        return State(findings, self._is_empty)

    @cached_property
    def _s3(self) -> Any:
        is_by_path = self._values.get("use_path_style") or self._values.get("force_path_style")
        style = {"addressing_style": "path" if is_by_path else "auto"}
        return self._connect("s3", self._region, self._values.get("profile"), s3=style)

    def _check_bucket(self) -> Iterator[Finding]:
        answer = if_there(lambda: self._s3.head_bucket(Bucket=self._bucket))
        if answer is None:
            yield error(
                "state", f"there is no bucket {self._bucket}: make migrate ENV=state makes it"
            )
            return
        self._is_there = True
        region = answer.get("BucketRegion") or self._region
        if region != self._region:
            yield error(
                "state",
                f"bucket {self._bucket} is in {region}: write that as region in "
                f"terraform.backend.s3, not {self._region}",
            )
        else:
            yield Finding("state", f"bucket {self._bucket} can be reached")

    def _check_object(self) -> Iterator[Finding]:
        found = if_there(lambda: self._s3.head_object(Bucket=self._bucket, Key=self._key))
        self._is_empty = found is None
        yield from ()

    def _check_lockfile(self) -> Iterator[Finding]:
        key = f"{self._key}.tflock"
        answer = if_there(lambda: self._s3.get_object(Bucket=self._bucket, Key=key))
        if answer is None:
            yield Finding("state lock", "free")
        else:
            with answer["Body"] as body:
                yield self._held(body.read().decode("utf-8", "replace"))

    def _check_table(self) -> Iterator[Finding]:
        name = self._values["dynamodb_table"]
        tables = self._connect("dynamodb", self._region, self._values.get("profile"))
        if if_there(lambda: tables.describe_table(TableName=name)) is None:
            yield error("state lock", f"there is no table {name}: {_MAKING_THE_TABLE} makes it")
            return
        key = {"LockID": {"S": f"{self._bucket}/{self._key}"}}
        item = tables.get_item(TableName=name, Key=key).get("Item")
        if item is None:
            yield Finding("state lock", f"free, in table {name}")
        else:
            yield self._held(item.get("Info", {}).get("S", ""))

    def _held(self, text: str) -> Finding:
        try:
            lock = json.loads(text)
            who, since, lock_id = (lock.get(key, "?") for key in ("Who", "Created", "ID"))
        except (AttributeError, ValueError):
            who, since, lock_id = "?", "?", "ID"
        return error(
            "state lock",
            f"is held by {who} since {since}: wait until that deployment has ended; if none is "
            f"running, {self._unlock} {lock_id}",
        )
