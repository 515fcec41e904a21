"""What holds the modules apart: who imports whom."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "lib"
DOMAIN = LIB / "lambda" / "price_alerts"

# Which of the domain's modules each of them may import: never one to its right.
# index → processing → store, notifier → all that is pure
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "config": {"shapes", "ticks"},
    "shapes": set(),
    "ticks": {"shapes"},
    "portions": set(),
    "lines": {"portions"},
    "terms": {"ticks"},
    "progress": {"terms", "ticks"},
    "records": set(),
    "rules": {"progress", "terms", "ticks"},
    "watches": {"rules", "terms"},
    "windows": {"terms", "ticks"},
    "recent": {"progress", "ticks", "windows"},
    "state": {"portions", "progress", "recent", "terms", "ticks", "watches", "windows"},
    "engine": {"progress", "recent", "rules", "state", "ticks", "watches", "windows"},
    "late": {
        *("engine", "progress", "recent", "rules", "state", "ticks", "watches", "windows"),
    },
    "batch": {"state", "ticks"},
    "notices": {"rules", "state", "terms", "ticks"},
    "trail_items": {"progress", "terms", "ticks"},
    "items": {"progress", "rules", "state", "terms", "ticks", "trail_items", "watches"},
    "recent_items": {"items", "progress", "recent", "ticks", "trail_items", "windows"},
    "state_items": {"items", "notices", "recent_items", "state", "ticks", "watches"},
    "symbol_index": {"items", "portions", "rules", "watches"},
    "store": {
        *("items", "portions", "progress", "state", "state_items", "symbol_index"),
    },
    "notifier": {"notices", "ticks"},
    "processing": {
        *("batch", "engine", "late", "notices", "notifier", "portions", "rules", "state"),
        *("state_items", "store", "ticks"),
    },
}
PURE = sorted(
    MAY_IMPORT.keys()
    - {"__init__", "config", "lines", "notifier", "processing", "store", "symbol_index"}
)
# Of the standard library, what would make a pure module depend on more than its arguments.
IMPURE = {
    *("asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "signal"),
    *("socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
}
INFRASTRUCTURE = {"cdktf", "cdktf_cdktf_provider_aws", "constructs", "jsii", "lib", "main"}


def imports(source: str) -> Iterator[str]:
    """The full name of every module that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def packages(source: str) -> set[str]:
    """The packages that a source imports; an empty name stands for its own."""
    return {name.split(".")[0] for name in imports(source)}


def domain_imports(source: str) -> set[str]:
    """Which of the domain's modules a source imports."""
    modules = {path.stem for path in DOMAIN.glob("*.py")} | {"index"}
    parts = [name.split(".") for name in imports(source)]
    inner = {part[1] for part in parts if part[0] == "price_alerts" and part[1:]}
    return (inner | {part[0] for part in parts if part[0] == "index"}) & modules


def impurities(source: str) -> set[str]:
    """What in a source asks more than its arguments: a library, the system or the clock."""
    allowed = (sys.stdlib_module_names | {"price_alerts"}) - IMPURE
    clock = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
    }
    return (packages(source) - allowed) | clock


@pytest.mark.parametrize("path", sorted(LIB.glob("*.py")), ids=lambda path: path.stem)
def test_the_infrastructure_never_imports_the_function(path: Path) -> None:
    assert packages(path.read_text()) & {"price_alerts", "index"} == set()


@pytest.mark.parametrize(
    "path",
    sorted((LIB / "lambda").rglob("*.py")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_the_function_never_imports_the_infrastructure(path: Path) -> None:
    assert packages(path.read_text()) & INFRASTRUCTURE == set()


def test_cdktf_is_imported_by_the_infrastructure_alone() -> None:
    others = [path for path in LIB.rglob("*.py") if path.parent != LIB]
    users = [path for path in others if "cdktf" in packages(path.read_text())]
    assert (bool(others), users) == (True, [])


def test_every_module_of_the_domain_has_its_place() -> None:
    assert {path.stem for path in DOMAIN.glob("*.py")} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_the_domain_s_modules_depend_one_way(module: str) -> None:
    assert domain_imports((DOMAIN / f"{module}.py").read_text()) - MAY_IMPORT[module] == set()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_asks_neither_aws_nor_the_clock_nor_the_system(module: str) -> None:
    assert impurities((DOMAIN / f"{module}.py").read_text()) == set()


# --- planted mistakes: the scans can find something --------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import price_alerts.store", {"store"}),
        ("import price_alerts.store as s, index", {"store", "index"}),
        ("from price_alerts import store", {"store"}),
        ("from price_alerts.store import Store", {"store"}),
        ("def late():\n    from price_alerts.store import Store", {"store"}),
        ("if TYPE_CHECKING:\n    from index import handler", {"index"}),
        ("import json", set()),
    ],
)
def test_an_import_of_the_domain_is_found(source: str, found: set[str]) -> None:
    assert domain_imports(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import boto3", {"boto3"}),
        ("from botocore.exceptions import ClientError", {"botocore"}),
        ("import os.path", {"os"}),
        ("from time import time", {"time"}),
        ("from datetime import datetime\ndatetime.now()", {"now"}),
        ("import datetime\ndatetime.date.today()", {"today"}),
        ("from . import store", {""}),
        ("import json, re\nfrom price_alerts.ticks import Tick", set()),
    ],
)
def test_an_impurity_is_found(source: str, found: set[str]) -> None:
    assert impurities(source) == found
