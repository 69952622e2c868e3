"""A bar for long reads, on a terminal alone, and on stderr so that it stays out of the data."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from lastack.observe.captures import Capture
from lastack.observe.sources import Notice

_LONG: Final = 32 << 20
"""Octets of captures from which on there is a bar."""


@contextmanager
def reading_bar(captures: Sequence[Capture], lang: str, passes: int = 1) -> Iterator[Notice | None]:
    """Yield what is to be told of the octets read, None where no bar is drawn."""
    total = sum(capture.size for capture in captures) * passes
    live = not captures[0].files
    if not sys.stderr.isatty() or not (live or total >= _LONG):
        yield None
        return
    # Loaded here, for without a bar there is nothing to draw while reading.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    screen = Console(stderr=True)
    if live:
        from lastack.cli.listening_line import listening_line

        with listening_line(captures[0], screen, lang) as notice:
            yield notice
        return
    columns = (BarColumn(None), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=screen, transient=True, redirect_stdout=sys.stdout.isatty())
    task = bar.add_task("", total=total)

    def advance(octets: int) -> None:
        if not bar.live.is_started:
            bar.start()  # with a thread of its own: after the processes that help
        bar.advance(task, octets)

    try:
        yield advance
    finally:
        bar.stop()
