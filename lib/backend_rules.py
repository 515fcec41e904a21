"""What holds for a backend of any type: that it keeps each stack's state, safe from the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.configuration import (
    STATE_ENVIRONMENT,
    TEMPLATE,
    Fault,
    environment_names,
    is_template,
    stack_name,
    texts_in,
)
from lib.init_arguments import Argument

__all__ = ["faults_of_others", "left_behind", "not_for_local", "not_for_one_bucket", "shared"]

# Their workspaces tell the stacks apart, and may be chosen by the environment.
_WITH_WORKSPACES = ("cloud", "remote")
_LOCAL_ARGUMENTS = ("path", "workspace_dir")


def faults_of_others(
    place: str,
    type_: str | None,
    arguments: Mapping[str, Any],
    given: Sequence[Argument],
    environment: Mapping[str, str],
) -> Iterator[Fault]:
    """Find what is wrong with any backend; the arguments of these are passed on as they are."""
    if any(map(is_template, texts_in(dict(arguments)))):
        yield Fault(place, TEMPLATE)
    for argument in given:
        if any(map(is_template, texts_in(argument.value))):
            yield Fault(argument.place, TEMPLATE)
    values = {**arguments, **{argument.name: argument.value for argument in given}}
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


def not_for_local(
    given: Sequence[Argument], file: str, type_: str | None, is_left_out: bool
) -> Iterator[Fault]:
    """Find arguments on the command line that a local backend does not take."""
    cure = f'write {{"terraform": {{"backend": {{"s3": {{}}}}}}}} into {file} to keep it in S3'
    if is_left_out:
        cure = f"write it into {file} until the state has been moved there"
    elif type_ == "local":
        cure = f"name another backend in {file}"
    for argument in given:
        if argument.name not in _LOCAL_ARGUMENTS:
            yield Fault(
                argument.place,
                f"the state is kept in a local file, and {' and '.join(_LOCAL_ARGUMENTS)} are all "
                f"that takes; {cure}",
            )


def left_behind(folder: Path, data: Path, stack: str, type_: str | None) -> Iterator[Fault]:
    """Find a local state that Terraform would forget, and make all it holds anew.

    Parameters
    ----------
    folder
        The folder that CDKTF keeps local state in.
    data
        The folder in which Terraform remembers the stack's backend.
    stack
        The stack's name.
    type_
        The type of the backend that it has now.
    """
    file = folder / f"terraform.{stack}.tfstate"
    remembered = _json(data / "terraform.tfstate").get("backend")
    if isinstance(remembered, dict) and remembered.get("type") == "local":
        return  # and asks what to do by itself
    if _json(file).get("resources"):
        environment = stack.removeprefix(stack_name(""))
        yield Fault(
            file.name,
            "holds resources that would be made anew, for the state is now kept in "
            f"{type_}; make migrate ENV={environment} moves them there, or delete the file if "
            "they have been moved",
        )


def _json(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def shared(
    place: str,
    type_: str | None,
    block: Mapping[str, Any],
    given: Sequence[Argument],
    document: Mapping[str, Any],
) -> Iterator[Fault]:
    """Find that the stacks would overwrite each other's state."""
    stacks = [stack_name(environment) for environment in environment_names(document)]
    where: Any = dict(block)
    names = {argument.name for argument in given}
    if type_ == "s3":
        stacks.append(stack_name(STATE_ENVIRONMENT))
        where = [block.get("bucket"), block.get("key")]
        names &= {"bucket", "key"}
    is_chosen_elsewhere = type_ in _WITH_WORKSPACES or names
    if type_ is None or is_chosen_elsewhere or any("{stack}" in text for text in texts_in(where)):
        return
    if len(stacks) > 1 and not (type_ == "s3" and block.get("key") is None):
        yield Fault(
            f"{place}.key" if type_ == "s3" else place,
            f"{', '.join(stacks)} would keep their state in one place and destroy each other's; "
            "write {stack} into it, which becomes the stack's name",
            is_warning=type_ != "s3",
        )


def not_for_one_bucket(place: str, block: Mapping[str, Any]) -> Iterator[Fault]:
    """Find names that differ from stack to stack, of which no one thing can be made."""
    for name in ("bucket", "dynamodb_table"):
        if "{stack}" in str(block.get(name, "")):
            yield Fault(
                f"{place}.{name}",
                f"{stack_name(STATE_ENVIRONMENT)} makes one for all stacks; leave {{stack}} out",
            )
