"""The CDKTF app: builds the stack of the environment that ``TAP_ENVIRONMENT`` names."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lib.backend.block import Backend, StateStore, load_backend, state_store
from lib.backend.ci import Ci, load_ci
from lib.config.ci import load_ci_settings
from lib.config.document import CI_ENVIRONMENT, STATE_ENVIRONMENT, ConfigurationError
from lib.config.settings import DEFAULT_ENVIRONMENT, Settings, load_settings
from lib.stacks.lambda_package import build_package

if TYPE_CHECKING:
    from cdktf import App, TerraformStack


def main() -> None:
    """Synthesize the stack, or exit with code 1 and a line for each fault."""
    path = Path(__file__).with_name("cdktf.json")
    environment = os.environ.get("TAP_ENVIRONMENT") or DEFAULT_ENVIRONMENT
    try:
        backend = load_backend(path, environment, os.environ, Path.cwd())
        contents = _read_contents(path, backend, environment)
        is_deployed_by_ci = load_ci_settings(path) is not None
    except ConfigurationError as wrong:
        sys.exit("\n".join(f"error: {fault}" for fault in wrong.faults))
    if "CDKTF_OUTDIR" not in os.environ:  # the cdktf command shows the stack's annotations
        for warning in backend.warnings:
            print(f"warning: {warning}", file=sys.stderr)  # noqa: T201  # the command's own output

    from cdktf import App  # noqa: PLC0415  # it starts Node, which must not delay what is above

    from lib.stacks.backend_block import apply_backend  # noqa: PLC0415  # it imports cdktf

    with tempfile.TemporaryDirectory() as folder:
        app = App()
        stack = _build_stack(app, contents, Path(folder), has_boundary=is_deployed_by_ci)
        apply_backend(stack, backend)
        app.synth()


def _read_contents(path: Path, backend: Backend, environment: str) -> Settings | StateStore | Ci:
    if environment == STATE_ENVIRONMENT:
        return state_store(path, backend, os.environ)
    if environment == CI_ENVIRONMENT:
        return load_ci(path, backend, os.environ)
    return load_settings(path, environment)


def _build_stack(
    app: App, contents: Settings | StateStore | Ci, folder: Path, *, has_boundary: bool
) -> TerraformStack:
    # Imports take most of the time, so only the stack that is needed is imported.
    if isinstance(contents, StateStore):
        from lib.stacks.state import StateStack  # noqa: PLC0415  # see above

        return StateStack(app, contents)
    if isinstance(contents, Ci):
        from lib.stacks.ci import CiStack  # noqa: PLC0415  # see above

        return CiStack(app, contents)
    from lib.tap_stack import TapStack  # noqa: PLC0415  # see above

    package = build_package(folder / "price-alerts.zip")
    return TapStack(app, contents, package, has_boundary=has_boundary)


if __name__ == "__main__":
    main()
