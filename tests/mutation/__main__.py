"""``make mutation``: plant each mutant of the sample, and see whether a unit test fails.

A copy of the project is made for each worker. A first run of the unit tests records which of them
come by each line, and how long each takes. Of a mutant only those that come by its line are run,
those that touch the fewest modules first, up to the first failure or `_MOST_SECONDS` of tests.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from coverage import CoverageData

from lib.formats.errors import LocalError
from lib.local.virtual_environment import virtual_environment
from tests.mutation.places import find

_PROJECT = Path(__file__).parents[2]
_LIST = _PROJECT / "docs" / "mutants.csv"
# Tests of a mutant that is still alive after so long would find it in the full run at best.
_MOST_SECONDS = 120
_LINKED = (".venv", "node_modules", ".cache")
_LEFT_OUT = shutil.ignore_patterns(*_LINKED, ".git", "cdktf.out", "__pycache__", ".*_cache")


class Nearby(NamedTuple):
    """Which tests come by which line, and what they cost."""

    tests_by_line: Mapping[tuple[str, int], set[str]]
    modules_by_test: Mapping[str, int]
    seconds_by_test: Mapping[str, float]

    def to(self, file: str, line: int) -> list[str]:
        """Return the tests that come by a line, the nearest first, as far as the time goes."""
        found = self.tests_by_line.get((file, line), set())
        if not found:  # runs when the module is imported
            found = {
                test
                for (name, _), tests in self.tests_by_line.items()
                if name == file
                for test in tests
            }
        order = sorted(
            found, key=lambda test: (self.modules_by_test[test], self.seconds_by_test.get(test, 0))
        )
        seconds = 0.0
        taken: list[str] = []
        for test in order:
            seconds += self.seconds_by_test.get(test, 0)
            if seconds > _MOST_SECONDS and taken:
                break
            taken.append(test)
        return taken


def measure(tree: Path, folder: Path) -> Nearby:
    """Run a tree's unit tests as they are, and read what they cover and take; once."""
    data_file, times_file = folder / "coverage", folder / "times.json"
    if not times_file.exists():
        options = [
            "-n",
            "3",
            "--dist",
            "loadfile",
            "--cov",
            "--cov-context=test",
            "--cov-report=",
            "--cov-fail-under=0",
        ]
        variables = {"COVERAGE_FILE": str(data_file), "TEST_TIMES": str(times_file)}
        run(tree, ["-p", "mutation_times", *options, "tests/unit"], variables, 7200)
    data = CoverageData(str(data_file))
    data.read()
    tests_by_line: dict[tuple[str, int], set[str]] = {}
    modules_by_test: dict[str, set[str]] = {}
    for measured in data.measured_files():
        name = measured.partition("/lib/")[2]
        for line, contexts in data.contexts_by_lineno(measured).items():
            # All examples of a test: their names may hold what pytest cannot read back.
            tests = {re.split(r"[|\[]", context)[0] for context in contexts if context}
            tests_by_line[f"lib/{name}", line] = tests
            for test in tests:
                modules_by_test.setdefault(test, set()).add(name)
    counts = {test: len(names) for test, names in modules_by_test.items()}
    seconds: dict[str, float] = {}
    for name, each in json.loads(times_file.read_text()).items():
        test = name.partition("[")[0]
        seconds[test] = seconds.get(test, 0) + each
    return Nearby(tests_by_line, counts, seconds)


