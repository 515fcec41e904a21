"""What preflight says of cdktf.json, and of the region that the stack goes to."""

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
        "terraform": {} if backend is None else {"backend": {"s3": backend}},
    }
    (folder / "cdktf.json").write_text(json.dumps(document))
    return read_plan(folder / "cdktf.json", environment, {"PATH": str(folder)}, folder)


def levels(plan: Plan) -> list[tuple[str, Level]]:
    return [(finding.subject, finding.level) for finding in plan.findings]


def test_what_is_in_order_is_named(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert found.findings == [
        Finding("backend", "terraform.tap-dev.tfstate, on this machine only"),
        Finding("settings", "dev of cdktf.json"),
    ]
    assert found.region == "eu-west-3"
    assert found.settings is not None
    assert found.backend is not None


def test_each_fault_is_a_finding_of_its_own(tmp_path: Path) -> None:
    found = plan(tmp_path, backend={**S3, "bucket": 1, "region": 2}, batch_size=11)
    assert levels(found) == [*[("backend", Level.ERROR)] * 2, ("settings", Level.ERROR)]
    assert found.findings[2].text == (
        "cdktf.json: batch_size over 10 needs a batch_window_seconds of at least 1 "
        "(environment dev)"
    )
    assert (found.settings, found.backend, found.region) == (None, None, None)


def test_what_the_backend_warns_of_is_reported(tmp_path: Path) -> None:
    found = plan(tmp_path, backend={**S3, "use_lockfile": False})
    assert levels(found) == [
        *[("backend", Level.WARNING)] * 2,
        *(("backend", Level.OK), ("settings", Level.OK)),
    ]
    assert "nothing locks the state" in found.findings[1].text
    assert found.findings[2].text == "s3/states/tap/tap-dev"


def test_an_environment_without_settings_is_skipped(tmp_path: Path) -> None:
    found = plan(tmp_path, "ci")
    assert found.findings[1:] == [skipped("settings", "cdktf.json has none for ci: dev, prod")]
    assert (found.settings, found.region) == (None, "")


def test_the_stack_of_the_state_goes_where_its_bucket_is_to_be(tmp_path: Path) -> None:
    found = plan(tmp_path, "state", backend=S3)
    assert (found.settings, found.region) == (None, "eu-west-1")
    assert levels(found) == [("backend", Level.WARNING), ("backend", Level.OK)]
    broken = plan(tmp_path, "state", backend={**S3, "bucket": 1})
    assert (broken.backend, broken.region) == (None, "")
    without = plan(tmp_path, "state").findings[-1]
    assert without == error("settings", without.text)
    assert "names no S3 bucket that could be made; write" in without.text


ELSEWHERE = (
    "the stack goes to us-east-1, but AWS tools and ./alerts are set to eu-west-1 and would "
    "not find it: export AWS_REGION=us-east-1"
)
UNKNOWN = "boto3 knows no us-eest-1: unless it is new, correct it in cdktf.json or AWS_REGION"


@pytest.mark.parametrize(
    ("region", "shell", "finding"),
    [
        ("us-east-1", "", Finding("region", "us-east-1")),
        ("us-east-1", "us-east-1", Finding("region", "us-east-1")),
        ("", "eu-west-1", Finding("region", "eu-west-1")),
        ("us-east-1", "eu-west-1", warning("region", ELSEWHERE)),
        ("us-eest-1", "us-eest-1", warning("region", UNKNOWN)),
        ("", "", skipped("region", "neither cdktf.json nor AWS_REGION names one")),
        (None, "eu-west-1", skipped("region", "stands in the settings, which are wrong")),
    ],
)
def test_the_region_is_where_the_stack_goes(
    region: str | None, shell: str, finding: Finding
) -> None:
    assert check_region(region, shell, {"us-east-1", "eu-west-1"}) == finding


def test_where_boto3_knows_no_regions_any_will_do() -> None:
    assert check_region("us-eest-1", "", set()) == Finding("region", "us-eest-1")
