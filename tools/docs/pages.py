"""Pages: tables in Markdown, and the parts of a page that are written by the code. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]], alignment: str = "---") -> str:
    """Write a table.

    Parameters
    ----------
    names, rows
        What stands above the columns, and in them.
    alignment
        How all columns but the first are aligned: ``---``, ``:-:`` or ``---:``.
    """
    lines = [names, ["---", *[alignment] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_block(page: str, name: str, text: str, command: str) -> str:
    """Return a page with another text between a block's two marks.

    Parameters
    ----------
    page, name, text
        The page, the block's name, and what is to stand in it.
    command
        What writes it, as the first mark says.

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
