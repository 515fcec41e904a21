"""Rules files: rules in YAML, in the command line's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lib.formats.errors import CliError
from lib.formats.words import KEYS, RuleWords, rule_from_words, words_of
from price_alerts.domain.conditions import RuleError
from price_alerts.domain.rules import Rule

_MAX_BYTES = 64 * 1024 * 1024
_NULL = "tag:yaml.org,2002:null"
_NEEDED = ("symbol", "condition", "levels")
# Numbers and times, which are written without quotes whatever YAML takes them for.
_UNQUOTED = ("within", "cooldown", "rearm", "expires")
# libyaml's if it is available: it is ten times as fast, and limits the depth of nesting.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain(str):
    """Text that YAML may take for a number or a time."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


def _represent_plain(dumper: Any, text: _Plain) -> Node:
    tag = dumper.resolve(ScalarNode, text, (True, False))  # with its own, it would be quoted
    node: Node = dumper.represent_scalar(tag, text)
    return node


_Dumper.add_representer(_Plain, _represent_plain)


class Entry(NamedTuple):
    """A rule of a file: its place, its words, and the rule that they mean."""

    place: str
    words: RuleWords
    rule: Rule


def read_rules(path: Path, now_microseconds: int) -> list[Rule]:
    """Read the rules of a file; see `read_entries`."""
    return [entry.rule for entry in read_entries(path, now_microseconds)]


def read_entries(path: Path, now_microseconds: int) -> list[Entry]:
    """Read a rules file: a YAML list of `RuleWords`, at most 64 MiB of UTF-8.

    Values count as written: ``0.10`` and ``1e3`` are exact, ``on`` is text. ``null`` means left
    out. A rule may have expired.

    Raises
    ------
    CliError
        At the first fault; names the line and the rule, and says what would be right.
    """
    entries: dict[str, Entry] = {}
    for number, node in enumerate(_nodes(path), start=1):
        place = f"{path} line {node.start_mark.line + 1}, rule {number}"
        try:
            words = _words_in(node)
            if words.id:
                place += f" ({words.id})"
            rule = rule_from_words(words, now_microseconds, may_have_expired=True)
            if rule.rule_id in entries:
                raise RuleError("an earlier rule has the same id: give each its own")
        except RuleError as reason:
            raise CliError(f"{place}: {reason}") from None
        entries[rule.rule_id] = Entry(place, words, rule)
    return list(entries.values())


def written_rules(rules: Sequence[Rule]) -> str:
    """Return rules as a rules file, without their status: a paused rule is read as active."""
    if not rules:
        return "[]\n"
    return "\n".join(_written(rule) for rule in rules)


def _written(rule: Rule) -> str:
    entry = words_of(rule).entry()
    entry |= {key: _Plain(entry[key]) for key in _UNQUOTED if key in entry}
    entry["levels"] = [_Plain(level) for level in entry["levels"]]
    text: str = yaml.dump(
        [entry],
        Dumper=_Dumper,
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text


def _nodes(path: Path) -> Iterator[Node]:
    document = _composed(path)
    if not isinstance(document, SequenceNode):
        raise CliError(
            f'{path}: must be a list of rules, each starting like "- symbol: AAPL"; '
            "alerts export writes one"
        )
    yield from document.value


def _composed(path: Path) -> Node | None:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise CliError(f"{path}: must not be larger than 64 MiB")
        # Composed, not loaded: every value stays as it was written, and no object is created.
        document: Node | None = yaml.compose(content.decode("utf-8-sig"), Loader=_LOADER)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{path}: must be text in UTF-8") from None
    except RecursionError:
        raise CliError(f"{path}: is nested too deeply for a list of rules") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = " ".join(filter(None, (error.context, error.problem)))
        raise CliError(f"{path} line {line}: is not YAML: {what}") from None
    except yaml.YAMLError as error:
        raise CliError(f"{path}: is not YAML: {getattr(error, 'reason', error)}") from None
    return document


def _words_in(entry: Node) -> RuleWords:
    if not isinstance(entry, MappingNode):
        raise RuleError("must be a mapping with symbol, condition and levels")
    words: dict[str, Any] = {}
    seen = set()
    for key_node, value in entry.value:
        key = _key_in(key_node)
        if key in seen:
            raise RuleError(f"{key} is there twice: keep one")
        seen.add(key)
        if value.tag != _NULL:
            words[key] = _levels_in(value) if key == "levels" else _text_in(key, value)
    for key in _NEEDED:
        if key not in words:
            raise RuleError(f"{key} is missing")
    return RuleWords(**words)


def _key_in(node: Node) -> str:
    key = node.value if isinstance(node, ScalarNode) else ""
    if key not in KEYS:
        near = get_close_matches(key, KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
        raise RuleError(f"there is no key {key!r}: {hint}" if key else f"bad key: {hint}")
    return str(key)


def _levels_in(node: Node) -> list[str]:
    if not isinstance(node, SequenceNode):
        raise RuleError("levels must be a list, say [200], [90, 110] or [5%]")
    return [_text_in("a level", level) for level in node.value]


def _text_in(name: str, node: Node) -> str:
    if not isinstance(node, ScalarNode):
        raise RuleError(f"{name} must be a single value")
    return str(node.value)
