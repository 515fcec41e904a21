"""``make successor``: reports whether the stacks stay the same with cdktn in place of cdktf.

cdktf is archived; cdktn is the same library, and is maintained. docs/successor.md says how to
switch for good.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lib.formats.errors import LocalError
from lib.local.virtual_environment import is_installed, virtual_environment
from tools.stack_differences import Difference, count_blocks, excerpts, find_differences
from tools.synthesis import SynthesizedStack, synthesize_with_both


@dataclass(frozen=True, slots=True)
class Expectation:
    """A difference that changes nothing.

    Attributes
    ----------
    place
        Where it is.
    after
        What cdktn writes there, as JSON; ``None`` for anything.
    why
        Why it changes nothing.
    """

    place: str
    after: str | None
    why: str


EXPECTED = (
    Expectation("//.metadata.version", None, "Terraform skips // and what is in it"),
    Expectation(
        "terraform.required_providers.aws.source", '"hashicorp/aws"', "aws is short for it"
    ),
)


def expectation(difference: Difference) -> Expectation | None:
    """Return why a difference changes nothing, or ``None`` if it is not known to."""
    for expected in EXPECTED:
        if expected.place == difference.place and expected.after in (None, difference.after):
            return expected
    return None


def _stacks_by_difference(stacks: Sequence[SynthesizedStack]) -> dict[Difference, list[str]]:
    names: dict[Difference, list[str]] = {}
    for stack in stacks:
        for difference in find_differences(stack.before, stack.after):
            names.setdefault(difference, []).append(stack.name)
    return names


def _table(stacks_by_difference: Mapping[Difference, Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE, show_lines=True)
    for name in ("where", "cdktf", "cdktn", "in"):
        table.add_column(name, overflow="fold")
    for difference, stacks in stacks_by_difference.items():
        expected = expectation(difference)
        verdict = (expected.why, "dim") if expected else ("not expected", "bold red")
        place = Text.assemble(difference.place, "\n", verdict, overflow="fold")
        table.add_row(place, *map(Text, excerpts(difference)), "\n".join(stacks))
    return table


def _show(console: Console, stacks: Sequence[SynthesizedStack]) -> int:
    """Print what was compared and what differs, and return how much of it is not expected."""
    for stack in stacks:
        console.print(
            f"{stack.name}: {count_blocks(stack.before)} resources and data sources compared",
            highlight=False,
        )
    stacks_by_difference = _stacks_by_difference(stacks)
    console.print(_table(stacks_by_difference))
    count = sum(expectation(difference) is None for difference in stacks_by_difference)
    console.print(
        f"[bold red]not expected: {count}[/]; docs/successor.md says what to do"
        if count
        else "[green]nothing else differs[/]: both tell Terraform the same"
    )
    return count


def main() -> int:
    """Compare, show what differs, and return 1 if anything of that is not expected."""
    console = Console()
    try:
        with console.status("Looking around") as status:
            if not is_installed("successor"):
                status.update("Installing cdktn (once)")
            cdktn = virtual_environment("successor") / "python"
            status.update("Synthesizing every stack with cdktf, then with cdktn")
            stacks = synthesize_with_both(Path(sys.executable), cdktn)
    except LocalError as reason:
        sys.stderr.write(f"error: {reason}\n")
        return 1
    return 1 if _show(console, stacks) else 0


if __name__ == "__main__":
    sys.exit(main())
