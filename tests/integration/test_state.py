"""The state in S3, from nothing, with each way of locking it: what docs/state.md says to type.

With a lockfile it is tried with every change; with a lock table, and from there to a lockfile,
every night.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lib.local.emulator import Emulator, running_emulator
from lib.local.toolchain import Toolchain
from tests.integration.conftest import FORGOTTEN, changed_by
from tests.integration.laptop import Laptop, said

BUCKET = "tap-state-of-alerts"
LOCK_TABLE = "tap-locks"
LOCKING: Mapping[str, Mapping[str, Any]] = {
    "table": {"dynamodb_table": LOCK_TABLE},
    "lockfile": {"use_lockfile": True},
}
LOCKED = "Error acquiring the state lock"
NOT_LOCKED = "nothing locks the state"
BLOCK: Mapping[str, Any] = {
    "bucket": BUCKET,
    "key": "tap/{stack}.tfstate",
    "region": "us-east-1",
    # The embedded AWS has no hosts of buckets' names.
    "use_path_style": True,
}


@pytest.fixture(scope="module", params=["lockfile", pytest.param("table", marks=pytest.mark.deep)])
def lock(request: pytest.FixtureRequest) -> str:
    """What locks the state."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def account(lock: str, ministack: Path) -> Iterator[Emulator]:
    """An account of its own, in which there is nothing yet."""
    with running_emulator(ministack, "us-east-1") as emulator:
        yield emulator


def clone(folder: Path, toolchain: Toolchain, account: Emulator) -> Laptop:
    folder.mkdir()
    return Laptop(folder, toolchain, account)


def resource_types(account: Emulator, key: str) -> list[str]:
    """List what a state in the bucket holds."""
    body = account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return [resource["type"] for resource in json.loads(body)["resources"]]


def made(laptop: Laptop, target: str, environment: str) -> str:
    """Run a make target that must work, and return what it printed."""
    exit_code, output = laptop.make(target, environment)
    if exit_code != 0 and took_lock_away(laptop):
        exit_code, output = laptop.make(target, environment)
    assert exit_code == 0, output
    return output


def took_lock_away(laptop: Laptop) -> bool:
    """Delete the lock that Terraform itself left in the table, where nobody else deploys.

    On a busy machine its request is answered late, sent again, and finds its own lock.
    """
    table = laptop.emulator.client("dynamodb")
    if LOCK_TABLE not in table.list_tables()["TableNames"]:
        return False
    items = table.scan(TableName=LOCK_TABLE)["Items"]
    locks = [{"LockID": item["LockID"]} for item in items if "Info" in item]
    for lock in locks:
        table.delete_item(TableName=LOCK_TABLE, Key=lock)
    return bool(locks)


def deploy_on_both(first: Laptop, second: Laptop) -> tuple[str, str]:
    """Deploy on two machines at once: the second starts when the first has begun to change AWS."""
    has_begun = threading.Event()

    def on_line(line: str) -> None:
        if "Creating..." in line or "Modifying..." in line:
            has_begun.set()

    with first.making("deploy", "dev", on_line=on_line) as running:
        while not has_begun.wait(timeout=1) and not running.has_ended():
            pass
        if not has_begun.is_set() and took_lock_away(first):
            return deploy_on_both(first, second)
        assert has_begun.is_set(), said(running)
        with first.halted():
            told = second.make("preflight", "dev")[1]
            exit_code, refused = second.make("deploy", "dev", variables={"PREFLIGHT": "no"})
            # cdktf may cut off Terraform's last words, so they are asked for again.
            _, cause = second.type('"$TERRAFORM_BINARY_NAME" -chdir=cdktf.out/stacks/tap-dev plan')
        assert exit_code != 0, refused
        assert running.wait() == 0, said(running)
        return said(running), f"{told}\n{cause}"


@dataclass(frozen=True)
class Story:
    """Two machines, and what they printed, by step."""

    laptop: Laptop
    other: Laptop
    printed: Mapping[str, str]


