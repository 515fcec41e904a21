"""Rules with texts of every kind, for the tests of what writes them and reads them again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from price_alerts.domain.progress import Progress
from tests.unit.strategies import rules

_texts = st.text(max_size=64).filter(str.isprintable)

rules_with_texts = st.builds(
    replace,
    rules,
    symbol=st.from_regex(r"[A-Z0-9._/:=^-]{1,32}", fullmatch=True),
    owner=_texts,
    note=_texts,
    message=_texts.map(lambda text: text.replace("{", "{{").replace("}", "}}")),
    progress=st.just(Progress()),
)
