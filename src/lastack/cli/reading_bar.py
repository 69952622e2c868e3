"""A bar for long reads, on a terminal alone, and on stderr so that it stays out of the data."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from lastack.observe.captures import Capture
from lastack.observe.sources import Notice

_LONG: Final = 32 << 20
"""Octets of captures from which on there is a bar."""


class Bar:
    """A bar, which is drawn from the first octets on."""

    def __init__(self, total: int) -> None:
        # Loaded here, for without a bar there is nothing to draw while reading.
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        columns = (BarColumn(None), DownloadColumn(), TimeRemainingColumn())
        beside_data = sys.stdout.isatty()
        screen = Console(stderr=True)
        self._bar = Progress(*columns, console=screen, transient=True, redirect_stdout=beside_data)
        self._task = self._bar.add_task("", total=total)

    def __call__(self, octets: int) -> None:
        """Advance."""
        if not self._bar.live.is_started:
            self._bar.start()  # with a thread of its own: after the processes that help
        self._bar.advance(self._task, octets)

    def hide(self) -> None:
        """Take it off the screen until it advances."""
        self._bar.stop()


@contextmanager
def reading_bar(captures: Sequence[Capture], lang: str, passes: int = 1) -> Iterator[Notice | None]:
    """Yield what is to be told of the octets read, None where no bar is drawn."""
    total = sum(capture.size for capture in captures) * passes
    live = not captures[0].files
    if not sys.stderr.isatty() or not (live or total >= _LONG):
        yield None
        return
    if live:
        from rich.console import Console

        from lastack.cli.listening_line import listening_line

        with listening_line(captures[0], Console(stderr=True), lang) as notice:
            yield notice
        return
    bar = Bar(total)
    try:
        yield bar
    finally:
        bar.hide()