@pytest.fixture(scope="module")
def story(
    lock: str, tmp_path_factory: pytest.TempPathFactory, toolchain: Toolchain, account: Emulator
) -> Story:
    """From a local state to one in S3, and two who deploy at once."""
    folder = tmp_path_factory.mktemp("state")
    first, second = (clone(folder / name, toolchain, account) for name in ("first", "second"))
    printed = {}

    made(first, "deploy", "dev")
    for laptop in (first, second):
        laptop.write_backend("s3", {**BLOCK, **LOCKING[lock]})
    printed["not moved"] = first.make("deploy", "dev")[1]
    printed["no bucket"] = first.make("migrate", "dev")[1]
    printed["bucket"] = made(first, "migrate", "state")
    printed["bucket again"] = made(second, "migrate", "state")
    printed["moved"] = made(first, "migrate", "dev")
    printed["nothing to move"] = second.make("migrate", "prod")[1]
    for laptop in (first, second):
        laptop.write_setting("dlq_retention_seconds", 1_209_000)
    printed["first"], printed["refused"] = deploy_on_both(first, second)
    printed["elsewhere"] = made(second, "deploy", "dev")
    return Story(first, second, printed)


def test_the_bucket_keeps_its_own_state(story: Story, account: Emulator) -> None:
    assert "the state of tap-state was moved" in story.printed["bucket"]
    assert "aws_s3_bucket" in resource_types(account, "tap/tap-state.tfstate")


def test_the_local_state_is_out_of_the_way_once_it_was_moved(story: Story) -> None:
    files = {file.name for file in story.laptop.folder.glob("terraform.*tfstate*")}
    # Where an apply was tried again, Terraform keeps the state before it.
    files -= {"terraform.tap-state.tfstate.backup"}
    assert files == {"terraform.tap-dev.tfstate.moved", "terraform.tap-state.tfstate.moved"}


def test_the_bucket_is_versioned_encrypted_private_and_tls_only(
    story: Story, account: Emulator
) -> None:
    s3 = account.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    [rule] = encryption["Rules"]
    access = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    [statement] = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert list(access.values()) == [True] * 4
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_bucket_cannot_be_destroyed(story: Story, account: Emulator) -> None:
    exit_code, output = story.laptop.make("destroy", "state")
    assert exit_code != 0, output
    assert "aws_s3_bucket" in resource_types(account, "tap/tap-state.tfstate")


def test_the_pipelines_state_is_in_the_bucket_too(story: Story, account: Emulator) -> None:
    assert "aws_lambda_function" in resource_types(account, "tap/tap-dev.tfstate")


def test_a_local_state_that_was_not_moved_stops_a_deployment(story: Story) -> None:
    assert "terraform.tap-dev.tfstate: holds resources" in story.printed["not moved"]


def test_the_state_of_a_deployed_stack_is_moved(story: Story) -> None:
    assert "the state of tap-dev was moved" in story.printed["moved"]


def test_without_a_bucket_nothing_can_be_moved(story: Story) -> None:
    assert (
        "error: there is no such bucket yet; make migrate ENV=state makes it"
        in (story.printed["no bucket"])
    )


def test_without_a_local_state_there_is_nothing_to_move(story: Story) -> None:
    assert (
        "error: there is no terraform.tap-prod.tfstate to move"
        in (story.printed["nothing to move"])
    )


def test_the_bucket_is_not_made_again_on_another_machine(story: Story) -> None:
    assert (
        "tap-state keeps its state there already; there is nothing to move"
        in (story.printed["bucket again"])
    )


