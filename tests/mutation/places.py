"""Where a mutant's line is, whichever file it has moved to."""

from __future__ import annotations

import ast
from collections.abc import Mapping


def function_at(source: str, line: int) -> str:
    """Return the qualified name of the innermost definition around a line."""
    names: list[str] = []
    scope: list[ast.AST] = [ast.parse(source)]
    while scope:
        node = scope.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                if first <= line <= (child.end_lineno or 0):
                    names.append(child.name)
                    scope.append(child)
            else:
                scope.append(child)
    return ".".join(names)


def find(mutant: Mapping[str, str], source: str) -> int | None:
    """Return the number of a mutant's line in a source, if it is there in the same function."""
    if mutant["line"] in source:
        for number, line in enumerate(source.splitlines(), start=1):
            if line.strip() == mutant["line"] and function_at(source, number) == mutant["function"]:
                return number
    return None
