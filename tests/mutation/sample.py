"""Draws mutants of the code with cosmic-ray; runs in cosmic-ray's virtual environment."""

from __future__ import annotations

import ast
import csv
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutation.places import find, function_at

_SEED = 20261128
_GROUPS = (
    (150, ("lib/lambda",)),
    (50, ("lib/backend", "lib/config", "lib/stacks/policies.py")),
)


class _WithoutAnnotations(ast.NodeTransformer):
    """What Python runs: annotations are never evaluated here."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _meaning(source: str) -> str:
    return ast.dump(_WithoutAnnotations().visit(ast.parse(source)))


def _positions(path: Path) -> Iterator[tuple[tuple[int, int], str, int]]:
    """Yield where a file can be mutated, by which operator, and as which of its occurrences."""
    nodes = list(ast_nodes(get_ast(path.read_text("utf-8"))))
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments() or name == "core/NoOp":
            continue
        starts = [start for node in nodes for start, _ in operator().mutation_positions(node)]
        for occurrence, start in enumerate(starts):
            yield start, name, occurrence


def _mutant(path: Path, name: str, occurrence: int) -> dict[str, str] | None:
    """Return one mutant as the line that it changes, unless it means the same."""
    source = path.read_text("utf-8")
    try:
        mutated = mutate_code(source, get_operator(name)(), occurrence)
        if mutated is None or _meaning(mutated) == _meaning(source):
            return None
    except (AttributeError, SyntaxError):  # cosmic-ray cannot replace `json.JSONDecodeError`
        return None
    before, after = source.splitlines(), mutated.splitlines()
    changed = [
        number for number, pair in enumerate(zip(before, after, strict=False)) if len(set(pair)) > 1
    ]
    if len(before) != len(after) or len(changed) != 1:
        return None
    [number] = changed
    return {
        "file": str(path),
        "function": function_at(source, number + 1),
        "line": before[number].strip(),
        "mutant": after[number].strip(),
    }


def main() -> None:
    """Print the sample as CSV; if another tree is named, only mutants of lines that it has too."""
    chance = random.Random(_SEED)
    writer = csv.DictWriter(sys.stdout, ["file", "function", "line", "mutant"], lineterminator="\n")
    writer.writeheader()
    others = [
        path.read_text("utf-8") for tree in sys.argv[1:] for path in Path(tree, "lib").rglob("*.py")
    ]
    for count, folders in _GROUPS:
        places = defaultdict(list)
        for folder in map(Path, folders):
            for path in sorted(folder.rglob("*.py")) or [folder]:
                for start, name, occurrence in _positions(path):
                    places[path, start].append((name, occurrence))
        order = sorted(places)
        chance.shuffle(order)
        found = 0
        for path, start in order:
            mutant = _mutant(path, *chance.choice(places[path, start]))
            if mutant is not None and (not others or any(find(mutant, other) for other in others)):
                writer.writerow(mutant)
                found += 1
            if found == count:
                break


if __name__ == "__main__":
    main()
