"""The picture of the dashboard in the docs."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text

from tests.unit.stack.stacks import DASHBOARD, Stack, resource
from tools.docs import dashboard_picture


def test_the_picture_shows_every_widget(stacks: dict[str, Stack]) -> None:
    body = json.loads(resource(stacks["prod"], DASHBOARD)["dashboard_body"])
    texts = {
        text.get_text() for text in dashboard_picture.draw().findobj(Text) if isinstance(text, Text)
    }
    for widget in body["widgets"]:
        properties: dict[str, Any] = widget["properties"]
        wanted = {properties.get("title") or properties["markdown"].removeprefix("## ")}
        wanted |= {line[-1]["label"] for line in properties.get("metrics", [])}
        wanted |= {
            f"\N{CHECK MARK} {arn.rpartition(':')[2]}" for arn in properties.get("alarms", [])
        }
        assert wanted <= texts


def test_the_picture_in_the_docs_is_the_one_that_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["picture", str(tmp_path / "picture.png")])
    runpy.run_path(dashboard_picture.__file__, run_name="__main__")
    drawn = (tmp_path / "picture.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert abs(len(drawn) - dashboard_picture.PICTURE.stat().st_size) < len(drawn) / 4
