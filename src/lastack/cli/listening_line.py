"""What a terminal shows while an interface is listened to: one line, on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live as Screen

from lastack.observe.captures import Capture
from lastack.observe.live import Live
from lastack.observe.sources import Notice
from lastack.view.capture_words import LIVE
from lastack.view.captures import octets


@contextmanager
def listening_line(live: Capture, screen: Console, lang: str) -> Iterator[Notice]:
    """Yield what is told of the octets heard; one line on the screen says how many."""
    assert isinstance(live, Live)
    interface = live.interface

    def line() -> str:
        return LIVE[lang]["line"].format(
            name=live.name,
            packets=f"{interface.packets:,}",
            octets=octets(interface.octets),
            dropped=f"{interface.dropped:,}",
        )

    beside_data = sys.stdout.isatty()
    with Screen(line(), console=screen, transient=True, redirect_stdout=beside_data) as shown:
        yield lambda _: shown.update(line())
