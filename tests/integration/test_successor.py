"""The app with cdktn in cdktf's place: what it synthesizes, and what Terraform makes of that."""

from __future__ import annotations

import copy
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lib.local.deployment import Deployment
from lib.local.toolchain import Toolchain
from lib.local.virtual_environment import virtual_environment
from tests.integration.conftest import FORGOTTEN, Deployed, changed_by
from tests.needed import needed
from tools import successor
from tools.stack_differences import count_blocks, find_differences
from tools.successor import EXPECTED, main
from tools.synthesis import SynthesizedStack, change_imports, synthesize_with_both

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def cdktn() -> Path:
    """The Python that has it."""
    with needed():
        return virtual_environment("successor") / "python"


@pytest.fixture(scope="module")
def stacks(cdktn: Path) -> list[SynthesizedStack]:
    return synthesize_with_both(Path(sys.executable), cdktn)


@pytest.fixture(scope="module")
def switched(
    deployed: Deployed, toolchain: Toolchain, cdktn: Path, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """The deployed app with its state, on cdktn from now on."""
    folder = tmp_path_factory.mktemp("switched")
    deployment = Deployment(folder, toolchain, deployed.emulator, {})
    change_imports(folder)
    configuration = json.loads((deployed.deployment.folder / "cdktf.json").read_text())
    configuration["app"] = f"{shlex.quote(str(cdktn))} main.py"
    (folder / "cdktf.json").write_text(json.dumps(configuration))
    shutil.copy(deployed.deployment.folder / "terraform.tap-dev.tfstate", folder)
    return deployment


def test_every_stack_differs_where_it_may_and_nowhere_else(stacks: list[SynthesizedStack]) -> None:
    places = {
        stack.name: {each.place for each in find_differences(stack.before, stack.after)}
        for stack in stacks
    }
    expected = {each.place for each in EXPECTED}
    assert places == {
        "tap-dev": expected,
        "tap-prod": expected,
        "tap-compliance": expected,
        "tap-state": expected,
        "tap-ci": expected,
    }


def test_no_stack_is_empty(stacks: list[SynthesizedStack]) -> None:
    assert min(count_blocks(stack.before) for stack in stacks) > 5


@pytest.mark.parametrize(("name", "exit_code"), [("tap-dev-prices", 0), ("another", 1)])
def test_the_command_fails_when_a_single_argument_is_another(
    stacks: list[SynthesizedStack], monkeypatch: pytest.MonkeyPatch, name: str, exit_code: int
) -> None:
    after = copy.deepcopy(stacks[0].after)
    after["resource"]["aws_sqs_queue"]["messaging_queue_010E0F03"]["name"] = name
    changed = [replace(stacks[0], after=after), *stacks[1:]]
    monkeypatch.setattr(successor, "synthesize_with_both", lambda *_pythons: changed)
    assert main() == exit_code


def test_few_of_its_bindings_modules_are_loaded_as_well(switched: Deployment, cdktn: Path) -> None:
    count = "sum(name.startswith('cdktn_provider_aws') for name in sys.modules)"
    done = subprocess.run(
        [cdktn, "-c", f"import sys, lib.tap_stack, lib.stacks.state; print({count})"],
        cwd=switched.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1 < int(done.stdout) < 100


def test_what_is_deployed_is_changed_by_the_switch_no_more_than_by_cdktf(
    deployed: Deployed, switched: Deployment
) -> None:
    def verdict(plan: str) -> list[str]:
        return [line for line in plan.splitlines() if line.startswith(("#", "Plan:", "No changes"))]

    before = verdict(deployed.deployment.plan())
    plan = switched.plan()
    assert changed_by(plan) <= {FORGOTTEN, "aws_sns_topic_policy"}, plan
    assert before != []
    assert verdict(plan) == before
