"""The app is synthesized with cdktf, and from the same folder with cdktn."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.formats.errors import LocalError
from tests.unit.local.doubles import make_command
from tools import synthesis as module
from tools.synthesis import change_imports, rename_imports, synthesize_with_both

ROOT = Path(__file__).parents[3]
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
        self.configure({"dev": {"batch_size": 1}, "prod": {}})

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def configure(self, environments: Any) -> None:
        context = {"common": {"high_price_threshold": 150.5}, "environments": environments}
        self.write("cdktf.json", json.dumps({"app": "app", "context": context}))

    def synthesized(self) -> dict[str, tuple[Any, Any]]:
        stacks = synthesize_with_both(self.cdktf, self.cdktn)
        return {stack.name: (stack.before, stack.after) for stack in stacks}

    def refusal(self) -> str:
        with pytest.raises(LocalError) as refused:
            self.synthesized()
        return str(refused.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    monkeypatch.setattr(module, "_PROJECT", project.folder)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return project


@pytest.mark.parametrize(
    ("source", "renamed"),
    [
        ("from cdktf import App", "from cdktn import App"),
        ("    from cdktf import App", "    from cdktn import App"),
        (
            "import os\nfrom cdktf import (\n    App,\n)\nfrom cdktf import Fn\n",
            "import os\nfrom cdktn import (\n    App,\n)\nfrom cdktn import Fn\n",
        ),
        (
            "from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue",
            "from cdktn_provider_aws.sqs_queue import SqsQueue",
        ),
        ('BINDINGS = "cdktf_cdktf_provider_aws"', 'BINDINGS = "cdktn_provider_aws"'),
    ],
)
def test_an_import_of_cdktf_becomes_one_of_cdktn(source: str, renamed: str) -> None:
    assert rename_imports(source) == renamed


@pytest.mark.parametrize(
    "source",
    [
        'Path("cdktf.json")',
        'os.environ["CDKTF_OUTDIR"]',
        "# the cdktf command",
        "from cdktf_tools import x",
        "not_cdktf_cdktf_provider_aws",
    ],
)
def test_what_keeps_its_name_is_left_alone(source: str) -> None:
    assert rename_imports(source) == source


def imported(source: str) -> set[str]:
    """The packages that a module imports, wherever it does."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


def test_with_its_imports_changed_the_app_knows_nothing_of_cdktf() -> None:
    sources = [file.read_text() for file in (ROOT / "main.py", *ROOT.glob("lib/*.py"))]
    before = set().union(*map(imported, sources))
    after = set().union(*(imported(rename_imports(source)) for source in sources))
    assert before - after == {"cdktf", "cdktf_cdktf_provider_aws"}
    assert after - before == {"cdktn", "cdktn_provider_aws"}


def test_the_imports_of_a_folder_are_changed_at_every_depth(project: Project) -> None:
    change_imports(project.folder)
    names = ("main.py", "lib/inner/module.py")
    assert {(project.folder / name).read_text() for name in names} == {"from cdktn import App\n"}


def test_each_environment_is_a_stack_and_so_are_compliance_the_state_and_ci(
    project: Project,
) -> None:
    assert list(project.synthesized()) == [
        *("tap-dev", "tap-prod", "tap-compliance", "tap-state", "tap-ci"),
    ]


def test_ci_s_stack_is_given_a_repository_if_there_is_none(project: Project) -> None:
    before, _after = project.synthesized()["tap-ci"]
    assert before["configuration"]["context"]["ci"] == {"repository": "owner/name"}


def test_the_imports_are_changed_for_cdktn_alone(project: Project) -> None:
    before, after = project.synthesized()["tap-dev"]
    assert before["sources"] == ["from cdktf import App\n"] * 2
    assert after["sources"] == ["from cdktn import App\n"] * 2


def test_the_project_itself_stays_as_it_is(project: Project) -> None:
    project.synthesized()
    assert (project.folder / "main.py").read_text() == MODULE


def test_both_are_run_alike_in_the_same_folder(project: Project) -> None:
    before, after = project.synthesized()["tap-prod"]
    for name in ("arguments", "configuration", "folder"):
        assert before[name] == after[name]
    assert before["arguments"] == ["main.py"]


def test_the_folder_is_gone_afterwards(project: Project) -> None:
    before, _after = project.synthesized()["tap-dev"]
    assert not Path(before["folder"]).exists()


def test_nothing_that_python_compiled_before_can_be_taken_for_what_was_changed(
    project: Project,
) -> None:
    before, _after = project.synthesized()["tap-dev"]
    assert before["files"] == ["lib/inner/module.py", "main.py"]
    assert before["writes bytecode"] is False


def test_the_settings_are_the_projects(project: Project) -> None:
    before, _after = project.synthesized()["tap-dev"]
    context = before["configuration"]["context"]
    assert context["common"] == {"high_price_threshold": 150.5}
    assert context["environments"] == {
        "dev": {"batch_size": 1},
        "prod": {},
        "compliance": COMPLIANCE,
    }


def test_an_environment_of_the_projects_own_called_compliance_is_left_as_it_is(
    project: Project,
) -> None:
    project.configure({"compliance": {"batch_size": 2}})
    stacks = project.synthesized()
    environments = stacks["tap-compliance"][0]["configuration"]["context"]["environments"]
    assert (list(stacks), environments) == (
        ["tap-compliance", "tap-state", "tap-ci"],
        {"compliance": {"batch_size": 2}},
    )


def test_only_the_states_stack_and_ci_s_are_given_a_bucket(project: Project) -> None:
    with_backend = {
        name: "terraform" in before["configuration"]
        for name, (before, _after) in project.synthesized().items()
    }
    assert with_backend == {
        "tap-dev": False,
        "tap-prod": False,
        "tap-compliance": False,
        "tap-state": True,
        "tap-ci": True,
    }


@pytest.mark.parametrize("library", ["cdktf", "cdktn"])
def test_what_does_not_synthesize_is_reported_with_what_it_printed(
    project: Project, library: str
) -> None:
    python = getattr(project, library)
    make_command(python, "import sys; sys.exit('ModuleNotFoundError: no such thing\\n')")
    assert project.refusal() == (
        f"{python} does not synthesize tap-dev:\nModuleNotFoundError: no such thing"
    )


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (
            lambda project: project.write("cdktf.json", "[]"),
            "cdktf.json: the document must be a JSON object",
        ),
        (
            lambda project: project.configure({}),
            "cdktf.json: context.environments must name an environment",
        ),
    ],
)
def test_a_configuration_without_stacks_is_refused(
    project: Project, break_it: Callable[[Project], None], complaint: str
) -> None:
    break_it(project)
    assert project.refusal() == complaint


def test_what_both_need_is_pinned_alike() -> None:
    pipfile = tomllib.loads((ROOT / "Pipfile").read_text("utf-8"))
    shared = pipfile["successor"].keys() & pipfile["packages"].keys()
    assert {"aws-lambda-powertools", "constructs"} <= shared
    for name in shared:
        assert pipfile["successor"][name] == pipfile["packages"][name]
