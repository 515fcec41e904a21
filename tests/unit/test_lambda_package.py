"""The zip: which bytes it holds, when they change, and that they are enough for Lambda."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.stacks import lambda_package
from lib.stacks.lambda_package import SOURCE_ROOT, build_package

# All that Lambda has and the handler uses: boto3, and what that needs.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
IMPORT_THE_HANDLER = """
import sys
sys.path[:0] = sys.argv[1:]
import index
print(callable(index.handler), index.__file__)
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the function's sources that the zip is built from."""
    root = tmp_path / "sources"
    shutil.copytree(SOURCE_ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(lambda_package, "SOURCE_ROOT", root)
    return root


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A folder with Lambda's own libraries and nothing else."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in RUNTIME:
        origin = Path(str(importlib.import_module(name).__file__))
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


def entries(package: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(package) as archive:
        return archive.infolist()


def names(package: Path) -> list[str]:
    return [entry.filename for entry in entries(package)]


def import_the_handler(*path: Path) -> subprocess.CompletedProcess[str]:
    """Import it as Lambda does, in a Python that sees these paths and the standard library."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT_THE_HANDLER, *map(str, path)],
        capture_output=True,
        text=True,
        check=False,
    )


# --- the same sources make the same bytes ------------------------------------------------


def touch(sources: Path) -> None:
    for source in sources.rglob("*.py"):
        os.utime(source, (2_000_000_000, 2_000_000_000))


def forbid_others(sources: Path) -> None:
    for source in sources.rglob("*.py"):
        source.chmod(0o600)


def compile_them(sources: Path) -> None:
    for folder in (sources, sources / "price_alerts"):
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "index.cpython-313.pyc").write_bytes(b"compiled")


def leave_a_note(sources: Path) -> None:
    (sources / "notes.txt").write_text("no code")


def do_nothing(sources: Path) -> None:
    """What was built before is there already."""


@pytest.mark.parametrize(
    "change",
    [do_nothing, touch, forbid_others, compile_them, leave_a_note],
    ids=lambda f: f.__name__,
)
def test_what_is_no_change_of_the_code_leaves_every_byte(
    package: Path, sources: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(sources)
    assert build_package(tmp_path / "again.zip").read_bytes() == package.read_bytes()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_umask_leaves_every_byte(package: Path, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        again = build_package(tmp_path / "again.zip")
    finally:
        os.umask(before)
    assert again.read_bytes() == package.read_bytes()


def test_a_zip_that_is_there_is_replaced(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(b"old" * 1_000_000)
    assert build_package(path).read_bytes() == package.read_bytes()


# --- other sources make other bytes ------------------------------------------------------


def rename(sources: Path) -> None:
    (sources / "price_alerts" / "config.py").rename(sources / "price_alerts" / "configs.py")


def edit(sources: Path) -> None:
    source = sources / "index.py"
    source.write_bytes(source.read_bytes() + b"\n")


def add(sources: Path) -> None:
    (sources / "price_alerts" / "empty.py").touch()


def remove(sources: Path) -> None:
    (sources / "index.py").unlink()


@pytest.mark.parametrize("change", [rename, edit, add, remove], ids=lambda f: f.__name__)
def test_a_change_of_the_code_changes_the_zip(
    package: Path, sources: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(sources)
    assert build_package(tmp_path / "again.zip").read_bytes() != package.read_bytes()


# --- what is in it -----------------------------------------------------------------------


def test_all_of_the_function_s_code_is_in_it(package: Path) -> None:
    sources = {path.relative_to(SOURCE_ROOT).as_posix() for path in SOURCE_ROOT.rglob("*.py")}
    assert sources - set(names(package)) == set()


def test_the_handler_is_at_its_root(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        assert archive.read("index.py") == (SOURCE_ROOT / "index.py").read_bytes()


def test_nothing_but_the_code_is_in_it(package: Path) -> None:
    assert {name.split("/")[0] for name in names(package)} == {
        path.name for path in SOURCE_ROOT.iterdir() if path.name != "__pycache__"
    }


def test_only_sources_are_in_it(package: Path) -> None:
    assert [name for name in names(package) if not name.endswith(".py") or "__p" in name] == []


def test_its_names_are_sorted_and_each_is_there_once(package: Path) -> None:
    assert names(package) == sorted(set(names(package)))


def test_every_entry_is_a_plain_file_that_all_may_read(package: Path) -> None:
    kinds = {
        (entry.date_time, entry.compress_type, entry.create_system, entry.external_attr >> 16)
        for entry in entries(package)
    }
    assert kinds == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 3, stat.S_IFREG | 0o644)}


def test_it_is_small_enough_to_be_loaded_at_every_cold_start(package: Path) -> None:
    assert package.stat().st_size <= 1_000_000


# --- what is in it is enough -------------------------------------------------------------


def test_lambda_can_import_the_handler_from_it(package: Path, runtime: Path) -> None:
    done = import_the_handler(package, runtime)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"True {package}/index.py\n"


@pytest.mark.parametrize("missing", ["price_alerts", "index"])
def test_without_a_part_of_it_the_handler_cannot_be_imported(
    package: Path, runtime: Path, tmp_path: Path, missing: str
) -> None:
    with (
        zipfile.ZipFile(package) as whole,
        zipfile.ZipFile(tmp_path / "part.zip", "w") as part,
    ):
        for name in whole.namelist():
            if name.split("/")[0].removesuffix(".py") != missing:
                part.writestr(name, whole.read(name))
    done = import_the_handler(tmp_path / "part.zip", runtime)
    assert f"ModuleNotFoundError: No module named '{missing}'" in done.stderr