@pytest.mark.parametrize("is_the_same", [True, False])
def test_a_stale_local_state_never_overwrites_the_one_in_the_bucket(
    story: Story, account: Emulator, is_the_same: bool
) -> None:
    local = story.laptop.folder / "terraform.tap-dev.tfstate"
    kept = account.client("s3").get_object(Bucket=BUCKET, Key="tap/tap-dev.tfstate")["Body"].read()
    state = json.loads(kept)
    local.write_text(json.dumps(state if is_the_same else {**state, "resources": [{"type": "x"}]}))
    deployment = story.laptop.make("deploy", "dev", "--migrate-state")
    migration = story.laptop.make("migrate", "dev")
    local.unlink(missing_ok=True)
    assert deployment[0] != 0
    assert "terraform.tap-dev.tfstate: holds resources" in deployment[1]
    assert (migration[0] == 0) == is_the_same, migration[1]
    after = account.client("s3").get_object(Bucket=BUCKET, Key="tap/tap-dev.tfstate")["Body"].read()
    assert after == kept


CAUSES = {"table": "ConditionalCheckFailedException", "lockfile": "PreconditionFailed"}


def test_a_deployment_is_refused_while_another_one_holds_the_lock(story: Story, lock: str) -> None:
    assert LOCKED in story.printed["refused"]
    assert CAUSES[lock] in story.printed["refused"]


def test_a_lock_that_is_held_is_told_of_before_a_deployment(story: Story) -> None:
    assert re.search(
        r"^error    state lock   is held by \S+ since 20\S+: wait until that deployment has ended; "
        r"if none is running, make synth ENV=dev && .* force-unlock \S+$",
        story.printed["refused"],
        re.MULTILINE,
    )


def test_each_deployment_begins_with_how_its_state_is(story: Story, lock: str) -> None:
    where = {"table": ", in table tap-locks", "lockfile": ""}[lock]
    assert (
        "error    backend      terraform.tap-dev.tfstate: holds resources"
        in (story.printed["not moved"])
    )
    assert (
        "ok       state        bucket tap-state-of-alerts can be reached" in story.printed["first"]
    )
    assert f"ok       state lock   free{where}" in story.printed["first"]


@pytest.mark.parametrize("step", ["first", "elsewhere"])
def test_each_deployment_ends_with_what_to_try(story: Story, step: str) -> None:
    lines = story.printed[step].splitlines()
    assert lines[-8].endswith("is deployed. What to try:")
    assert lines[-1] == "To destroy it all again: make destroy ENV=dev"


@pytest.mark.parametrize("step", ["bucket", "moved", "first", "elsewhere"])
def test_a_state_that_something_locks_is_not_warned_of(story: Story, step: str) -> None:
    assert NOT_LOCKED not in story.printed[step]


def test_on_another_machine_it_goes_on_from_the_same_state(story: Story) -> None:
    assert changed_by(story.printed["elsewhere"]) == {FORGOTTEN}


@pytest.mark.parametrize("lock", ["table"], indirect=True)
@pytest.mark.deep
def test_a_lock_table_makes_way_for_a_lockfile(story: Story, account: Emulator) -> None:
    first, second = story.laptop, story.other
    first.write_backend("s3", {**BLOCK, **LOCKING["table"], **LOCKING["lockfile"]})
    first.forget()
    both = made(first, "deploy", "dev")
    for laptop in (first, second):
        laptop.write_backend("s3", {**BLOCK, **LOCKING["lockfile"]})
        laptop.write_setting("dlq_retention_seconds", 1_208_000)
        laptop.forget()
    _, refused = deploy_on_both(first, second)
    table_gone = made(first, "deploy", "state")
    second.write_backend("s3", BLOCK)
    second.forget()
    unlocked = made(second, "deploy", "dev")

    assert CAUSES["lockfile"] in refused
    assert "Apply complete! Resources: 0 added, 0 changed, 1 destroyed" in table_gone
    assert "What to try" not in table_gone
    assert LOCK_TABLE not in account.client("dynamodb").list_tables()["TableNames"]
    assert [changed_by(printed) for printed in (both, unlocked)] == [{FORGOTTEN}] * 2
    assert [NOT_LOCKED in printed for printed in (both, table_gone, unlocked)] == [
        False,
        False,
        True,
    ]
