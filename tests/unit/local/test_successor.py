"""`make successor`: both synthesize the same app, and what differs is found, shown and judged."""

from __future__ import annotations

import ast
import copy
import json
import runpy
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.formats.errors import LocalError
from tests.unit.local.doubles import make_command
from tools import successor, synthesis
from tools.stack_differences import ABSENT, Difference, count_blocks, excerpts, find_differences
from tools.successor import EXPECTED, expectation, main
from tools.synthesis import SynthesizedStack, rename_imports, synthesize_with_both

ROOT = Path(__file__).parents[3]
BEFORE: dict[str, Any] = {
    "//": {"metadata": {"version": "0.21.0"}},
    "data": {"aws_partition": {"partition": {}}},
    "resource": {"aws_sqs_queue": {"queue": {"name": "prices"}}},
    "terraform": {"required_providers": {"aws": {"source": "aws"}}},
}
COMPLIANCE = {"subnet_ids": ["subnet-1"]}
MODULE = "from cdktf import App\n"
# Writes down what it finds as a stack.
SYNTHESIZES = """
import json, os, pathlib, sys
here = pathlib.Path()
stack = "tap-" + os.environ["TAP_ENVIRONMENT"]
folder = pathlib.Path(os.environ["CDKTF_OUTDIR"], "stacks", stack)
folder.mkdir(parents=True)
(folder / "cdk.tf.json").write_text(json.dumps({
    "arguments": sys.argv[1:],
    "configuration": json.loads((here / "cdktf.json").read_text()),
    "files": sorted(str(path) for path in here.rglob("*") if path.suffix in (".py", ".pyc")),
    "folder": str(here.absolute()),
    "sources": [(here / name).read_text() for name in ("main.py", "lib/inner/module.py")],
    "writes bytecode": not os.environ.get("PYTHONDONTWRITEBYTECODE"),
}))
"""
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", "1", "2")]),
        ({"a": 1, "b": 2}, {"a": 3, "b": 4}, [("a", "1", "3"), ("b", "2", "4")]),
        ({"a": {}}, {}, [("a", "{}", ABSENT)]),
        ({}, {"a": None}, [("a", ABSENT, "null")]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("a[1].b", "2", "3")]),
        ({"a": [1]}, {"a": [1, 2]}, [("a[1]", ABSENT, "2")]),
        ({"a": True}, {"a": 1}, [("a", "true", "1")]),
        ({"a": {"b": 1}}, {"a": [1]}, [("a", '{"b": 1}', "[1]")]),
    ],
    ids=str,
)
def test_a_difference_is_found_where_it_is_innermost(
    before: Any, after: Any, expected: list[tuple[str, str, str]]
) -> None:
    assert list(find_differences(before, after)) == [Difference(*each) for each in expected]


@settings(max_examples=40)
@given(DOCUMENTS, DOCUMENTS)
def test_two_documents_differ_if_and_only_if_their_texts_do(before: Any, after: Any) -> None:
    is_equal = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (not list(find_differences(before, after))) == is_equal
    assert not list(find_differences(before, copy.deepcopy(before)))


def test_of_a_long_difference_the_part_that_differs_is_shown() -> None:
    short = Difference("a", '"aws"', '"hashicorp/aws"')
    assert excerpts(short) == (short.before, short.after)
    begins = Difference("a", "old" + "y" * 99, "new" + "y" * 99)
    assert excerpts(begins) == (f"old{'y' * 45}…", f"new{'y' * 45}…")
    ends = Difference("a", "x" * 99 + "old" + "y" * 99, "x" * 99 + "new")
    assert excerpts(ends) == (f"…{'x' * 12}old{'y' * 33}…", f"…{'x' * 12}new")


def test_resources_and_data_sources_are_counted_and_nothing_else() -> None:
    assert count_blocks({**BEFORE, "output": {"one": {}}}) == 2
    assert count_blocks({"terraform": {}}) == 0


