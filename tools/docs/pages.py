"""Pages: tables in Markdown, and the generated blocks of a page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]], alignment: str = "---") -> str:
    """Return a table whose columns but the first are aligned as ``---``, ``:-:`` or ``---:``."""
    lines = [names, ["---", *[alignment] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_block(page: str, name: str, text: str, command: str) -> str:
    """Return a page with another text in a block, which the first mark says a command writes.

    Raises
    ------
    ValueError
        If the page has no such block.
    """
    begin, end = f"<!-- {name}: written by {command} -->", f"<!-- end of {name} -->"
    head, begun, rest = page.partition(begin)
    _, ended, tail = rest.partition(end)
    if not (begun and ended):
        raise ValueError(
            f"there is no block {name} in the page: the page must hold {begin} and {end}"
        )
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"
