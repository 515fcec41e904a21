"""``make release``: check that a version is ready, tag it, and write its notes."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path

from lib.formats.errors import LocalError

_CHANGELOG = "CHANGELOG.md"
_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\] - (?P<date>.+)$", re.MULTILINE)
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def release_notes(changelog: str, version: str, today: date) -> str:
    """Return what the changelog says about a version that may be released today.

    Raises
    ------
    LocalError
        If the changelog does not begin with this version and this day, or if its versions and
        dates do not descend.
    """
    headings = list(_HEADING.finditer(changelog))
    for heading in headings:
        if not _VERSION.fullmatch(heading["version"]) or not _is_date(heading["date"]):
            raise LocalError(
                f"{_CHANGELOG}: {heading[0]!r} must be '## [major.minor.patch] - year-month-day'"
            )
    expected = f"## [{version}] - {today}"
    if not headings or headings[0][0] != expected:
        raise LocalError(f"{_CHANGELOG}: the first version must be {expected!r}")
    order = [(_numbers(heading["version"]), heading["date"]) for heading in headings]
    for newer, older in pairwise(order):
        if newer[0] <= older[0] or newer[1] < older[1]:
            raise LocalError(f"{_CHANGELOG}: versions and dates must descend")
    end = headings[1].start() if len(headings) > 1 else len(changelog)
    return changelog[headings[0].end() : end].strip() + "\n"


def ready(project: Path, version: str, today: date) -> str:
    """Return the notes of a version, if the clone in a folder is ready for its release.

    Raises
    ------
    LocalError
        If the changelog is not ready, a file differs from the commit, or the tag exists.
    """
    notes = release_notes((project / _CHANGELOG).read_text("utf-8"), version, today)
    if changed := _git(project, "status", "--porcelain"):
        files = ", ".join(line[3:] for line in changed.splitlines())
        raise LocalError(f"commit first; files that differ: {files}")
    if _git(project, "tag", "--list", f"v{version}"):
        raise LocalError(f"v{version} exists already; a released version never changes")
    return notes


def release(project: Path, version: str, notes: str) -> Path:
    """Tag the commit that is checked out, and return the file that its notes were written to."""
    path = project / ".cache" / f"release-notes-{version}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(notes, "utf-8")
    message = f"--file={path.absolute()}"
    # Without verbatim, git would take headings for comments.
    _git(project, "tag", "--annotate", f"v{version}", "--cleanup=verbatim", message)
    return path


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _git(project: Path, *arguments: str) -> str:
    command = ("git", *arguments)
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise LocalError(f"git {arguments[0]} failed: {ended.stderr.strip()}")
    return ended.stdout


def main() -> None:
    """Release the version that the command line names; with ``--check``, only say if it can be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("version", nargs="?", default="")
    arguments = parser.parse_args()
    version = arguments.version
    if not _VERSION.fullmatch(version):
        sys.exit("error: name the version, such as: make release VERSION=1.0.0")
    try:
        notes = ready(Path(), version, date.today())
        if not arguments.check:
            path = release(Path(), version, notes)
            sys.stdout.write(
                f"Tagged v{version}. Publish it:\n"
                f"  git push origin v{version}\n"
                f"  gh release create v{version} --notes-file {path}\n"
            )
    except LocalError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
