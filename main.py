"""The CDKTF app: builds the stack of the environment that ``TAP_ENVIRONMENT`` names."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from lib.lambda_package import build_package
from lib.settings import SettingsError, load_settings


def main() -> None:
    """Synthesize; settings that cannot be deployed end it with one line and exit code 1."""
    try:
        settings = load_settings(
            Path(__file__).with_name("cdktf.json"), os.environ.get("TAP_ENVIRONMENT")
        )
    except SettingsError as reason:
        sys.exit(f"error: {reason}")

    # jsii starts Node when it is first imported, and would warn there of the age of Node 20.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
    from cdktf import App  # noqa: PLC0415  # not before the line above

    from lib.tap_stack import TapStack  # noqa: PLC0415  # the same

    with tempfile.TemporaryDirectory() as folder:
        app = App()
        TapStack(app, settings, build_package(Path(folder, "price-alerts.zip")))
        app.synth()


if __name__ == "__main__":
    main()
