"""What is printed for the eye: where it goes, how wide it is, whether it has colour."""

from typing import IO, Final

import click
from rich.console import Console, RenderableType
from rich.table import Table

_WIDEST: Final = 1000


def show(out: Console, *renderables: RenderableType) -> None:
    """Print; to a file without the blanks that pad lines for the eye alone."""
    if out.is_terminal:
        out.print(*renderables)
        return
    with out.capture() as captured:
        out.print(*renderables)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def show_whole(out: Console, table: Table) -> None:
    """Print a table as wide as it must be: the terminal breaks its lines, and nothing is cut."""
    needed = out.measure(table, options=out.options.update(max_width=_WIDEST)).maximum
    width, out.width = out.width, max(out.width, needed)
    try:
        show(out, table)
    finally:
        out.width = width


def console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return a console: colour only on a terminal and without NO_COLOR, 100 columns elsewhere."""
    found = Console(file=file, highlight=False, emoji=False, soft_wrap=False)
    if width is not None or not found.is_terminal:
        found.width = width or 100
    return found
