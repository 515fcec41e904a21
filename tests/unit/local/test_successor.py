"""What `make successor` shows, and when it fails."""

from __future__ import annotations

import copy
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lib.formats.errors import LocalError
from tools import successor as module
from tools.stack_differences import Difference
from tools.successor import EXPECTED, expectation, main
from tools.synthesis import SynthesizedStack

BEFORE: dict[str, Any] = {
    "//": {"metadata": {"version": "0.21.0"}},
    "data": {"aws_partition": {"partition": {}}},
    "resource": {"aws_sqs_queue": {"queue": {"name": "prices"}}},
    "terraform": {"required_providers": {"aws": {"source": "aws"}}},
}


def synthesized(name: str, change: Callable[[Any], None] = lambda _after: None) -> SynthesizedStack:
    """A stack in which the two differ as they may, and as a test wants."""
    after = copy.deepcopy(BEFORE)
    after["//"]["metadata"]["version"] = "0.24.0"
    after["terraform"]["required_providers"]["aws"]["source"] = "hashicorp/aws"
    change(after)
    return SynthesizedStack(name, BEFORE, after)


def rename_queue(after: Any) -> None:
    after["resource"]["aws_sqs_queue"]["queue"]["name"] = "[bold]other[/]"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command over these stacks; gives its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(module, "virtual_environment", lambda name: Path("/venv", name))

    def run(*stacks: SynthesizedStack, is_installed: bool = True) -> tuple[int, str]:
        def synthesize(cdktf: Path, cdktn: Path) -> Sequence[SynthesizedStack]:
            assert (cdktf, cdktn) == (Path(sys.executable), Path("/venv/successor/python"))
            return stacks

        monkeypatch.setattr(module, "is_installed", lambda _name: is_installed)
        monkeypatch.setattr(module, "synthesize_with_both", synthesize)
        return main(), capsys.readouterr().out

    return run


@pytest.mark.parametrize("is_installed", [True, False])
def test_what_may_differ_is_shown_and_lets_it_pass(
    run: Callable[..., tuple[int, str]], is_installed: bool
) -> None:
    exit_code, output = run(synthesized("tap-dev"), is_installed=is_installed)
    assert exit_code == 0
    assert all(expected.place in output for expected in EXPECTED)
    assert all(expected.why in output for expected in EXPECTED)
    assert "nothing else differs" in output


def test_anything_else_that_differs_makes_it_fail(run: Callable[..., tuple[int, str]]) -> None:
    exit_code, output = run(synthesized("tap-dev"), synthesized("tap-prod", rename_queue))
    assert exit_code == 1
    assert "resource.aws_sqs_queue.queue.name" in output
    assert "not expected: 1; docs/successor.md says what to do" in output
    assert "nothing else differs" not in output


def test_what_stands_there_is_shown_as_it_is(run: Callable[..., tuple[int, str]]) -> None:
    _exit_code, output = run(synthesized("tap-prod", rename_queue))
    [row] = [line for line in output.splitlines() if "queue.name" in line]
    assert row.split() == [
        "resource.aws_sqs_queue.queue.name",
        '"prices"',
        '"[bold]other[/]"',
        "tap-prod",
    ]


def test_the_same_difference_of_many_stacks_is_counted_and_shown_once(
    run: Callable[..., tuple[int, str]],
) -> None:
    names = ("tap-dev", "tap-prod")
    _exit_code, output = run(*(synthesized(name, rename_queue) for name in names))
    assert output.count("resource.aws_sqs_queue.queue.name") == 1
    assert "not expected: 1;" in output
    after_place = output[output.index("resource.aws_sqs_queue.queue.name") :]
    assert all(name in after_place for name in names)


def test_how_much_was_compared_is_told_for_each_stack(run: Callable[..., tuple[int, str]]) -> None:
    _exit_code, output = run(synthesized("tap-dev"), synthesized("tap-prod"))
    for name in ("tap-dev", "tap-prod"):
        assert f"{name}: 2 resources and data sources compared\n" in output


@pytest.mark.parametrize(
    ("place", "after", "is_expected"),
    [
        ("//.metadata.version", '"0.25.0"', True),
        ("//.metadata.stackName", '"other"', False),
        ("terraform.required_providers.aws.source", '"hashicorp/aws"', True),
        ("terraform.required_providers.aws.source", '"somebody/aws"', False),
        ("terraform.required_providers.aws.version", '"7.0.0"', False),
    ],
)
def test_only_what_changes_nothing_is_expected(place: str, after: str, is_expected: bool) -> None:
    assert (expectation(Difference(place, '"before"', after)) is not None) == is_expected


def fail(*_arguments: object) -> None:
    raise LocalError("it cannot be had")


@pytest.mark.parametrize("broken", ["virtual_environment", "synthesize_with_both"])
def test_what_is_missing_or_fails_is_told_in_one_place(
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: str,
) -> None:
    run()
    monkeypatch.setattr(module, broken, fail)
    assert main() == 1
    assert capsys.readouterr().err == "error: it cannot be had\n"


def test_as_a_script_it_ends_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.local.virtual_environment.virtual_environment", fail)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(module.__file__, run_name="__main__")
    assert end.value.code == 1
