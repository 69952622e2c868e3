"""A bar for long reads, on a terminal alone, and on stderr so that it stays out of the data."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from lastack.cli.read_look import Shown
from lastack.observe.captures import Capture
from lastack.observe.sources import Notice

_LONG: Final = 32 << 20
"""Octets of captures from which on there is a bar."""


class Bar(Shown):
    """A bar."""

    def __init__(self, total: int) -> None:
        # Loaded here, for without a bar there is nothing to draw while reading.
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        columns = (BarColumn(None), DownloadColumn(), TimeRemainingColumn())
        screen = Console(stderr=True)
        self._bar = Progress(*columns, console=screen, transient=True, redirect_stdout=False)
        self._task = self._bar.add_task("", total=total)

    def __call__(self, octets: int) -> None:
        if not self._bar.live.is_started:
            self._bar.start()  # with a thread of its own: after the processes that help
        self._bar.advance(self._task, octets)

    def hide(self) -> None:
        self._bar.stop()


@contextmanager
def reading_bar(captures: Sequence[Capture], lang: str, passes: int = 1) -> Iterator[Notice | None]:
    """Yield what is to be told of the octets read, None where no bar is drawn."""
    total = sum(capture.size for capture in captures) * passes
    live = not captures[0].files
    if not sys.stderr.isatty() or not (live or total >= _LONG):
        yield None
        return
    shown: Shown
    if live:
        from lastack.cli.listening_line import Line

        shown = Line(captures[0], lang)
    else:
        shown = Bar(total)
    try:
        yield shown
    finally:
        shown.hide()
