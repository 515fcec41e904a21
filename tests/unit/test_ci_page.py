"""What docs/ci.md says is checked against the project."""

from __future__ import annotations

import re
from pathlib import Path

from tests.workflows import WORKFLOWS, commands, jobs, read

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "ci.md").read_text("utf-8")


def test_it_names_only_targets_and_files_that_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    files = re.findall(r"`((?:lib|tests|docs|\.github)/[\w./-]+)`", PAGE)
    links = re.findall(r"\]\(\.\./([\w./-]+)\)", PAGE)
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", PAGE)) <= targets
    assert files
    assert links
    assert [name for name in (*files, *links) if not (PROJECT / name).exists()] == []


def test_it_shows_all_that_the_workflows_run() -> None:
    ran = {
        command
        for path in WORKFLOWS
        for job in jobs(read(path)).values()
        for command in commands(job)
    }
    assert {command for command in ran if f"`{command}`" not in PAGE} == set()


def test_it_names_every_variable_that_the_workflows_read() -> None:
    texts = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    variables = set(re.findall(r"vars\.(\w+)", texts))
    assert variables == {"AWS_DEPLOY_ROLE", "AWS_PLAN_ROLE", "AWS_REGION"}
    assert {name for name in variables if f"`{name}`" not in PAGE} == set()
