"""What every stack is synthesized to, as JSON next to this file: a change shows in review.

``make snapshots`` writes the files again. Each environment has a file of its own; ``changes.json``
has what settings change in prod, and what the options of tap-state and tap-ci change there.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import lib.stacks  # noqa: F401  # it prepares the Node that cdktf starts

# isort: split

import cdktf
from cdktf import TerraformStack

from lib.backend.block import StateStore
from lib.backend.ci import Ci
from lib.config.ci import CiSettings
from lib.config.entries import Subscription
from lib.config.settings import load_settings
from lib.stacks.ci import CiStack
from lib.stacks.lambda_package import build_package
from lib.stacks.state import StateStack
from lib.tap_stack import TapStack
from tools.stack_differences import ABSENT, find_differences

Stack = dict[str, Any]
Build = Callable[[cdktf.App, Path], TerraformStack]

PROJECT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent
ACCOUNT_ID = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT_ID}:policy/tap-ci-boundary-{{}}"
DEV, PROD = (load_settings(PROJECT / "cdktf.json", name) for name in ("dev", "prod"))
STORE = StateStore(
    bucket="states", region="eu-west-1", kms_key_id=None, lock_table=None, credentials={}
)
CI = Ci(
    settings=CiSettings(repository="owner/name"),
    environments=(DEV, PROD),
    store=STORE,
    state_key="tap/{stack}.tfstate",
)
SIGNING = f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:code-signing-config:csc-1"
NETWORK: Mapping[str, Any] = {
    "subnet_ids": ("subnet-1", "subnet-2"),
    "security_group_ids": ("sg-1",),
}
FIFO: Mapping[str, Any] = {"queue_type": "fifo", "batch_size": 10, "batch_window_seconds": 0}
# No two numbers are equal, so that each can be recognized where it is used.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "region": {"region": "eu-central-1"},
    "numbers": {
        "high_price_threshold": Decimal("0.0000001"),
        "batch_size": 11,
        "batch_window_seconds": 2,
        "late_ticks": 17,
        "history_days": 401,
        "maximum_concurrency": 3,
        "reserved_concurrency": 4,
        "function_timeout_seconds": 7,
        "memory_mebibytes": 129,
        "visibility_timeout_seconds": 45,
        "max_receive_count": 6,
        "queue_retention_seconds": 3_600,
        "dlq_retention_seconds": 7_200,
        "log_retention_days": 14,
        "lag_alarm_seconds": 12,
        "age_alarm_seconds": 34,
    },
    "nothing optional": {
        "high_price_threshold": None,
        "history_days": None,
        "maximum_concurrency": None,
        "reserved_concurrency": None,
        "customer_managed_key": False,
        "point_in_time_recovery": False,
        "deletion_protection": False,
    },
    "fifo": FIFO,
    "network": NETWORK,
    "access": {
        "subscriptions": (
            Subscription("email", "a@example.com"),
            Subscription("https", "https://example.com/hook"),
            Subscription("sms", "+15551234567"),
        ),
        "ops_subscriptions": (Subscription("email", "ops@example.com"),),
        "subscriber_protocols": ("email", "https", "sms"),
        "producers": (f"arn:aws:iam::{ACCOUNT_ID}:role/feed",),
    },
    "others": {
        "shapes": {"mine": {"when": {"kind": "px"}, "symbol": "sym", "price": "last"}},
        "log_level": "DEBUG",
        "code_signing_config_arn": SIGNING,
        "aws_provider": ">= 6.5, < 6.10",
        "tags": {"team": "prices"},
    },
}


def _prod(name: str) -> Build:
    settings = replace(PROD, **SETTINGS[name])
    return lambda app, zip_: TapStack(app, settings, zip_, has_boundary=name == "access")


STACKS: Mapping[str, Build] = {
    "dev": lambda app, zip_: TapStack(app, DEV, zip_),
    "prod": lambda app, zip_: TapStack(app, PROD, zip_),
    "state": lambda app, _: StateStack(app, STORE),
    "ci": lambda app, _: CiStack(app, CI),
}
CHANGES: Mapping[str, Build] = {
    **{f"prod, {name}": _prod(name) for name in SETTINGS},
    "state, everything": lambda app, _: StateStack(
        app,
        replace(
            STORE,
            kms_key_id="alias/states",
            lock_table="locks",
            credentials={"profile": "ops", "allowed_account_ids": [ACCOUNT_ID]},
        ),
    ),
    "ci, everything": lambda app, _: CiStack(
        app,
        replace(
            CI,
            settings=CiSettings(repository="owner@12/name@34", oidc_provider_exists=True),
            environments=(
                DEV,
                replace(
                    PROD, region="eu-central-1", code_signing_config_arn=SIGNING, **FIFO, **NETWORK
                ),
            ),
            store=replace(STORE, kms_key_id="alias/states", lock_table="locks"),
        ),
    ),
}


def synthesize_all(package: Path) -> dict[str, Stack]:
    """Synthesize every stack and every change."""
    return {
        name: synthesize(build(cdktf.Testing.app(), package))
        for name, build in {**STACKS, **CHANGES}.items()
    }


def synthesize(stack: TerraformStack) -> Stack:
    """Synthesize a stack, with the zip's hash left out and policies as objects."""
    text = re.sub(r"/[0-9A-F]{32}/", "/HASH/", cdktf.Testing.synth(stack))
    document: Stack = json.loads(text, object_hook=_with_inner_json)
    return document


def _with_inner_json(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if isinstance(value, str) and value.startswith('{"') else value
        for name, value in attributes.items()
    }


def documents(stacks: Mapping[str, Stack]) -> dict[str, Any]:
    """Return what each file is to hold, by its name."""
    changes = {
        name: {
            difference.place: [
                text if text == ABSENT else json.loads(text)
                for text in (difference.before, difference.after)
            ]
            for difference in find_differences(stacks[name.partition(",")[0]], stacks[name])
        }
        for name in CHANGES
    }
    return {**{name: stacks[name] for name in STACKS}, "changes": changes}


def read(name: str) -> Any:
    """Return what a file holds."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def main() -> None:
    """Write the files."""
    with tempfile.TemporaryDirectory() as folder:
        stacks = synthesize_all(build_package(Path(folder) / "price-alerts.zip"))
    for name, document in documents(stacks).items():
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