def stack(name: str, *, queue: str = "prices") -> SynthesizedStack:
    """A stack in which the two differ as they may, and in what a test wants."""
    after = copy.deepcopy(BEFORE)
    after["//"]["metadata"]["version"] = "0.24.0"
    after["terraform"]["required_providers"]["aws"]["source"] = "hashicorp/aws"
    after["resource"]["aws_sqs_queue"]["queue"]["name"] = queue
    return SynthesizedStack(name, BEFORE, after)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command over these stacks; gives its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(successor, "virtual_environment", lambda name: Path("/venv", name))

    def run(*stacks: SynthesizedStack, is_installed: bool = True) -> tuple[int, str]:
        def synthesize(cdktf: Path, cdktn: Path) -> Sequence[SynthesizedStack]:
            assert (cdktf, cdktn) == (Path(sys.executable), Path("/venv/successor/python"))
            return stacks

        monkeypatch.setattr(successor, "is_installed", lambda _name: is_installed)
        monkeypatch.setattr(successor, "synthesize_with_both", synthesize)
        return main(), capsys.readouterr().out

    return run


@pytest.mark.parametrize("is_installed", [True, False])
def test_differences_that_are_expected_are_shown_with_their_reasons_and_pass(
    run: Callable[..., tuple[int, str]], is_installed: bool
) -> None:
    exit_code, output = run(stack("tap-dev"), stack("tap-prod"), is_installed=is_installed)
    assert exit_code == 0
    assert all(each.place in output and each.why in output for each in EXPECTED)
    assert "nothing else differs" in output
    for name in ("tap-dev", "tap-prod"):
        assert f"{name}: 2 resources and data sources compared\n" in output


def test_any_other_difference_fails_and_is_shown_once_as_it_is_with_its_stacks(
    run: Callable[..., tuple[int, str]],
) -> None:
    renamed = [stack(name, queue="[bold]other[/]") for name in ("tap-prod", "tap-qa")]
    exit_code, output = run(stack("tap-dev"), *renamed)
    assert exit_code == 1
    assert "not expected: 1; docs/successor.md says what to do" in output
    assert "nothing else differs" not in output
    [row] = [line for line in output.splitlines() if "queue.name" in line]
    words = ["resource.aws_sqs_queue.queue.name", '"prices"', '"[bold]other[/]"']
    assert row.split()[:3] == words
    assert all(name in output[output.index(row) :] for name in ("tap-prod", "tap-qa"))


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
    raise LocalError("not available")


@pytest.mark.parametrize("broken", ["virtual_environment", "synthesize_with_both"])
def test_whatever_is_missing_or_fails_is_one_line(
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: str,
) -> None:
    run()
    monkeypatch.setattr(successor, broken, fail)
    assert main() == 1
    assert capsys.readouterr().err == "error: not available\n"


def test_the_script_ends_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.local.virtual_environment.virtual_environment", fail)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(successor.__file__, run_name="__main__")
    assert end.value.code == 1


