from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.deploy.preflight.finding import Finding, Level, error, skipped, warning
from lib.deploy.preflight.plan import Plan, check_region, read_plan

S3 = {"bucket": "states", "key": "tap/{stack}", "region": "eu-west-1", "use_lockfile": True}


def plan(folder: Path, environment: str = "dev", *, backend: Any = None, **settings: Any) -> Plan:
    """Read a cdktf.json where no Terraform is installed."""
    document = {
        "context": {
            "common": {"region": "eu-west-3", **settings},
            "environments": {"dev": {}, "prod": {}},
        },
        "terraform": {} if backend is None else {"backend": backend},
    }
    (folder / "cdktf.json").write_text(json.dumps(document))
    return read_plan(folder / "cdktf.json", environment, {"PATH": str(folder)}, folder)


def test_what_is_in_order_is_named(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert found.findings == [
        Finding("backend", "terraform.tap-dev.tfstate, on this machine only"),
        Finding("settings", "dev of cdktf.json"),
    ]
    assert (found.region, found.settings is None, found.backend is None) == (
        *("eu-west-3", False, False),
    )


def test_a_fault_of_the_settings_is_told_with_its_cure(tmp_path: Path) -> None:
    found = plan(tmp_path, batch_size=11)
    assert found.findings[1:] == [
        error(
            "settings",
            "cdktf.json: batch_size over 10 needs a batch_window_seconds of at least 1 "
            "(environment dev)",
        )
    ]
    assert (found.settings, found.region) == (None, None)


def test_each_fault_of_the_backend_is_told_beside_those_of_the_settings(tmp_path: Path) -> None:
    backend = {"s3": {**S3, "bucket": 1, "region": 2}}
    levels = [(each.subject, each.level) for each in plan(tmp_path, backend=backend).findings]
    assert levels == [("backend", Level.ERROR)] * 2 + [("settings", Level.OK)]


def test_what_the_backend_warns_of_is_told(tmp_path: Path) -> None:
    found = plan(tmp_path, backend={"s3": {**S3, "use_lockfile": False}})
    assert [(each.subject, each.level) for each in found.findings] == [
        *(("backend", Level.WARNING), ("backend", Level.WARNING)),
        *(("backend", Level.OK), ("settings", Level.OK)),
    ]
    assert "nothing locks the state" in found.findings[1].text
    assert found.findings[2].text == "s3/states/tap/tap-dev"


def test_an_environment_without_settings_is_none_of_their_business(tmp_path: Path) -> None:
    found = plan(tmp_path, "ci")
    assert found.findings[1:] == [skipped("settings", "cdktf.json has none for ci: dev, prod")]
    assert (found.settings, found.region) == (None, "")


def test_the_stack_of_the_state_goes_where_its_bucket_is_to_be(tmp_path: Path) -> None:
    found = plan(tmp_path, "state", backend={"s3": S3})
    assert (found.settings, found.region) == (None, "eu-west-1")
    assert [each.level for each in found.findings] == [Level.WARNING, Level.OK]


def test_the_stack_of_the_state_needs_a_bucket_to_make(tmp_path: Path) -> None:
    found = plan(tmp_path, "state")
    assert found.findings[-1].level is Level.ERROR
    assert "names no S3 bucket that could be made; write" in found.findings[-1].text


def test_the_stack_of_the_state_needs_a_backend_in_order(tmp_path: Path) -> None:
    found = plan(tmp_path, "state", backend={"s3": {**S3, "bucket": 1}})
    assert (found.backend, found.region) == (None, "")


# --- region ------------------------------------------------------------------------------

KNOWN = {"us-east-1", "eu-west-1"}


@pytest.mark.parametrize("shell", ["", "us-east-1"])
def test_the_region_is_named(shell: str) -> None:
    assert check_region("us-east-1", shell, KNOWN) == Finding("region", "us-east-1")


def test_a_stack_without_settings_goes_where_aws_tools_are_set_to() -> None:
    assert check_region("", "eu-west-1", KNOWN) == Finding("region", "eu-west-1")


def test_a_region_beside_the_one_of_aws_tools_is_warned_of() -> None:
    assert check_region("us-east-1", "eu-west-1", KNOWN) == warning(
        "region",
        "the stack goes to us-east-1, but AWS tools and ./alerts are set to eu-west-1 and would "
        "not find it: export AWS_REGION=us-east-1",
    )


def test_a_region_that_nobody_knows_is_warned_of() -> None:
    assert check_region("us-eest-1", "us-eest-1", KNOWN) == warning(
        "region",
        "boto3 knows no us-eest-1: unless it is new, correct it in cdktf.json or AWS_REGION",
    )


def test_where_boto3_knows_no_regions_any_will_do() -> None:
    assert check_region("us-eest-1", "", set()) == Finding("region", "us-eest-1")


def test_a_region_that_nothing_names_is_not_looked_at() -> None:
    assert check_region("", "", KNOWN) == skipped(
        "region", "neither cdktf.json nor AWS_REGION names one"
    )
    assert check_region(None, "eu-west-1", KNOWN) == skipped(
        "region", "stands in the settings, which are wrong"
    )
