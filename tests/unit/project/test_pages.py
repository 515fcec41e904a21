"""Pages: their links lead somewhere, and what they say of the project is so."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.console_blocks import commands_in
from tests.workflows import WORKFLOWS, commands, jobs, read

PROJECT = Path(__file__).parents[3]
CONTRIBUTING, CI = (
    (PROJECT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "docs/ci.md")
)
PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
]
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))


def without_blocks(page: str) -> str:
    """Leave out blocks of code: nothing in them is a link or a heading."""
    return re.sub(r"^( *)```.*?^\1```$", "", page, flags=re.MULTILINE | re.DOTALL)


def links_in(page: str) -> list[str]:
    """List the targets of a page's links and pictures, but for those on other machines."""
    text = re.sub(r"`[^`\n]+`", "", without_blocks(page))
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


def anchors_of(page: str) -> set[str]:
    """List what a page's headings are called in links, as GitHub names them."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in links_in(page.read_text("utf-8")):
        file, _, anchor = link.partition("#")
        # GitHub's page of a workflow, as seen from a page at the project's root.
        file = re.sub(
            r"^\.\./\.\./actions/(workflows/[\w-]+\.yml)(/badge\.svg)?$", r".github/\1", file
        )
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text("utf-8"))):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_make_target_exists(page: Path) -> None:
    assert dead_links(page) == []
    named = re.findall(r"(?:`|\$ (?:\w+=\S+ )?)make ([a-z-]+)", page.read_text("utf-8"))
    assert {*named} <= TARGETS


def test_every_page_can_be_reached_from_the_readme() -> None:
    waiting, reached = [PROJECT / "README.md"], set()
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = [link.partition("#")[0] for link in links_in(page.read_text("utf-8"))]
        targets = {(page.parent / link).resolve() for link in links if link.endswith(".md")}
        waiting += [target for target in targets - reached if target.exists()]
    assert reached >= set(PAGES)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading: `code`, twice\n\n# A heading: code, twice\n")
    (tmp_path / "page.md").write_text(
        "[there](other.md) ![gone](gone.png) [nowhere](#nowhere) `[code](gone)`\n"
        "[first](other.md#a-heading-code-twice) [second](other.md#a-heading-code-twice-1)\n"
        "[third](other.md#a-heading-code-twice-2) [far](https://example.com/gone)\n"
        "```console\n$ [a block](gone)\n# no-heading\n```\n# Here\n"
        "[here](#here) [`none`](#no-heading)\n"
    )
    dead = ["gone.png", "#nowhere", "other.md#a-heading-code-twice-2", "#no-heading"]
    assert dead_links(tmp_path / "page.md") == dead


def test_only_files_that_exist_are_named() -> None:
    named = re.findall(r"^    (\S+(?:\.py|\.json|/))  ", CONTRIBUTING, re.MULTILINE)
    named += re.findall(r"`((?:lib|tests|docs|\.github)/[\w./-]+)`", CI)
    assert len(named) > 25
    assert [file for file in named if not (PROJECT / file).exists()] == []


def test_the_page_on_ci_names_all_that_the_workflows_run_and_read() -> None:
    ran = {
        each for path in WORKFLOWS for job in jobs(read(path)).values() for each in commands(job)
    }
    texts = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    variables = {*re.findall(r"vars\.(\w+)", texts)}
    assert variables == {"AWS_DEPLOY_ROLE", "AWS_PLAN_ROLE", "AWS_REGION"}
    assert [each for each in (*ran, *variables) if f"`{each}`" not in CI] == []


def test_the_numbers_that_make_test_prints_go_together() -> None:
    """It cannot be run from within itself."""
    [shown] = [
        command.shown for command in commands_in(CONTRIBUTING) if command.text == "make test"
    ]
    end = re.fullmatch(
        r"=+ \d+ passed(?:, \d+ skipped)? in (\d+)\.\d\ds \((\d+):([0-5]\d):([0-5]\d)\) =+",
        shown[-1],
    )
    assert end
    seconds, hours, minutes, rest = map(int, end.groups())
    assert 3_600 * hours + 60 * minutes + rest == seconds
    assert re.search(r"^TOTAL +\d+ +0 +\d+ +0 +100%$", "\n".join(shown), re.MULTILINE)
    assert "Required test coverage of 100.0% reached. Total coverage: 100.00%" in shown
