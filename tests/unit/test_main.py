"""The app: what ``python main.py`` writes, and where."""

from __future__ import annotations

import functools
import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import cdktf
import pytest

import main

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with those arguments, and nothing that would silence it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JSII_", "CDKTF_", "PYTHONPATH"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process's apps write to; Node keeps the folder that it was started in."""
    folder = tmp_path / "cdktf.out"
    monkeypatch.setattr(cdktf, "App", functools.partial(cdktf.App, outdir=str(folder)))
    return folder


def stacks(output: Path) -> list[str]:
    return [path.name for path in (output / "stacks").iterdir()]


def test_importing_it_does_nothing(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import main; print('cdktf' in sys.modules)"
    )
    done = run("-c", code, cwd=tmp_path)
    assert (done.stdout, list(tmp_path.iterdir())) == ("False\n", [])


def test_it_writes_one_stack_to_the_current_folder(tmp_path: Path) -> None:
    done = run(str(ROOT / "main.py"), cwd=tmp_path, TAP_ENVIRONMENT="prod")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stacks(tmp_path / "cdktf.out") == ["tap-prod"]


@pytest.mark.parametrize(("environment", "name"), [("prod", "tap-prod"), (None, "tap-dev")])
def test_it_synthesizes_the_environment_that_is_named_or_dev(
    output: Path, monkeypatch: pytest.MonkeyPatch, environment: str | None, name: str
) -> None:
    if environment:
        monkeypatch.setenv("TAP_ENVIRONMENT", environment)
    main.main()
    assert stacks(output) == [name]


def test_the_zip_lies_where_terraform_will_look_for_it(output: Path, package: Path) -> None:
    main.main()
    stack = output / "stacks" / "tap-dev"
    [function] = json.loads((stack / "cdk.tf.json").read_text())["resource"][
        "aws_lambda_function"
    ].values()
    assert (stack / function["filename"]).read_bytes() == package.read_bytes()


def test_it_leaves_nothing_in_the_temporary_folder(
    output: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    main.main()
    assert list(temporary.iterdir()) == []


def test_bad_settings_end_it_with_one_line(tmp_path: Path) -> None:
    done = run(str(ROOT / "main.py"), cwd=tmp_path, TAP_ENVIRONMENT="nope")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "error: cdktf.json: context.environments has no 'nope': "
        "set TAP_ENVIRONMENT to dev or prod (environment nope)\n",
    )


def test_bad_settings_write_nothing(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_ENVIRONMENT", "nope")
    with pytest.raises(SystemExit, match=r"^error: cdktf\.json: "):
        runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
    assert not output.exists()
