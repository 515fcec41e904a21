"""GitHub's workflows: what they run, with which rights, and what stops them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import (
    ACTIONS,
    PROJECT,
    WORKFLOWS,
    commands,
    is_target,
    jobs,
    needs,
    play,
    read,
    steps,
)

DEPLOY = read(PROJECT / ".github" / "workflows" / "deploy.yml")
NIGHTLY = read(PROJECT / ".github" / "workflows" / "nightly.yml")
PULL_REQUEST = read(PROJECT / ".github" / "workflows" / "pull-request.yml")
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
OF_WORKFLOWS = [
    pytest.param(job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in jobs(read(path)).items()
]
FILES = [
    pytest.param(path, id=path.parent.name + "-" + path.stem) for path in (*WORKFLOWS, *ACTIONS)
]


def test_there_are_workflows_and_jobs() -> None:
    assert (len(WORKFLOWS), len(ACTIONS), len(OF_WORKFLOWS)) == (3, 1, 7)


# --- every workflow ----------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES)
def test_every_action_is_pinned_and_says_which_release_it_is(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text("utf-8"))
    pinned = r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    ours = r"\$/\.github/actions/tools"
    assert used
    assert [use for use in used if not re.fullmatch(f"{pinned}|{ours}", use)] == []


@pytest.mark.parametrize("path", FILES)
def test_one_action_is_pinned_to_one_release(path: Path) -> None:
    pins: dict[str, set[str]] = {}
    for each in (*WORKFLOWS, *ACTIONS):
        for name, pin in re.findall(r"uses: ([\w/-]+)@(.+)", each.read_text("utf-8")):
            pins.setdefault(name, set()).add(pin)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", FILES)
def test_no_secret_is_used(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"secrets\b|github\.token|GITHUB_TOKEN|aws-(?:access|secret)", text) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_runs_is_one_make_target(path: Path) -> None:
    ran = [step["run"] for step in steps(read(path)) if "run" in step]
    assert ran
    assert [command for command in ran if not is_target(command)] == []
    assert {command.split()[1] for command in ran} <= TARGETS


def test_the_actions_of_ours_run_nothing() -> None:
    assert [step for path in ACTIONS for step in steps(read(path)) if "run" in step] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_rights_of_its_own(path: Path) -> None:
    assert read(path)["permissions"] == {}


@pytest.mark.parametrize("job", OF_WORKFLOWS)
def test_a_job_may_read_the_code_and_take_its_role(job: dict[str, Any]) -> None:
    takes_a_role = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
    rights = {"contents": "read", **({"id-token": "write"} if takes_a_role else {})}
    assert job["permissions"] == rights


@pytest.mark.parametrize("job", OF_WORKFLOWS)
def test_a_job_ends_on_its_own(job: dict[str, Any]) -> None:
    assert 0 < job["timeout-minutes"] <= 90


@pytest.mark.parametrize("job", OF_WORKFLOWS)
def test_the_code_is_checked_out_without_leaving_a_token(job: dict[str, Any]) -> None:
    (checkout,) = [step for step in job["steps"] if "checkout@" in step.get("uses", "")]
    assert checkout["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("job", OF_WORKFLOWS)
def test_what_takes_a_role_is_never_cancelled(job: dict[str, Any]) -> None:
    takes_a_role = "id-token" in job["permissions"]
    assert job["concurrency"]["cancel-in-progress"] is not takes_a_role


def test_the_tools_are_those_of_one_release_each() -> None:
    (tools,) = ACTIONS
    python = read(tools)["inputs"]["python"]["default"]
    named = [
        value
        for step in steps(read(tools))
        for key, value in step["with"].items()
        if "version" in key
    ]
    assert named[0] == "${{ inputs.python }}"
    versions = [python, *named[1:], *pythons(jobs(PULL_REQUEST))]
    assert [bool(re.fullmatch(r"\d+\.\d+\.\d+", version)) for version in versions] == [True] * 5


# --- which Python ------------------------------------------------------------------------


def pythons(found: dict[str, dict[str, Any]]) -> list[str]:
    """The releases of Python that the jobs of a workflow name."""
    return [
        python
        for job in found.values()
        for python in job.get("strategy", {}).get("matrix", {}).get("python", [])
    ]


def test_a_change_is_tested_on_every_supported_python_up_to_lambdas() -> None:
    (tools,) = ACTIONS
    tested = [read(tools)["inputs"]["python"]["default"], *pythons(jobs(PULL_REQUEST))]
    project = (PROJECT / "pyproject.toml").read_text("utf-8")
    (oldest,) = re.findall(r'^python_version = "([\d.]+)"$', project, re.MULTILINE)
    code = (PROJECT / "lib" / "stacks" / "alert_function.py").read_text("utf-8")
    (newest,) = re.findall(r'runtime="python([\d.]+)"', code)
    minors = range(int(oldest.partition(".")[2]), int(newest.partition(".")[2]) + 1)
    assert [version.rpartition(".")[0] for version in tested] == [f"3.{minor}" for minor in minors]
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    assert re.findall(r"^RUNTIME := python(.+)$", makefile, re.MULTILINE) == [newest]


@pytest.mark.parametrize("job", OF_WORKFLOWS)
def test_a_job_with_pythons_installs_each_of_them(job: dict[str, Any]) -> None:
    has_pythons = "python" in job.get("strategy", {}).get("matrix", {})
    (tools,) = [step for step in job["steps"] if step.get("uses", "").startswith("$/")]
    assert tools.get("with") == ({"python": "${{ matrix.python }}"} if has_pythons else None)


# --- a pull request ----------------------------------------------------------------------


def test_a_pull_request_is_checked_synthesized_and_planned() -> None:
    assert PULL_REQUEST[True] == {"pull_request": None}
    ran = {name: commands(job) for name, job in jobs(PULL_REQUEST).items()}
    assert ran == {
        "check": ["make check"],
        "unit": ["make unit"],
        "synth": ["make synth"],
        "plan": ["make plan"],
    }


@pytest.mark.parametrize("name", ["synth", "plan"])
def test_each_environment_is_synthesized_and_planned(name: str) -> None:
    job = jobs(PULL_REQUEST)[name]
    assert job["strategy"]["matrix"] == {"environment": ["dev", "prod"]}
    assert job["env"] == {"TAP_ENVIRONMENT": "${{ matrix.environment }}"}


def test_a_fork_gets_no_credentials() -> None:
    taking = {name for name, job in jobs(PULL_REQUEST).items() if "id-token" in job["permissions"]}
    assert taking == {"plan"}
    same = "github.event.pull_request.head.repo.full_name == github.repository"
    assert jobs(PULL_REQUEST)["plan"]["if"] == f"{same} && vars.AWS_PLAN_ROLE != ''"


# --- every night -------------------------------------------------------------------------


def test_what_takes_minutes_runs_every_night_and_on_demand() -> None:
    assert NIGHTLY[True].keys() == {"schedule", "workflow_dispatch"}
    assert {name: commands(job) for name, job in jobs(NIGHTLY).items()} == {
        "deep": ["make deep"],
    }


# --- main --------------------------------------------------------------------------------


def test_only_main_is_deployed() -> None:
    assert DEPLOY[True] == {"push": {"branches": ["main"]}}


def test_dev_is_deployed_and_tried_out_before_prod() -> None:
    assert {name: commands(job) for name, job in jobs(DEPLOY).items()} == {
        "dev": ["make deploy ENV=dev ARGS=--auto-approve", "make smoke ENV=dev"],
        "prod": ["make deploy ENV=prod ARGS=--auto-approve"],
    }
    assert needs(jobs(DEPLOY)["prod"]) == ["dev"]


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_one_deployment_of_an_environment_waits_for_the_other(name: str) -> None:
    job = jobs(DEPLOY)[name]
    assert job["environment"] == name  # where the approval is asked for, and who takes which role
    assert job["concurrency"] == {"group": f"deploy-{name}", "cancel-in-progress": False}


def test_a_deployment_waits_for_whoever_holds_the_lock() -> None:
    assert set(DEPLOY["env"].values()) == {"-lock-timeout=300s"}


@pytest.mark.parametrize(
    ("fails", "ran", "results"),
    [
        ("nothing", 3, {"dev": "success", "prod": "success"}),
        ("make deploy ENV=dev", 1, {"dev": "failure", "prod": "skipped"}),
        ("make smoke ENV=dev", 2, {"dev": "failure", "prod": "skipped"}),
        ("make deploy ENV=prod", 3, {"dev": "success", "prod": "failure"}),
    ],
)
def test_what_fails_stops_all_that_comes_after_it(
    fails: str, ran: int, results: dict[str, str]
) -> None:
    seen: list[str] = []

    def run(command: str) -> bool:
        seen.append(command)
        return not command.startswith(fails)

    assert (play(DEPLOY, run), len(seen)) == (results, ran)


# --- the player itself -------------------------------------------------------------------


@pytest.mark.parametrize("part", ["job", "step"])
@pytest.mark.parametrize("key", ["if", "continue-on-error"])
def test_a_condition_is_not_played(part: str, key: str) -> None:
    job: dict[str, Any] = {"steps": [{"run": "make x"}]}
    (job if part == "job" else job["steps"][0])[key] = True
    with pytest.raises(AssertionError, match=r"^a$"):
        play({"jobs": {"a": job}}, lambda _command: True)


@pytest.mark.parametrize(
    "command",
    ["make", "make a b", "make a; rm b", "make a && b", "make a\nmake b", "a", "make a ENV=$X"],
)
def test_what_is_more_than_a_target_is_none(command: str) -> None:
    assert not is_target(command)