def imported(source: str) -> set[str]:
    """Return the packages that a module imports."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_with_its_imports_renamed_the_app_imports_cdktn_and_never_cdktf() -> None:
    texts = [file.read_text() for file in (ROOT / "main.py", *ROOT.glob("lib/**/*.py"))]
    sources = [text for text in texts if "cdktf" in text]
    before = set().union(*map(imported, sources))
    after = set().union(*(imported(rename_imports(source)) for source in sources))
    assert before - after == {"cdktf", "cdktf_cdktf_provider_aws"}
    assert after - before == {"cdktn", "cdktn_provider_aws"}


@pytest.mark.parametrize(
    ("source", "renamed"),
    [
        ("import os\n    from cdktf import (\n", "import os\n    from cdktn import (\n"),
        ('B = "cdktf_cdktf_provider_aws"', 'B = "cdktn_provider_aws"'),
        ("from cdktf_cdktf_provider_aws.x import X", "from cdktn_provider_aws.x import X"),
        *((each, each) for each in ('"cdktf.json"', "from cdktf_tools import x")),
        *((each, each) for each in ("# the cdktf command", "not_cdktf_cdktf_provider_aws")),
    ],
)
def test_imports_are_renamed_and_nothing_else(source: str, renamed: str) -> None:
    assert rename_imports(source) == renamed


class Project:
    """An app, and the Pythons that synthesize it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.cdktf = make_command(folder / "cdktf" / "python", SYNTHESIZES)
        self.cdktn = make_command(folder / "cdktn" / "python", SYNTHESIZES)
        self.write("main.py", MODULE)
        self.write("lib/inner/module.py", MODULE)
        self.write("lib/__pycache__/module.pyc", "")
        self.write("docs/compliance.json", json.dumps(COMPLIANCE))
        self.configure({"dev": {"batch_size": 1}})

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def configure(self, environments: Any) -> None:
        context = {"common": {"high_price_threshold": 150.5}, "environments": environments}
        self.write("cdktf.json", json.dumps({"app": "app", "context": context}))

    def synthesized(self) -> dict[str, tuple[Any, Any]]:
        stacks = synthesize_with_both(self.cdktf, self.cdktn)
        return {each.name: (each.before, each.after) for each in stacks}

    def failure(self) -> str:
        with pytest.raises(LocalError) as error:
            self.synthesized()
        return str(error.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    monkeypatch.setattr(synthesis, "_PROJECT", project.folder)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return project


def test_every_stack_is_synthesized_with_both_in_a_copy_that_is_gone_afterwards(
    project: Project,
) -> None:
    stacks = project.synthesized()

    assert list(stacks) == ["tap-dev", "tap-compliance", "tap-state", "tap-ci"]
    context = {
        "common": {"high_price_threshold": 150.5},
        "environments": {"dev": {"batch_size": 1}, "compliance": COMPLIANCE},
    }
    for name, (before, after) in stacks.items():
        assert before.pop("sources") == [MODULE] * 2
        assert after.pop("sources") == ["from cdktn import App\n"] * 2
        assert before == after
        assert before["arguments"] == ["main.py"]
        # Nothing that Python compiled before can be taken for what was changed.
        assert (before["files"], before["writes bytecode"]) == (
            ["lib/inner/module.py", "main.py"],
            False,
        )
        assert not Path(before["folder"]).exists()
        configuration = before["configuration"]
        assert ("terraform" in configuration) == (name in ("tap-state", "tap-ci"))
        ci = {"ci": {"repository": "owner/name"}} if name == "tap-ci" else {}
        assert configuration["context"] == ci | context
    assert (project.folder / "main.py").read_text() == MODULE


@pytest.mark.parametrize("library", ["cdktf", "cdktn"])
def test_a_library_that_does_not_synthesize_is_reported_with_what_it_printed(
    project: Project, library: str
) -> None:
    python = getattr(project, library)
    make_command(python, "import sys; sys.exit('ModuleNotFoundError: no such thing\\n')")
    assert project.failure() == (
        f"{python} does not synthesize tap-dev:\nModuleNotFoundError: no such thing"
    )


def test_a_configuration_without_stacks_is_rejected_and_one_with_compliance_kept(
    project: Project,
) -> None:
    project.configure({"compliance": {"batch_size": 2}})
    stacks = project.synthesized()
    context = stacks["tap-compliance"][0]["configuration"]["context"]
    assert list(stacks) == ["tap-compliance", "tap-state", "tap-ci"]
    assert context["environments"] == {"compliance": {"batch_size": 2}}
    project.configure({})
    expected = "cdktf.json: context.environments must name an environment"
    assert project.failure() == expected
    project.write("cdktf.json", "[]")
    assert project.failure() == "cdktf.json: the document must be a JSON object"


def test_what_both_need_is_pinned_alike() -> None:
    pipfile = tomllib.loads((ROOT / "Pipfile").read_text("utf-8"))
    shared = pipfile["successor"].keys() & pipfile["packages"].keys()
    assert {"aws-lambda-powertools", "constructs"} <= shared
    assert {
        name for name in shared if pipfile["successor"][name] != pipfile["packages"][name]
    } == set()
