from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.local.doubles import SignOfLife


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests reach their own servers without the machine's proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sign(tmp_path: Path) -> Iterator[SignOfLife]:
    """Shows whether a process that was given its path is alive."""
    sign = SignOfLife(tmp_path / "sign-of-life")
    yield sign
    sign.close()
