"""Generated docs: pages are as the code writes them, and pictures show all that they should."""

from __future__ import annotations

import html
import json
import re
import runpy
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib.text import Text

from lib.config.settings import Settings
from tests.unit.stacks.snapshots import read
from tools.docs import dashboard_picture, settings_table, terminal_picture
from tools.docs.pages import markdown, with_block
from tools.docs.settings_table import SETTINGS_PAGE, render

PAGE = "before\n<!-- settings: written by make docs -->\nold\n<!-- end of settings -->\nafter\n"
ALL_PROTOCOLS = "email, email-json, https, lambda, sms, sqs"
TO_A_PERSON = [{"protocol": "email", "endpoint": "a@b.example"}]


def table(folder: Path, common: dict[str, Any], prod: dict[str, Any]) -> dict[str, list[str]]:
    """Render the table of a cdktf.json; returns each key's other cells."""
    environments = {"dev": {}, "prod": prod}
    context = {"common": {"region": "eu-west-1", **common}, "environments": environments}
    (folder / "cdktf.json").write_text(json.dumps({"context": context}))
    rows = [line.strip("|").split("|") for line in render(folder / "cdktf.json").splitlines()]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}


def run(module: ModuleType, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["make docs", str(path)])
    runpy.run_path(str(module.__file__), run_name="__main__")


def test_the_page_has_the_table_that_the_settings_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    run(settings_table, page, monkeypatch)
    assert page.read_text("utf-8") == PAGE.replace("old", f"\n{render()}\n")
    assert render() in SETTINGS_PAGE.read_text("utf-8")


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
        ("high_price_threshold", 150.25, None, ["null", "150.25", ""]),
        ("deletion_protection", False, True, ["true", "false", ""]),
        ("tags", {"team": "a"}, {}, ["{}", '{"team": "a"}', ""]),
        ("subscriber_protocols", ["sms", "sqs"], ["sms"], [ALL_PROTOCOLS, "sms, sqs", "sms"]),
        ("subscriptions", TO_A_PERSON, [], ["[]", json.dumps(TO_A_PERSON), ""]),
    ],
)
def test_a_row_has_the_default_and_what_differs_from_it(
    tmp_path: Path, key: str, common: Any, prod: Any, cells: list[str]
) -> None:
    assert table(tmp_path, {key: common}, {key: prod})[key][2:] == cells


def test_a_block_of_a_page_is_replaced_and_nothing_else() -> None:
    text = markdown(["what", "dollars"], [["us", "1"]], "---:")
    page = with_block(PAGE, "settings", text, "make docs")
    assert page == PAGE.replace("old", "\n| what | dollars |\n| --- | ---: |\n| us | 1 |\n")
    assert with_block(page, "settings", text, "make docs") == page


@pytest.mark.parametrize("mark", ["<!-- settings: written by make docs -->", "<!-- end of"])
def test_a_page_without_a_mark_is_rejected(mark: str) -> None:
    with pytest.raises(ValueError, match="no block settings in the page: the page must hold <!--"):
        with_block(PAGE.replace(mark, ""), "settings", "| new |", "make docs")


def test_the_picture_shows_every_widget_of_the_dashboard() -> None:
    (dashboard,) = read("prod")["resource"]["aws_cloudwatch_dashboard"].values()
    found = dashboard_picture.draw().findobj(Text)
    texts = {text.get_text() for text in found if isinstance(text, Text)}
    wanted: set[str] = set()
    for properties in (widget["properties"] for widget in dashboard["dashboard_body"]["widgets"]):
        wanted.add(properties.get("title") or properties["markdown"].removeprefix("## "))
        wanted |= {line[-1]["label"] for line in properties.get("metrics", [])}
        alarms = properties.get("alarms", [])
        wanted |= {f"\N{CHECK MARK} {arn.rpartition(':')[2]}" for arn in alarms}
    assert wanted <= texts


def test_the_picture_in_the_docs_is_the_one_that_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(dashboard_picture, tmp_path / "picture.png", monkeypatch)
    drawn = (tmp_path / "picture.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert abs(len(drawn) - dashboard_picture.PICTURE.stat().st_size) < len(drawn) / 4


class Local:
    """Stands in for a local stack."""

    def __init__(self, *lines: str) -> None:
        self.stdout = iter(lines)
        self.is_ended = False

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.is_ended

    def terminate(self) -> None:
        self.is_ended = True

    def communicate(self) -> None:
        assert self.is_ended


@pytest.mark.parametrize(
    "lines", [["error: no provider\n"], ["9 s  ready\n", "10 s  alert A is 2\n"]]
)
def test_the_picture_of_a_terminal_is_drawn_from_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: Local(*lines))
    printed = subprocess.CompletedProcess([], 0, "said\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: printed)
    picture = tmp_path / "terminal.svg"
    if len(lines) == 1:
        with pytest.raises(SystemExit, match="no provider"):
            run(terminal_picture, picture, monkeypatch)
    else:
        run(terminal_picture, picture, monkeypatch)
        assert ("said" in picture.read_text(), "alert" in picture.read_text()) == (True, True)


def test_the_picture_of_a_terminal_shows_commands_and_alert_and_loads_nothing() -> None:
    drawn = terminal_picture.draw(
        {"add A above 1": "added", "publish A=2": "sent"}, " 1 s  alert A"
    )
    texts = html.unescape(re.sub("<[^>]+>", " ", drawn)).replace("\N{NO-BREAK SPACE}", " ")
    wanted = ["./alerts add A above 1", "added", "./alerts publish A=2", "sent", "alert A"]
    assert [text for text in wanted if text not in texts] == []
    assert "url(http" not in drawn.replace('"', "")
