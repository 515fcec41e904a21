"""What the tests of the embedded AWS have besides what every unit test has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.local.doubles import SignOfLife


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine's stands between a test and its own servers."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sign(tmp_path: Path) -> Iterator[SignOfLife]:
    """Tells whether a process, started by the test with its path, is alive."""
    sign = SignOfLife(tmp_path / "sign-of-life")
    yield sign
    sign.close()
