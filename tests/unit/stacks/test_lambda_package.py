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


def touch(sources: Path) -> None:
    for source in sources.rglob("*.py"):
        os.utime(source, (2_000_000_000, 2_000_000_000))
        source.chmod(0o600)


def add_what_is_no_source(sources: Path) -> None:
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "index.cpython-313.pyc").write_bytes(b"compiled")
    (sources / "notes.txt").write_text("no code")


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        (touch, False),
        (add_what_is_no_source, False),
        (lambda sources: (sources / "index.py").rename(sources / "indexes.py"), True),
        (lambda sources: (sources / "index.py").write_text("handler = print"), True),
        (lambda sources: (sources / "price_alerts" / "empty.py").touch(), True),
    ],
    ids=["touched", "no source", "renamed", "edited", "added"],
)
def test_the_zip_changes_if_and_only_if_the_code_does(
    package: Path, sources: Path, tmp_path: Path, change: Callable[[Path], None], changes: bool
) -> None:
    change(sources)
    path = tmp_path / "again.zip"
    path.write_bytes(b"old" * 1_000_000)
    assert (build_package(path).read_bytes() != package.read_bytes()) == changes


def test_it_holds_the_sources_in_order_as_plain_files_that_all_may_read(package: Path) -> None:
    paths = {path.relative_to(SOURCE_ROOT).as_posix(): path for path in SOURCE_ROOT.rglob("*.py")}
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
        assert {each.filename: archive.read(each) for each in entries} == {
            name: path.read_bytes() for name, path in paths.items()
        }
    assert [each.filename for each in entries] == sorted(paths)
    assert {
        (each.date_time, each.compress_type, each.create_system, each.external_attr >> 16)
        for each in entries
    } == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 3, stat.S_IFREG | 0o644)}


def test_it_is_small_enough_to_be_loaded_at_every_cold_start(package: Path) -> None:
    assert package.stat().st_size <= 1_000_000


def test_lambda_can_import_the_handler_from_it(package: Path, tmp_path: Path) -> None:
    for name in RUNTIME:
        origin = Path(str(importlib.import_module(name).__file__))
        source = origin.parent if origin.name == "__init__.py" else origin
        (tmp_path / source.name).symlink_to(source)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT_THE_HANDLER, str(package), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"True {package}/index.py\n", "")
