"""What a terminal shows while an interface is listened to: one line, on stderr."""

from rich.console import Console
from rich.live import Live as Screen

from lastack.cli.read_look import Shown
from lastack.observe.captures import Capture
from lastack.observe.live import Live
from lastack.view.capture_words import LIVE
from lastack.view.captures import octets


class Line(Shown):
    """One line that says how many octets were heard."""

    def __init__(self, live: Capture, lang: str) -> None:
        assert isinstance(live, Live)
        self._live = live
        self._lang = lang
        screen = Console(stderr=True)
        self._screen = Screen(self._line(), console=screen, transient=True, redirect_stdout=False)
        self._screen.start()

    def __call__(self, octets: int) -> None:
        self._screen.update(self._line())
        self._screen.start()

    def hide(self) -> None:
        self._screen.stop()

    def _line(self) -> str:
        interface = self._live.interface
        return LIVE[self._lang]["line"].format(
            name=self._live.name,
            packets=f"{interface.packets:,}",
            octets=octets(interface.octets),
            dropped=f"{interface.dropped:,}",
        )
