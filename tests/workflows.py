"""GitHub's workflows as they would run: which job comes after which, and what it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / ".github"
WORKFLOWS = sorted(FOLDER.glob("workflows/*.yml"))
ACTIONS = sorted(FOLDER.glob("actions/*/action.yml"))
# Of the language of conditions nothing is known here, so that none may stand where it counts.
_CONDITIONS = ("if", "continue-on-error")

Document = dict[Any, Any]  # YAML reads the key "on" as true


def read(path: Path) -> Document:
    document: Document = yaml.safe_load(path.read_text("utf-8"))
    return document


def jobs(document: Document) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["jobs"]
    return found


def steps(document: Document) -> Iterator[dict[str, Any]]:
    """Every step of a workflow or of an action."""
    if "runs" in document:
        yield from document["runs"]["steps"]
    for job in document.get("jobs", {}).values():
        yield from job["steps"]


def commands(job: Mapping[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def needs(job: Mapping[str, Any]) -> list[str]:
    """The jobs that must have ended well before this one starts."""
    needed = job.get("needs", [])
    return [needed] if isinstance(needed, str) else list(needed)


def is_target(command: str) -> bool:
    """Tell whether a command is one make target, with settings of the Makefile's."""
    return re.fullmatch(r"make [a-z]+( ENV=[a-z]+)?( ARGS=[a-z-]+)?", command) is not None


def play(document: Document, run: Callable[[str], bool]) -> dict[str, str]:
    """Run a workflow: each job in its turn, each step until one fails.

    Parameters
    ----------
    document
        The workflow.
    run
        Runs a command; tells whether it ended well.

    Returns
    -------
    dict
        What came of each job: ``success``, ``failure`` or ``skipped``.
    """
    results: dict[str, str] = {}
    waiting = dict(jobs(document))
    while waiting:
        ready = [name for name, job in waiting.items() if results.keys() >= set(needs(job))]
        assert ready, f"jobs that wait for each other: {list(waiting)}"
        for name in ready:
            job = waiting.pop(name)
            parts = [job, *job["steps"]]
            assert not any(key in part for part in parts for key in _CONDITIONS), name
            if any(results[needed] != "success" for needed in needs(job)):
                results[name] = "skipped"
            else:
                results[name] = "success" if all(map(run, commands(job))) else "failure"
    return results
