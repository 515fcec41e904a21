"""``make release``: what may be tagged as a version, and what its notes are."""

from __future__ import annotations

import runpy
import subprocess
from datetime import date
from pathlib import Path

import pytest

from lib.formats.errors import LocalError
from tools import release as module
from tools.release import main, ready, release, release_notes

TODAY = date(2026, 3, 2)
FIRST = "## [1.0.0] - 2026-03-01\n\n### Added\n\n- Rules.\n"
SECOND = "## [1.1.0] - 2026-03-02\n\n### Fixed\n\n- #1: order.\n\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    command = ("git", *identity, *arguments)
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in [("NAME", "test"), ("EMAIL", "test@example.com")]:
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{SECOND}{FIRST}")
    (tmp_path / ".gitignore").write_text(".cache/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "All of it")
    return tmp_path


def test_the_notes_are_the_versions_section_of_the_changelog() -> None:
    assert release_notes(SECOND + FIRST, "1.1.0", TODAY) == "### Fixed\n\n- #1: order.\n"
    assert release_notes(FIRST, "1.0.0", date(2026, 3, 1)) == "### Added\n\n- Rules.\n"


@pytest.mark.parametrize(
    ("changelog", "message"),
    [
        ("", "the first version must be '## [1.1.0] - 2026-03-02'"),
        (FIRST, "the first version must be '## [1.1.0] - 2026-03-02'"),
        (SECOND.replace("03-02", "03-01") + FIRST, "the first version must be"),
        (SECOND.replace("2026-03-02", "unreleased") + FIRST, "major.minor.patch"),
        (SECOND + FIRST.replace("1.0.0", "1.0"), "major.minor.patch"),
        (SECOND + FIRST.replace("1.0.0", "1.10.0"), "must descend"),
        (SECOND + SECOND, "must descend"),
        (SECOND + FIRST.replace("03-01", "03-03"), "must descend"),
    ],
)
def test_a_changelog_that_is_not_ready_is_rejected(changelog: str, message: str) -> None:
    with pytest.raises(LocalError) as caught:
        release_notes(changelog, "1.1.0", TODAY)
    assert message in str(caught.value)


def test_a_version_is_an_annotated_tag_with_its_notes_and_released_once(clone: Path) -> None:
    path = release(clone, "1.1.0", ready(clone, "1.1.0", TODAY))
    assert git(clone, "cat-file", "-t", "v1.1.0") == "tag\n"
    notes = "### Fixed\n\n- #1: order.\n"
    tagged = git(clone, "for-each-ref", "--format=%(contents)", "refs/tags/v1.1.0")
    assert tagged.strip() == notes.strip()
    assert path.read_text() == notes
    assert git(clone, "status", "--porcelain") == ""
    with pytest.raises(LocalError, match=r"v1\.1\.0 exists already"):
        ready(clone, "1.1.0", TODAY)


def test_only_what_is_committed_is_released(clone: Path) -> None:
    (clone / "new file.py").touch()
    with pytest.raises(LocalError, match=r"commit first; files that differ: \"new file\.py\""):
        ready(clone, "1.1.0", TODAY)


def test_outside_of_a_repository_git_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(SECOND)
    with pytest.raises(LocalError, match=r"git status failed: .*not a git repository"):
        ready(tmp_path, "1.1.0", TODAY)


def test_the_command_tags_unless_it_only_checks(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(f"{TODAY}", f"{date.today()}"))
    git(clone, "commit", "--quiet", "--all", "--message", "Release")
    for arguments, tags in ((["--check", "1.1.0"], ""), (["1.1.0"], "v1.1.0\n")):
        monkeypatch.setattr("sys.argv", ["release", *arguments])
        main()
        assert git(clone, "tag") == tags
    assert "git push origin v1.1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "error: name the version, such as: make release VERSION=1.0.0"),
        (["1.0"], "error: name the version, such as: make release VERSION=1.0.0"),
        (["3.0.0"], "error: CHANGELOG.md: the first version"),
    ],
)
def test_a_mistake_is_one_line(
    clone: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(clone)
    monkeypatch.setattr("sys.argv", ["release", *arguments])
    with pytest.raises(SystemExit, match=rf"^{line}[^\n]*$"):
        runpy.run_path(str(module.__file__), run_name="__main__")
