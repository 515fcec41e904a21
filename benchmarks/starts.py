"""A cold import of the handler, the size of its zip, and a synth."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.scale import Scale
from benchmarks.timing import Timings, side_by_side, stopwatch
from lib.stacks.lambda_package import build_package

_NOBODY = "nobody"
_PROJECT = Path(__file__).parents[1]
_TIMED = "import time\nstart = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"
_CLIENTS = "import boto3; boto3.resource('dynamodb').Table('t'); boto3.client('sns')"
_PLAIN = "import cdktf_cdktf_provider_aws; import main; main.main()"
_QUICK = "import main; main.main()"


def cold_imports(scale: Scale) -> Timings:
    """Time the import of the handler, and that of boto3 with the two clients that it creates.

    Once as it is, and once ``unpacked``: as on Lambda, where no bytecode can be kept.
    """
    with tempfile.TemporaryDirectory(prefix="tapstack-") as folder:
        package = build_package(Path(folder, "package.zip"))
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        sources = _PROJECT / "lib" / "lambda"
        runs: dict[str, Callable[[], float]] = {
            "boto3": lambda: _import(_CLIENTS, sources),
            "handler": lambda: _import("import index", sources),
            "unpacked": lambda: _import("import index", Path(folder), PYTHONDONTWRITEBYTECODE="1"),
        }
        for run in runs.values():
            run()  # so that there is bytecode, and the files are cached
        return side_by_side(runs, scale.import_rounds)


def zip_bytes() -> int:
    """Return the size of the function's zip."""
    with tempfile.TemporaryDirectory(prefix="tapstack-") as folder:
        return build_package(Path(folder, "package.zip")).stat().st_size


def synths(scale: Scale) -> Timings:
    """Time a synth, and one with plain imports; raises `ValueError` if their output differs."""
    with tempfile.TemporaryDirectory(prefix="tapstack-") as folder:
        outputs = {name: Path(folder, name) for name in ("quick", "plain")}
        runs: dict[str, Callable[[], float]] = {
            "quick": lambda: stopwatch(lambda: _synth(_QUICK, outputs["quick"])),
            "plain": lambda: stopwatch(lambda: _synth(_PLAIN, outputs["plain"])),
        }
        for run in runs.values():
            run()  # compiles what is not compiled yet
        timings = side_by_side(runs, scale.rounds)
        written = [_written(output) for output in outputs.values()]
        if not written[0] or written[0] != written[1]:
            raise ValueError("the two synths do not write the same")
        return timings


def _import(code: str, sources: Path, **more: str) -> float:
    environment = {
        "AWS_ACCESS_KEY_ID": _NOBODY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": _NOBODY,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(sources),
        "TABLE_NAME": "t",
        "TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:t",
        **more,
    }
    return float(_run(_TIMED.format(code), environment))


def _synth(code: str, output: Path) -> None:
    environment = {**os.environ, "CDKTF_OUTDIR": str(output), "TAP_ENVIRONMENT": "dev"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles again each time
    _run(code, environment)


def _run(code: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603  # this Python, with the code above
        [sys.executable, "-c", code],
        env=environment,
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _written(output: Path) -> dict[str, str]:
    """Return the configurations that a synth has written."""
    return {
        str(path.relative_to(output)): path.read_text("utf-8")
        for path in sorted(output.rglob("cdk.tf.json"))
    }
