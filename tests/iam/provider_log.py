"""What Terraform and its AWS provider ask of AWS, read from their log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# TF_LOG for a log with a JSON object in each line.
LOG_FORMAT = "JSON"
_SENT = "HTTP Request Sent"
# What a provider logs reaches Terraform in pieces of at most so many bytes.
_PIECE_BYTES = 65_536


@dataclass(frozen=True)
class Call:
    """A call of AWS.

    Attributes
    ----------
    service, operation
        As AWS's SDK for Go names them.
    path
        The path of the URL, decoded.
    parameters
        What the body says; a form's lists are lists here, its structures have dots in their names.
    """

    service: str
    operation: str
    path: str = "/"
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_calls(log: Path) -> list[Call]:
    """Read all calls from a log that was written with ``TF_LOG=JSON``."""
    calls = []
    for entry in _entries(log):
        if entry.get("@message") == _SENT:
            calls.append(_call(entry))
        # Not one call may be missed because the log is written in another way.
        elif _SENT in entry["@message"]:
            raise ValueError(f"a call that cannot be read: {entry['@message'][:200]}")
    return calls


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    """Read a log, with the pieces of a long line put together."""
    pieces: dict[str, str] = {}
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            entry: dict[str, Any] = json.loads(line)
            module, text = entry.get("@module", ""), entry["@message"]
            whole = pieces.pop(module, "") + text
            if len(text.encode()) == _PIECE_BYTES:
                pieces[module] = whole
            elif whole != text:
                yield json.loads(whole)
            else:
                yield entry


def _call(entry: Mapping[str, Any]) -> Call:
    # A body is one line; after a long one stands that it is cut off, which it is not.
    body = entry.get("http.request.body", "").partition("\n")[0]
    parameters: Mapping[str, Any] = {}
    if body.startswith("{"):
        parameters = json.loads(body)
    elif body.startswith("Action="):
        parameters = _form(body)
    return Call(
        entry["rpc.service"],
        entry["rpc.method"],
        unquote(urlsplit(entry["http.url"]).path),
        parameters,
    )


def _form(body: str) -> dict[str, Any]:
    """Read a form: ``Tags.member.1.Key=k`` is the key of the first tag."""
    found: dict[str, Any] = {}
    for name, (value,) in parse_qs(body, keep_blank_values=True).items():
        listed = re.fullmatch(r"(\w+)\.member\.(\d+)(?:\.(\w+))?", name)
        if listed is None:
            found[name] = value
        elif listed[3] is None:
            found.setdefault(listed[1], []).append(value)
        else:
            items = found.setdefault(listed[1], {})
            items.setdefault(listed[2], {})[listed[3]] = value
    return {
        name: list(value.values()) if isinstance(value, dict) else value
        for name, value in found.items()
    }
