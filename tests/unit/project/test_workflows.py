"""GitHub's workflows: what they run, with which rights, and what stops them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest

from tests.workflows import (
    ACTIONS,
    PROJECT,
    WORKFLOWS,
    commands,
    is_target,
    jobs,
    play,
    read,
    steps,
)

DEPLOY, PULL_REQUEST = (
    read(PROJECT / ".github" / "workflows" / f"{name}.yml") for name in ("deploy", "pull-request")
)
MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")
JOBS = {f"{path.stem}-{name}": job for path in WORKFLOWS for name, job in jobs(read(path)).items()}
TEXTS = {path: path.read_text("utf-8") for path in (*WORKFLOWS, *ACTIONS)}


def pythons(job: dict[str, Any]) -> list[str]:
    """The releases of Python that a job names."""
    found: list[str] = job.get("strategy", {}).get("matrix", {}).get("python", [])
    return found


def test_every_workflow_is_looked_at() -> None:
    assert {path.stem for path in WORKFLOWS} == {"deploy", "nightly", "pull-request"}
    assert (len(ACTIONS), len(JOBS)) == (1, 7)


def test_every_action_is_pinned_to_one_release_which_is_named() -> None:
    pins: dict[str, set[str]] = defaultdict(set)
    for name, pin in re.findall(r"uses: ([^@\n]+)(.*)", "\n".join(TEXTS.values())):
        pins[name].add(pin)
    assert pins.pop("$/.github/actions/tools") == {""}
    for (pin,) in pins.values():
        assert re.fullmatch(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+", pin)


def test_no_secret_is_used() -> None:
    secret = r"secrets\b|github\.token|GITHUB_TOKEN|aws-(?:access|secret)"
    assert re.findall(secret, "\n".join(TEXTS.values())) == []


def test_what_runs_is_a_make_target_and_what_is_reused_runs_nothing() -> None:
    targets = {*re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)}
    for job in JOBS.values():
        for command in commands(job):
            assert is_target(command)
            assert command.split()[1] in targets
    assert [step for path in ACTIONS for step in steps(read(path)) if "run" in step] == []


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_job_has_the_rights_that_it_needs_and_ends_on_its_own(job: dict[str, Any]) -> None:
    takes_a_role = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
    token = {"id-token": "write"} if takes_a_role else {}
    assert job["permissions"] == {"contents": "read", **token}
    assert 0 < job["timeout-minutes"] <= 90
    assert job["concurrency"]["cancel-in-progress"] is not takes_a_role
    (checkout,) = [step for step in job["steps"] if "checkout@" in step.get("uses", "")]
    assert checkout["with"] == {"persist-credentials": False}
    (tools,) = [step for step in job["steps"] if step.get("uses", "").startswith("$/")]
    assert tools.get("with") == ({"python": "${{ matrix.python }}"} if pythons(job) else None)


def test_a_workflow_has_no_rights_of_its_own() -> None:
    assert [read(path)["permissions"] for path in WORKFLOWS] == [{}, {}, {}]


def test_a_change_is_tested_on_every_supported_python_up_to_lambdas() -> None:
    (tools,) = ACTIONS
    default = read(tools)["inputs"]["python"]["default"]
    tested = [default, *(each for job in jobs(PULL_REQUEST).values() for each in pythons(job))]
    project = (PROJECT / "pyproject.toml").read_text("utf-8")
    (oldest,) = re.findall(r'^python_version = "3\.(\d+)"$', project, re.MULTILINE)
    code = (PROJECT / "lib" / "stacks" / "alert_function.py").read_text("utf-8")
    (newest,) = re.findall(r'runtime="python3\.(\d+)"', code)
    minors = [str(minor) for minor in range(int(oldest), int(newest) + 1)]
    assert [re.findall(r"^3\.(\d+)\.\d+$", version) for version in tested] == [[m] for m in minors]
    assert re.findall(r"^RUNTIME := python3\.(.+)$", MAKEFILE, re.MULTILINE) == [newest]


def test_the_tools_are_those_of_one_release_each() -> None:
    (tools,) = ACTIONS
    options = [option for step in steps(read(tools)) for option in step["with"].items()]
    python, *others = [value for key, value in options if "version" in key]
    assert python == "${{ inputs.python }}"
    assert len(others) == 2
    assert [each for each in others if not re.fullmatch(r"\d+\.\d+\.\d+", each)] == []


def test_only_main_is_deployed() -> None:
    assert DEPLOY[True] == {"push": {"branches": ["main"]}}


def test_a_fork_gets_no_credentials() -> None:
    taking = {
        name: job for name, job in jobs(PULL_REQUEST).items() if "id-token" in job["permissions"]
    }
    assert {name: job["if"] for name, job in taking.items()} == {
        "plan": "github.event.pull_request.head.repo.full_name == github.repository"
        " && vars.AWS_PLAN_ROLE != ''"
    }


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_one_deployment_of_an_environment_waits_for_the_other(name: str) -> None:
    job = jobs(DEPLOY)[name]
    assert job["environment"] == name  # where the approval is asked for, and who takes which role
    assert job["concurrency"] == {"group": f"deploy-{name}", "cancel-in-progress": False}
    assert {*DEPLOY["env"].values()} == {"-lock-timeout=300s"}


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


@pytest.mark.parametrize(
    "job",
    [
        {"if": True, "steps": []},
        {"steps": [{"run": "make x", "continue-on-error": True}]},
    ],
)
def test_a_condition_is_not_played(job: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"^a$"):
        play({"jobs": {"a": job}}, lambda _command: True)


@pytest.mark.parametrize(
    "command", ["make", "make a b", "make a; rm b", "make a\nmake b", "a", "make a ENV=$X"]
)
def test_what_is_more_than_a_target_is_none(command: str) -> None:
    assert not is_target(command)
