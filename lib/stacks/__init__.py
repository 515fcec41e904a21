"""What is deployed. Only here is cdktf imported.

Importing cdktf starts jsii's Node, so Node's options are set here, before that.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


def _prepare_node() -> None:
    # jsii would warn of the age of Node 20.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
    # JSON's quotes are those that Node asks for where a path has blanks.
    option = f"--require {json.dumps(str(Path(__file__).with_name('quick_bindings.cjs')))}"
    options = os.environ.get("NODE_OPTIONS", "").replace(option, "").rstrip()  # of a parent
    os.environ["NODE_OPTIONS"] = f"{options} {option}".lstrip()


_prepare_node()
