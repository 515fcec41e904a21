"""The README's table of settings, as it is made of the declarations and of cdktf.json."""

from __future__ import annotations

import json
import runpy
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from lib.config.settings import Settings
from tools.docs import settings_table
from tools.docs.settings_table import README, render, with_table

PAGE = "before\n<!-- settings: written by make docs -->\nold\n<!-- end of settings -->\nafter\n"
ALL_PROTOCOLS = "email, email-json, https, lambda, sms, sqs"


def table(folder: Path, common: dict[str, Any], prod: dict[str, Any]) -> dict[str, list[str]]:
    """Render the table of a cdktf.json; returns each key's other cells."""
    environments = {"dev": {}, "prod": prod}
    context = {"common": {"region": "eu-west-1", **common}, "environments": environments}
    (folder / "cdktf.json").write_text(json.dumps({"context": context}))
    rows = [line.strip("|").split("|") for line in render(folder / "cdktf.json").splitlines()]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}


def test_the_readme_has_the_table_that_the_settings_make() -> None:
    readme = README.read_text("utf-8")
    assert readme == with_table(readme, render())


def test_the_table_has_a_row_for_every_setting_and_for_nothing_else(tmp_path: Path) -> None:
    _, _, *keys = table(tmp_path, {}, {})  # the head, and the line below it
    assert keys == [field.name for field in fields(Settings) if field.name != "environment"]


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("batch_size", "1 to 10,000"),
        ("history_days", "1 to 3,650 or null"),
        ("log_level", "DEBUG, INFO"),
        ("deletion_protection", "true, false"),
        ("region", "text"),
        ("high_price_threshold", "number or null"),
        ("producers", "list of at most 50"),
        ("tags", "object of at most 49"),
    ],
)
def test_a_row_says_what_is_accepted(tmp_path: Path, key: str, accepted: str) -> None:
    assert table(tmp_path, {}, {})[key][1] == accepted


@pytest.mark.parametrize(
    ("key", "common", "prod", "cells"),
    [
        ("region", "eu-west-1", "us-east-1", ["must be set", "eu-west-1", "us-east-1"]),
        ("batch_size", 10, 5, ["10", "", "5"]),
        ("high_price_threshold", 150.25, None, ["null", "150.25", ""]),
        ("deletion_protection", False, True, ["true", "false", ""]),
        ("tags", {"team": "a"}, {}, ["{}", '{"team": "a"}', ""]),
        ("subscriber_protocols", ["sms", "sqs"], ["sms"], [ALL_PROTOCOLS, "sms, sqs", "sms"]),
        (
            "subscriptions",
            [{"protocol": "email", "endpoint": "a@b.example"}],
            [],
            ["[]", '[{"protocol": "email", "endpoint": "a@b.example"}]', ""],
        ),
    ],
)
def test_a_row_has_the_default_and_what_differs_from_it(
    tmp_path: Path, key: str, common: Any, prod: Any, cells: list[str]
) -> None:
    assert table(tmp_path, {key: common}, {key: prod})[key][2:] == cells


def test_only_what_is_between_the_marks_is_written_anew() -> None:
    assert with_table(PAGE, "| new |") == (
        "before\n<!-- settings: written by make docs -->\n\n| new |\n\n"
        "<!-- end of settings -->\nafter\n"
    )


@pytest.mark.parametrize("mark", ["<!-- settings: written by make docs -->", "<!-- end of"])
def test_a_page_without_a_mark_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="the page must hold <!-- settings"):
        with_table(PAGE.replace(mark, ""), "| new |")


def test_the_table_is_written_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(sys, "argv", ["settings_table", str(page)])

    runpy.run_path(settings_table.__file__, run_name="__main__")

    assert page.read_text("utf-8") == with_table(PAGE, render())
