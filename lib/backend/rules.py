"""Rules for backends of any type: each stack's state is kept, locked, and apart from the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.backend.terraform import Argument
from lib.config.document import (
    STATE_ENVIRONMENT,
    Fault,
    local_state,
    not_literal,
    stack_name,
    texts_in,
)

_LOCAL_ARGUMENTS = ("path", "workspace_dir")


def faults_of_others(
    place: str,
    type_: str | None,
    arguments: Sequence[Argument],
    environment: Mapping[str, str],
) -> Iterator[Fault]:
    """Yield what is wrong with a backend that is not S3; its arguments are passed on unchecked."""
    for argument in arguments:
        for reason in dict.fromkeys(filter(None, map(not_literal, texts_in(argument.value)))):
            yield Fault(argument.place, reason)
    values = {argument.name: argument.value for argument in arguments}
    if type_ == "local" and not str(values.get("path") or "").startswith("/"):
        yield Fault(
            place,
            "a path that is not absolute lies in cdktf.out, which cdktf clears; write an absolute "
            "one, or leave the whole block out",
            is_warning=True,
        )
    locks = {
        "consul": ("lock", values.get("lock") not in (False, "false")),
        "http": (
            "lock_address",
            values.get("lock_address") or environment.get("TF_HTTP_LOCK_ADDRESS"),
        ),
        "oss": ("tablestore_table", values.get("tablestore_table")),
    }
    lock, is_locked = locks.get(type_ or "", ("", True))
    if not is_locked:
        yield Fault(
            place,
            f"nothing locks the state, so two deployments at once can destroy it; write {lock}",
            is_warning=True,
        )


def faults_of_local(given: Sequence[Argument], file: str, type_: str | None) -> Iterator[Fault]:
    """Yield command-line arguments that a local backend does not accept."""
    cure = f'write {{"terraform": {{"backend": {{"s3": {{}}}}}}}} into {file} to keep it in S3'
    if type_ == "local":
        cure = f"name another backend in {file}"
    for argument in given:
        if argument.name not in _LOCAL_ARGUMENTS:
            yield Fault(
                argument.place,
                f"the state is kept in a local file, and {' and '.join(_LOCAL_ARGUMENTS)} are all "
                f"that takes; {cure}",
            )


def faults_of_forgotten_state(folder: Path, stack: str, type_: str | None) -> Iterator[Fault]:
    """Yield a local state that Terraform would forget, and create its resources again."""
    file = local_state(folder, stack)
    if _json(file).get("resources"):
        environment = stack.removeprefix(stack_name(""))
        yield Fault(
            file.name,
            f"holds resources, and the state is now kept in {type_}, which may know nothing of "
            f"them; make migrate ENV={environment} moves them there, or tells why not",
        )


def _json(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def faults_of_shared_state(
    place: str,
    type_: str,
    block: Mapping[str, Any],
    given: Sequence[Argument],
    stacks: Sequence[str],
) -> Iterator[Fault]:
    """Yield that ``stacks`` would overwrite each other's state; this stack is the first."""
    # With S3, two arguments say where a state is; with the others, it may be any.
    names = ("bucket", "key") if type_ == "s3" else {*block, *(one.name for one in given)}
    chosen = {argument.name: argument for argument in given if argument.name in names}
    written = [block.get(name) for name in names if name not in chosen]
    tells_apart = any("{stack}" in text for text in texts_in(written)) or any(
        stacks[0] in text for argument in chosen.values() for text in texts_in(argument.value)
    )
    if tells_apart or len(stacks) == 1 or _has_workspaces(type_, block):
        return
    text = (
        f"{', '.join(stacks)} would keep their state in one place and destroy each other's; "
        "write {stack} into it in cdktf.json, which becomes the stack's name"
    )
    if type_ != "s3":
        yield Fault(place, text, is_warning=True)
    elif "key" in chosen:  # it may be another one the next time
        yield Fault(chosen["key"].place, text, is_warning=True)
    elif block.get("key") is not None:
        yield Fault(f"{place}.key", text)


def _has_workspaces(type_: str, block: Mapping[str, Any]) -> bool:
    """Return whether workspaces that the environment chooses keep the stacks apart."""
    has_name = "name" in texts_in(block.get("workspaces"))
    return type_ in ("cloud", "remote") and not has_name


def faults_of_one_bucket(place: str, block: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield names that would differ from stack to stack, though one bucket serves them all."""
    for name in ("bucket", "dynamodb_table"):
        if "{stack}" in str(block.get(name, "")):
            yield Fault(
                f"{place}.{name}",
                f"{stack_name(STATE_ENVIRONMENT)} makes one for all stacks; leave {{stack}} out",
            )