def run(
    tree: Path, arguments: list[str], variables: Mapping[str, str], timeout_seconds: float
) -> tuple[int | None, str]:
    """Run pytest in a tree; returns the exit code, or ``None`` if it takes too long."""
    command = [
        str(tree / ".venv" / "bin" / "python"),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    path = os.pathsep.join(
        (str(tree), str(tree / "lib" / "lambda"), str(Path(__file__).parent / "plugins"))
    )
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    try:
        ended = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return ended.returncode, ended.stdout + ended.stderr


def place(tree: Path, mutant: Mapping[str, str]) -> tuple[Path, int] | None:
    """Find where a mutant's line is in a tree, whichever file it has moved to."""
    own = tree / mutant["file"]
    for path in sorted((tree / "lib").rglob("*.py"), key=lambda path: path != own):
        if number := find(mutant, path.read_text("utf-8")):
            return path, number
    return None


def fate(tree: Path, mutant: Mapping[str, str], nearby: Nearby) -> str:
    """Plant a mutant, run the tests near it, and take it away again."""
    found = place(tree, mutant)
    if found is None:
        return "gone"
    path, number = found
    source = path.read_text("utf-8")
    lines = source.splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(mutant["line"], mutant["mutant"])
    tests = nearby.to(path.relative_to(tree).as_posix(), number)
    if not tests:
        return "not run"
    chosen = tree / "chosen.txt"
    chosen.write_text("\n".join(tests))
    path.write_text("".join(lines), "utf-8")
    try:
        code, output = run(tree, ["-x", "--no-cov", f"@{chosen}"], {}, 4 * _MOST_SECONDS)
    finally:
        path.write_text(source, "utf-8")
    if code is None:
        return "killed: time-out"
    if code == 0:
        return "lived"
    if "ERROR: not found" in output:
        raise LocalError(f"pytest does not find its tests:\n{output}")
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "E  "))]
    return f"killed: {failed[-1][:150] if failed else 'somewhere'}"


def copies(source: Path, folder: Path, count: int) -> Iterator[Path]:
    """Make copies of a tree, to plant mutants in."""
    for number in range(count):
        copy = folder / f"copy-{number}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy, ignore=_LEFT_OUT)
        for name in _LINKED:
            (copy / name).symlink_to(_PROJECT / name)
        yield copy


def draw() -> None:
    """Write the sample of cosmic-ray's mutants."""
    python = virtual_environment("mutation") / "python"
    command = [str(python), "-m", "tests.mutation.sample"]
    drawn = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=True)
    _LIST.write_text(drawn.stdout, "utf-8")


def state_of(tree: Path) -> str:
    """Return a name for the code and the tests of a tree, as they are now."""
    found = hashlib.sha256()
    for path in sorted(path for name in ("lib", "tests") for path in (tree / name).rglob("*.py")):
        found.update(f"{path.relative_to(tree)}\n{path.read_text('utf-8')}".encode())
    return found.hexdigest()[:12]


def main() -> None:
    """Write into ``docs/mutants.csv`` which mutants the tests kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=_PROJECT, help="whose tests (default: these)")
    parser.add_argument("--column", default="killed", help="where to write it (default: killed)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--draw", action="store_true", help="draw a new sample, and run nothing")
    arguments = parser.parse_args()
    if arguments.draw:
        draw()
        return
    # What was measured of other code, or with other tests, says nothing about these.
    folder = _PROJECT / ".cache" / f"mutation-{state_of(arguments.tree)}"
    folder.mkdir(parents=True, exist_ok=True)
    made = list(copies(arguments.tree, folder, arguments.workers))
    nearby = measure(made[0], folder)
    trees: SimpleQueue[Path] = SimpleQueue()
    for copy in made:
        trees.put(copy)
    with _LIST.open(encoding="utf-8", newline="") as file:
        mutants = list(csv.DictReader(file))
    done = folder / "fates.jsonl"
    done.touch()
    fates: dict[str, str] = dict(json.loads(line) for line in done.read_text().splitlines())

    def judge(mutant: Mapping[str, str]) -> str:
        name = "|".join(mutant[column] for column in ("function", "line", "mutant"))
        if name not in fates:
            tree = trees.get()
            try:
                fates[name] = fate(tree, mutant, nearby)
            finally:
                trees.put(tree)
            with done.open("a") as file:
                file.write(json.dumps((name, fates[name])) + "\n")
            sys.stdout.write(f"{mutant['function']:40.40}  {fates[name]}\n")
            sys.stdout.flush()
        return fates[name]

    with ThreadPoolExecutor(arguments.workers) as pool:
        for mutant, found in zip(mutants, pool.map(judge, mutants), strict=True):
            mutant[arguments.column] = found.partition(":")[0]
    with _LIST.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(mutants[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(mutants)


if __name__ == "__main__":
    main()
